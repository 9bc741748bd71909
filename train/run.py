"""One training run: steps, log, checkpoints, and going on where it stopped."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from concealer.networks.weights import load_weights, save_weights

log = logging.getLogger("train")
_LOG_EVERY = 5.0
"""Seconds between lines of the log."""
_SAVE_EVERY = 120.0
"""Seconds between checkpoints."""
LIVE = "-live"
"""Ends the name of a part whose moving average is the part of the name before it."""


@dataclass(slots=True)
class Part:
    """A network that a run trains or keeps."""

    network: nn.Module
    arguments: Mapping[str, Any]
    """What its class was built with."""
    ship: bool = True
    """Whether it is written as weights of its own at every checkpoint."""


class Trainer(ABC):
    """What a recipe does in one step. Subclasses fill `parts` and `optimizers` before training starts."""

    parts: dict[str, Part]
    optimizers: dict[str, torch.optim.Optimizer]

    @abstractmethod
    def step(self, number: int) -> dict[str, float]:
        """Train on one batch, drawn by `number` alone so that a resumed run is the same run. Returns losses."""

    def validate(self) -> dict[str, float]:
        """Measures on held-out identities."""
        return {}

    def picture(self, path: Path) -> None:  # noqa: B027 (not every recipe has something to show)
        """A contact sheet that shows how far training got."""


def train(trainer: Trainer, folder: Path, steps: int, *, minutes: float | None = None, note: str = "") -> int:
    """Run `trainer` up to `steps` steps in all, or for `minutes`; checkpoints and log go to `folder`.

    Goes on from the checkpoint in `folder`, or from weights if they are there without one. Stops after the step at
    hand on SIGINT or SIGTERM, with a checkpoint. Returns the number of steps done in all. Raises ValueError for a
    checkpoint or weights of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint.safetensors"
    done, before = _resume(trainer, checkpoint) if checkpoint.exists() else (_from_weights(trainer, folder), 0.0)
    if done:
        log.info("%s: going on from step %d", folder.name, done)
    board = _tensorboard(folder)
    sums: dict[str, float] = {}
    counted = 0
    started = logged = saved = time.monotonic()
    with _Stop() as stop, open(folder / "log.jsonl", "a", encoding="utf-8") as lines:
        while done < steps and not stop.asked:
            if minutes is not None and time.monotonic() - started > minutes * 60:
                break
            for key, value in trainer.step(done).items():
                sums[key] = sums.get(key, 0.0) + value
            done += 1
            counted += 1
            now = time.monotonic()
            if now - logged > _LOG_EVERY or done == steps:
                row = {"step": done, "seconds": round(before + now - started, 1)}
                row |= {key: round(value / counted, 5) for key, value in sums.items()}
                _note(lines, board, row)
                log.info("%s %s", folder.name, " ".join(f"{k}={v}" for k, v in row.items()))
                sums, counted, logged = {}, 0, now
            if now - saved > _SAVE_EVERY:
                _validate(trainer, folder, done, lines, board)
                _save(trainer, checkpoint, done, before + now - started, note)
                saved = time.monotonic()
        _validate(trainer, folder, done, lines, board)
        _save(trainer, checkpoint, done, before + time.monotonic() - started, note)
    return done


def _validate(trainer: Trainer, folder: Path, step: int, lines: Any, board: Any) -> None:
    trainer.picture(folder / "samples.png")
    measures = trainer.validate()
    if measures:
        row = {"step": step, "validation": True} | {key: round(value, 4) for key, value in measures.items()}
        _note(lines, board, row)
        log.info("%s %s", folder.name, " ".join(f"{k}={v}" for k, v in row.items()))


def _note(lines: Any, board: Any, row: dict[str, Any]) -> None:
    lines.write(json.dumps(row) + "\n")
    lines.flush()
    if board is not None:
        for key, value in row.items():
            if key not in ("step", "validation"):
                board.add_scalar(key, value, row["step"])


def _tensorboard(folder: Path) -> Any:
    """A writer where tensorboard is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def _save(trainer: Trainer, path: Path, step: int, seconds: float, note: str) -> None:
    tensors: dict[str, torch.Tensor] = {}
    for name, part in trainer.parts.items():
        for key, tensor in part.network.state_dict().items():
            tensors[f"{name}/{key}"] = tensor.detach().cpu().clone()
        if part.ship:
            text = f"{note}; {step} steps"
            save_weights(part.network, part.arguments, path.parent / f"{name}.safetensors", half=True, note=text)
    for name, optimizer in trainer.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = torch.as_tensor(value).detach().cpu().clone()
    metadata = {"step": str(step), "seconds": f"{seconds:.1f}", "parts": ",".join(sorted(trainer.parts))}
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata=metadata)
    partial.replace(path)


def _resume(trainer: Trainer, path: Path) -> tuple[int, float]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a checkpoint: {error}") from None
    if metadata.get("parts") != ",".join(sorted(trainer.parts)):
        raise ValueError(f"{path} belongs to another recipe: it holds {metadata.get('parts')}")
    for name, part in trainer.parts.items():
        own = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        try:
            part.network.load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(f"{path} does not fit {name}: {str(error).splitlines()[0]}") from None
    for name, optimizer in trainer.optimizers.items():
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(f"optimizer/{name}/"):
                index, field = key.split("/")[-2:]
                state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"]), float(metadata["seconds"])


def _from_weights(trainer: Trainer, folder: Path) -> int:
    """Take over the weights in `folder`, if they are all there; optimisers start afresh. Returns the steps they had."""
    paths = {name: folder / f"{name.removesuffix(LIVE)}.safetensors" for name in trainer.parts}
    if not all(path.exists() for path in paths.values()):
        return 0
    steps = 0
    for name, part in trainer.parts.items():
        try:
            part.network.load_state_dict(load_weights(paths[name]).state_dict())
        except RuntimeError as error:
            raise ValueError(f"{paths[name]} does not fit {name}: {str(error).splitlines()[0]}") from None
        with safe_open(paths[name], framework="pt") as file:
            found = re.search(r"(\d+) steps$", (file.metadata() or {}).get("note", ""))
        steps = int(found[1]) if found else 0
    log.info("%s: weights without a checkpoint: optimisers start afresh", folder.name)
    return steps


class _Stop:
    """Notes SIGINT and SIGTERM instead of dying of them."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._ask)
            except ValueError:  # not the main thread
                break
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
