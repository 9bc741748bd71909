"""Holes as the product meets them, with the truth beside them: clips encoded, damaged, repaired in the closed loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec, StreamParser, join_annexb
from concealer.flow import Array
from concealer.front_door import open_decoder
from concealer.loss import Channel, RtpLoss, SliceLoss, transmit
from concealer.repair import (
    BELIEF,
    MOST,
    Candidate,
    Choice,
    ChoiceInputs,
    Chosen,
    Question,
    Repairer,
    Site,
    cell_size,
    cells_of,
    choice_inputs,
    on_cells,
    own_candidate,
)

PICTURES = 40
_MOST_SAMPLES = 640 * 360
_SUFFIXES = (".mp4", ".mkv", ".mpg", ".webm", ".264", ".h265")


@dataclass(frozen=True)
class Hole:
    """One hole of one damaged picture, on cells."""

    place: tuple[int, int]
    """Row and column of its first cell in the picture."""
    order: int
    scene: int
    figures: Array
    """(n, FIGURES, rows, cols) float16."""
    around: Array
    """(AROUND, rows, cols) float16."""
    motion: Array
    """(2, rows, cols) float16."""
    gram: Array
    """(n, n, rows, cols) float32: mean product of the errors of two candidates, over the hole's samples of a cell."""
    errors: Array
    """(n, rows, cols) float32: logarithm of the expected error, untrained."""
    samples: Array
    """(rows, cols) float32: samples of the hole in a cell, by how sure it is that they are wrong."""


def clips(folders: Sequence[Path]) -> list[Path]:
    """Files by name."""
    return sorted((path for folder in folders for path in folder.iterdir() if path.suffix in _SUFFIXES),
                  key=lambda path: path.name)  # fmt: skip


class Recorder:
    """A choice that corrects nothing, or what another one does, and keeps what a network would have been told."""

    def __init__(self, clean: Mapping[int, npt.NDArray[np.uint8]], within: Choice | None = None) -> None:
        """clean: luma of the undamaged pictures by pts."""
        self.holes: list[Hole] = []
        self.size = 0, 0
        """(rows, cols) of the picture in cells."""
        self._clean = clean
        self._within = within
        self._scene = 0

    @property
    def works(self) -> bool:
        """Every hole is looked at."""
        return True

    def corrected(self, asked: Question) -> Chosen:
        site, candidates, own = asked.site, asked.candidates, asked.own
        clean = None if site.picture.pts is None else self._clean.get(site.picture.pts)
        if clean is not None and clean.shape == site.picture.planes[0].shape and 1 < len(candidates) < MOST:
            told = choice_inputs(asked)
            cell = cell_size(site.picture)
            self.size = -(-site.picture.height // cell), -(-site.picture.width // cell)
            shown = [*candidates, own_candidate(site, own)] if own is not None else candidates
            self.holes.append(_hole(site, shown, told, clean, self._scene))
        if self._within is not None:
            return self._within.corrected(asked)
        return Chosen(asked.expected.errors)

    def forget(self) -> None:
        self._scene += 1
        if self._within is not None:
            self._within.forget()


def _hole(site: Site, candidates: Sequence[Candidate], told: ChoiceInputs, clean: Array, scene: int) -> Hole:
    rows, cols = cells_of(site)
    truth = clean[site.region.slices()][site.window.slices()].astype(np.float32)
    hole = site.window_hole.astype(np.float32)
    errors = [(c.luma - truth) * hole for c in candidates]
    cell = cell_size(site.picture)
    whole = np.float32(cell * cell)
    samples = on_cells(hole[None], 1, site)[0] * whole
    gram = np.empty((len(candidates), len(candidates), rows, cols), np.float32)
    for i, one in enumerate(errors):
        for j in range(i, len(errors)):
            product = on_cells(cv2.multiply(one, errors[j])[None], 1, site)[0] * whole
            gram[i, j] = gram[j, i] = product / np.maximum(samples, 1.0)
    samples *= told.around[BELIEF]
    coarse = on_cells(told.errors, site.step, site)
    top = (site.region.top + site.window.top) // cell
    left = (site.region.left + site.window.left) // cell
    figures, around, motion = (one.astype(np.float16) for one in (told.figures, told.around, told.motion))
    return Hole((top, left), site.now.order, scene, figures, around, motion, gram, coarse, samples)


@dataclass(frozen=True)
class Take:
    """How a clip is encoded and damaged."""

    codec: Codec
    slices: int
    bframes: int
    crf: int
    preset: str
    rate: float
    lookahead: int
    seed: int
    known: bool
    """Whether the places of lost bytes are told."""
    gop: int = 250
    """Pictures from one intra picture to the next at most."""


def draw(rng: random.Random, codec: Codec, real: bool) -> Take:
    """real: one slice a picture, packets lost; else many slices, whole ones lost."""
    return Take(
        codec,
        1 if real else 8 if codec == "h264" else 4,
        rng.choice([0, 3]),
        rng.choice([19, 23, 23, 27, 31]),
        rng.choice(["veryfast", "medium", "medium"]),
        rng.choice([0.03, 0.06, 0.12]) if real else rng.choice([0.03, 0.06]),
        rng.choice([0, 2]),
        rng.randrange(1 << 30),
        rng.random() < 0.25,
    )


def holes_of(
    path: Path, take: Take, size: tuple[int, int] | None = None, within: Callable[[], Choice] | None = None
) -> tuple[list[Hole], tuple[int, int]]:
    """Holes of one clip in decoding order, and the picture's (rows, cols) in cells. none if it is too short."""
    frames = frames_of(path, take.seed, size)
    if len(frames) < PICTURES // 2:
        return [], (0, 0)
    units, clean = encoded(frames, take)
    channel: Channel = (
        RtpLoss(take.rate, seed=take.seed, closed_up=True) if take.slices == 1 else SliceLoss(take.rate, seed=take.seed)
    )
    received, _ = transmit(units, channel)
    recorder = Recorder(clean, None if within is None else within())
    repairer = Repairer()
    repairer.choice = recorder
    decoder = open_decoder(take.codec, repairer=repairer, container_framed=True, lookahead=take.lookahead)
    for part in received:
        if part.payload:
            known = take.known and take.slices == 1
            decoder.decode(part.payload, pts=part.pts, gaps=part.gaps if known else ())
    decoder.flush()
    decoder.close()
    return recorder.holes, recorder.size


def frames_of(path: Path, seed: int, size: tuple[int, int] | None = None) -> list[av.VideoFrame]:
    """`PICTURES` pictures of a clip, from the `seed` % 40th on; size: (width, height), None: at most 640x360."""
    frames: list[av.VideoFrame] = []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        scale = min(1.0, (_MOST_SAMPLES / (video.width * video.height)) ** 0.5)
        width, height = size or (int(side * scale) // 16 * 16 for side in (video.width, video.height))
        skipped = seed % 40
        for number, frame in enumerate(container.decode(video)):
            if number >= skipped:
                frames.append(frame.reformat(width=width, height=height, format="yuv420p"))
            if len(frames) == PICTURES:
                break
    return frames


def encoded(frames: Sequence[av.VideoFrame], take: Take) -> tuple[list[AccessUnit], dict[int, Any]]:
    """Parsed access units, and the luma of the undamaged pictures by pts."""
    name, key = ("libx264", "x264-params") if take.codec == "h264" else ("libx265", "x265-params")
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    context.time_base, context.framerate, context.thread_count = Fraction(1, 25), Fraction(25), 1
    common = f"keyint={take.gop}:slices={take.slices}:bframes={take.bframes}:scenecut=40"
    own = "sliced-threads=0:threads=1" if take.codec == "h264" else "log-level=none:pools=1:frame-threads=1"
    context.options = {"preset": take.preset, "crf": str(take.crf), key: f"{common}:{own}"}
    packets = []
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = number, context.time_base, 0
        packets += context.encode(frame)
    packets += context.encode(None)
    parser = StreamParser(take.codec, None, container_framed=True)
    units = [unit for packet in packets for unit in parser.push(bytes(packet), pts=packet.pts)] + parser.flush()
    return units, _clean(take.codec, units)


def _clean(codec: Codec, units: Sequence[AccessUnit]) -> dict[int, Any]:
    decoder = open_decoder(codec, container_framed=True)
    shown = [picture for unit in units for picture in decoder.decode(join_annexb(unit.nals), pts=unit.pts)]
    shown += decoder.flush()
    decoder.close()
    pictures = {}
    for one in shown:
        assert one.pts is not None
        plane = one.frame.planes[0]
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]  # type: ignore[call-overload]
        pictures[one.pts] = rows.reshape(plane.height, plane.line_size)[:, : one.frame.width].copy()
    return pictures


def takes(path: Path, rounds: Sequence[int]) -> Iterator[tuple[str, Take]]:
    """(name, how) of all that is made of a clip."""
    for number in rounds:
        for codec in ("h264", "hevc"):
            for real in (False, True):
                rng = random.Random(f"{path.name}{number}{codec}{real}")
                yield f"{path.stem}-{codec}-{'real' if real else 'slices'}-{number}", draw(rng, codec, real)
