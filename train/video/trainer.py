"""Training the grouped prior for natural video: groups of W holes of a stream, truncated back-propagation."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from concealer.flow import Array
from concealer.networks.video_prior import VideoPrior
from concealer.repair import FRESHNESS, SHARPNESS, freshness
from train.run import LIVE, Part, Trainer
from train.spec import NetworkSpec
from train.take_over import follow
from train.video.examples import Hole
from train.video.shards import read

AVERAGE = 0.995
_NOISE = 1.0
"""Mean squared error beside which less does not count."""
_REGRESSION = 0.02
"""Weight of the logarithms of the candidates' own errors beside that of their mix."""
_RESTRAINT = 0.01
"""Weight of the mean squared correction: what the figures do not tell for sure is left as it is."""
_NOISE_IN = 0.05
"""Deviation of the noise on the figures in training."""
_OF_STREAM = 0.6
"""Part of a hole's weight that is its share in its stream's error."""
_MOST_STEPS = 8
"""Steps of order that memory is carried along the motion at once."""
_HELD_OUT = 5
"""One family of clips of so many is held out."""


@dataclass(frozen=True)
class StreamHoles:
    """The holes of one damaged stream, in decoding order."""

    name: str
    size: tuple[int, int]
    holes: list[Hole]


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """What tells one recipe from another."""

    prior: NetworkSpec
    window: int
    """W: holes in a group, over which errors are carried back."""
    length: int
    """Consecutive holes of a stream in a step."""
    streams: int
    """Streams in a step."""
    rate: float
    memory: bool = True
    """False: the state is cleared at every hole."""
    steps: int = 4000
    """Over which the rate falls to a twentieth."""


def family(name: str) -> str:
    """Clips of one family show the same people or places: those before the first underscore or hyphen."""
    return name.replace("-", "_").split("_")[0]


def held_out(name: str) -> bool:
    return zlib.crc32(family(name).encode()) % _HELD_OUT == 0


def load(folder: Path) -> tuple[list[StreamHoles], list[StreamHoles]]:
    """To train on, and of held-out families. Raises ValueError if there is nothing to train on."""
    kept: tuple[list[StreamHoles], list[StreamHoles]] = ([], [])
    for path in sorted(folder.glob("*.npz")):
        holes, size = read(path)
        holes = [hole for hole in holes if hole.samples.any()]
        if holes:
            kept[held_out(path.stem)].append(StreamHoles(path.stem, size, holes))
    if not kept[0]:
        raise ValueError(f"{folder} holds no shards: python -m train.video.collect {folder} FOLDER...")
    return kept


class Memory:
    """The state of one stream, on the grid of the whole picture."""

    def __init__(self, prior: VideoPrior, size: tuple[int, int]) -> None:
        self._prior = prior
        self._size = size
        self.clear()

    def clear(self) -> None:
        self.state = torch.cat(self._prior.initial_state(1, *self._size), 1)
        self.seen: np.ndarray | None = None
        """(rows, cols): order at which a cell was last told of."""
        self.order = 0

    def detach(self) -> None:
        self.state = self.state.detach()

    def at(self, hole: Hole) -> tuple[Tensor, np.ndarray]:
        """State of the hole's window, carried along the motion, and how fresh it is."""
        top, left = hole.place
        rows, cols = hole.samples.shape
        if self.seen is None:
            return self.state.new_zeros(1, self.state.shape[1], rows, cols), np.zeros((rows, cols), np.float32)
        steps = float(np.clip(hole.order - self.order, -_MOST_STEPS, _MOST_STEPS))
        ys, xs = np.mgrid[top : top + rows, left : left + cols].astype(np.float32)
        moved = hole.motion.astype(np.float32) * steps
        height, width = self._size
        places = np.stack([2 * (xs + moved[0] + 0.5) / width - 1, 2 * (ys + moved[1] + 0.5) / height - 1], -1)
        state = functional.grid_sample(self.state, torch.from_numpy(places)[None], align_corners=False)
        return state, freshness(hole.order, self.seen[top : top + rows, left : left + cols])

    def put(self, hole: Hole, hidden: Tensor, cell: Tensor) -> None:
        top, left = hole.place
        rows, cols = hole.samples.shape
        below, right = self._size[0] - top - rows, self._size[1] - left - cols
        new = functional.pad(torch.cat([hidden, cell], 1), (left, right, top, below))
        inside = functional.pad(new.new_ones(1, 1, rows, cols), (left, right, top, below))
        self.state = self.state * (1 - inside) + new
        if self.seen is None:
            self.seen = np.full(self._size, np.nan, np.float32)
        self.seen[top : top + rows, left : left + cols] = hole.order
        self.order = hole.order


def judged(prior: VideoPrior, hole: Hole, memory: Memory) -> Tensor:
    """(n, rows, cols) corrected logarithms of the candidates' errors; the memory goes on."""
    count = len(hole.figures)
    state, fresh = memory.at(hole)
    around = torch.from_numpy(hole.around.astype(np.float32))[None]
    around[:, FRESHNESS] = torch.from_numpy(fresh)
    figures = torch.from_numpy(hole.figures.astype(np.float32))[None]
    # Without the missing ones: they change nothing but the time it takes.
    present, inside = torch.ones(1, count), torch.ones(1, 1, *hole.samples.shape)
    hidden, cell = state.chunk(2, 1)
    correction, hidden, cell = prior.step(figures, around, present, inside, hidden, cell)
    memory.put(hole, hidden, cell)
    return torch.from_numpy(hole.errors) + correction[0]


def mixed_error(errors: Tensor, hole: Hole) -> Tensor:
    """Sum of squared errors over the hole, mixed by these logarithms of errors."""
    weights = torch.softmax(errors * -SHARPNESS, 0)
    gram = torch.from_numpy(hole.gram)
    square = torch.einsum("nij,nmij,mij->ij", weights, gram, weights)
    return (square * torch.from_numpy(hole.samples)).sum()


def measure(prior: VideoPrior | None, streams: Sequence[StreamHoles], memory: bool) -> dict[str, float]:
    """Hole PSNR of the untrained mix, and gain over it in dB: mean, worst and best stream. None: told the truth."""
    before, gains, kinds = [], [], []
    with torch.no_grad():
        for stream in streams:
            state = None if prior is None else Memory(prior, stream.size)
            plain = learnt = samples = 0.0
            scene = 0
            for hole in stream.holes:
                if prior is None or state is None:
                    diagonal = torch.from_numpy(np.einsum("nnij->nij", hole.gram).clip(0))
                    errors = torch.log(torch.sqrt(diagonal) + 1)
                else:
                    if hole.scene != scene or not memory:
                        state.clear()
                    scene = hole.scene
                    errors = judged(prior, hole, state)
                learnt += float(mixed_error(errors, hole))
                plain += float(mixed_error(torch.from_numpy(hole.errors), hole))
                samples += float(hole.samples.sum())
            before.append(10 * np.log10(65025 * samples / max(plain, 1e-3)))
            gains.append(10 * np.log10(max(plain, 1e-3) / max(learnt, 1e-3)))
            kinds.append("-".join(stream.name.split("-")[-3:-1]))
    told = {"before": float(np.mean(before)), "gain": float(np.mean(gains))}
    told |= {"worst": float(np.min(gains)), "best": float(np.max(gains))}
    told |= {"below": float(np.mean(np.array(gains) < -0.1))}
    for kind in sorted(set(kinds)):
        told[kind] = float(np.mean([gain for gain, one in zip(gains, kinds, strict=True) if one == kind]))
    return told


class VideoTrainer(Trainer):
    """Corrections that lower the squared error of the mix."""

    def __init__(
        self, settings: VideoSettings, train: Sequence[StreamHoles], held: Sequence[StreamHoles], seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.settings, self.streams, self.held, self.seed = settings, train, held, seed
        self.prior = cast(VideoPrior, settings.prior.build())
        self.kept = copy.deepcopy(self.prior).eval().requires_grad_(False)
        arguments = settings.prior.arguments
        self.parts = {"prior" + LIVE: Part(self.prior, arguments, False), "prior": Part(self.kept, arguments)}
        self.optimizers = {"prior": torch.optim.AdamW(self.prior.parameters(), settings.rate, weight_decay=1e-2)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        settings = self.settings
        fallen = 0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * min(number / settings.steps, 1.0)))
        for group in self.optimizers["prior"].param_groups:
            group["lr"] = settings.rate * fallen
        self.optimizers["prior"].zero_grad(set_to_none=True)
        loss = gain = 0.0
        for _ in range(settings.streams):
            stream = self.streams[int(rng.integers(len(self.streams)))]
            start = int(rng.integers(max(1, len(stream.holes) - settings.length + 1)))
            part = stream.holes[start : start + settings.length]
            made, won = self._follow(part, stream.size, rng)
            loss, gain = loss + made / settings.streams, gain + won / settings.streams
        torch.nn.utils.clip_grad_norm_(self.prior.parameters(), 1.0)
        self.optimizers["prior"].step()
        follow(self.kept, self.prior, AVERAGE)
        return {"loss": loss, "gain": gain}

    def _follow(self, holes: Sequence[Hole], size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float]:
        """Carry errors back through groups of W holes. Returns the mean loss, and the mean gain in dB."""
        mirrored, dropped = rng.random() < 0.5, rng.random() < 0.3
        memory = Memory(self.prior, size)
        total = gain = 0.0
        group: list[Tensor] = []
        scene = holes[0].scene
        weights = _weights(holes)
        for index, hole in enumerate(holes):
            if hole.scene != scene or not self.settings.memory:
                memory.clear()
            scene = hole.scene
            hole = _mirror(hole, size) if mirrored else hole
            hole = _drop(hole, rng) if dropped else hole
            hole = replace(hole, figures=hole.figures + _NOISE_IN * rng.standard_normal(hole.figures.shape, np.float32))
            samples = float(hole.samples.sum())
            errors = judged(self.prior, hole, memory)
            left = torch.log(mixed_error(errors, hole) / samples + _NOISE)
            plain = torch.log(mixed_error(torch.from_numpy(hole.errors), hole) / samples + _NOISE)
            weight = weights[index]
            kept = (errors - torch.from_numpy(hole.errors)).square().mean()
            group.append(weight * (left - plain + _REGRESSION * _regression(errors, hole)) + _RESTRAINT * kept)
            total += group[-1].item()
            gain += float(plain - left.detach()) * 10 / np.log(10)
            if len(group) == self.settings.window or index == len(holes) - 1:
                (torch.stack(group).sum() / (len(holes) * self.settings.streams)).backward()  # type: ignore[no-untyped-call]
                group = []
                memory.detach()
        return total / len(holes), gain / len(holes)

    def validate(self) -> dict[str, float]:
        """On held-out families."""
        return measure(self.kept, self.held, self.settings.memory)


def _weights(holes: Sequence[Hole]) -> list[float]:
    """One on the mean. PSNR is taken over all holes of a stream together, so it hangs on those that err most."""
    left = np.array([float(mixed_error(torch.from_numpy(hole.errors), hole)) for hole in holes]) + _NOISE
    share = len(holes) * left / left.sum()
    return [float(one) for one in (1.0 - _OF_STREAM) + _OF_STREAM * share]


def _regression(errors: Tensor, hole: Hole) -> Tensor:
    truth = torch.log(torch.sqrt(torch.from_numpy(np.einsum("nnij->nij", hole.gram).clip(0))) + 1)
    inside = torch.from_numpy((hole.samples > 0).astype(np.float32))
    # Only how they differ counts in their mix.
    gap = (errors - errors.mean(0)) - (truth - truth.mean(0))
    return (functional.smooth_l1_loss(gap, torch.zeros_like(gap), reduction="none") * inside).sum() / inside.sum()


def _mirror(hole: Hole, size: tuple[int, int]) -> Hole:
    """Left and right exchanged."""
    left = size[1] - hole.place[1] - hole.samples.shape[1]
    motion = hole.motion[..., ::-1] * np.array([-1, 1], hole.motion.dtype)[:, None, None]
    return replace(
        hole,
        place=(hole.place[0], left),
        motion=np.ascontiguousarray(motion),
        figures=_reversed(hole.figures),
        around=_reversed(hole.around),
        gram=_reversed(hole.gram),
        errors=_reversed(hole.errors),
        samples=_reversed(hole.samples),
    )


def _reversed(values: Array) -> Array:
    return np.ascontiguousarray(values[..., ::-1])


def _drop(hole: Hole, rng: np.random.Generator) -> Hole:
    """Without one of the candidates: fewer than usual must be no surprise."""
    count = len(hole.figures)
    if count < 3:
        return hole
    kept = np.delete(np.arange(count), rng.integers(count))
    gram = np.ascontiguousarray(hole.gram[np.ix_(kept, kept)])
    return replace(hole, figures=hole.figures[kept], errors=hole.errors[kept], gram=gram)
