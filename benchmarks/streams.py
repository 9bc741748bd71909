"""Evaluation clips as encoded streams, one payload per access unit, kept in a cache folder."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

import av
import numpy as np

from benchmarks.clips import Clip, Planes, load, to_frame, to_planes
from concealer.decoder.hook import padded_packet
from pipelines.writing.x264 import reproducible

Codec = Literal["h264", "hevc"]
Structure = Literal["P", "B"]
COMBINATIONS: tuple[tuple[Codec, Structure], ...] = (
    ("h264", "P"),
    ("h264", "B"),
    ("hevc", "P"),
    ("hevc", "B"),
)
FPS = 25


def default_cache() -> Path:
    """Folder for encoded streams that survives from run to run, in the system's temporary folder."""
    return Path(tempfile.gettempdir()) / "concealer-benchmarks"


@dataclass(frozen=True)
class Encoding:
    """How a clip is encoded."""

    codec: Codec
    structure: Structure
    """"P": IPPP; "B": three B-pictures between."""
    pictures: int = 60
    preset: str = "medium"
    crf: int = 23
    gop: int = field(default=250, repr=False)
    """Pictures from one IDR or CRA picture to the next at most."""
    slices: int = 0
    """Slices a picture; 0 is the benchmark's own: 8 for x264, 4 for x265."""
    further: str = field(default="", repr=False)
    """More parameters, as the encoder takes them."""
    pix_fmt: str = field(default="yuv420p", repr=False)
    """What the clip is converted to."""
    size: tuple[int, int] | None = field(default=None, repr=False)
    """(width, height) to scale to, which may be odd; None: the clip's."""

    @property
    def slice_count(self) -> int:
        return self.slices or (8 if self.codec == "h264" else 4)

    @property
    def encoder(self) -> str:
        return "libx264" if self.codec == "h264" else "libx265"

    @property
    def parameters(self) -> str:
        """Value of x264-params or x265-params."""
        bframes = 0 if self.structure == "P" else 3
        common = f"slices={self.slice_count}:bframes={bframes}:keyint={self.gop}:scenecut=40"
        if self.further:
            common += f":{self.further}"
        if self.codec == "h264":
            # Otherwise slice threads decide the number of slices.
            return f"{common}:sliced-threads=0:threads=1"
        # Without a pool x265 has no wavefront, and several slices then crash it.
        return f"{common}:pools=1:frame-threads=1:log-level=none"

    @property
    def settings(self) -> str:
        """One line for tables."""
        name = "x264" if self.codec == "h264" else "x265"
        kind = "" if self.pix_fmt == "yuv420p" else f" {self.pix_fmt}"
        kind += f" {self.size[0]}x{self.size[1]}" if self.size else ""
        return f"{name} preset={self.preset} crf={self.crf} {self.parameters}{kind}"


@dataclass(frozen=True)
class AccessUnit:
    """One encoded picture."""

    payload: bytes
    """Annex B."""
    pts: int
    """Position in output order, from 0."""


@dataclass
class Stream:
    """A clip, encoded."""

    clip: Clip
    encoding: Encoding
    units: list[AccessUnit]
    """In decoding order."""
    width: int
    height: int

    @cached_property
    def clean(self) -> list[Planes]:
        """The undamaged decode in output order: what every method is compared with."""
        pictures = plain_decode(self.encoding.codec, [(unit.payload, unit.pts) for unit in self.units])
        return [pictures[pts] for pts in range(len(self.units))]

    @property
    def payload(self) -> bytes:
        """The whole elementary stream."""
        return b"".join(unit.payload for unit in self.units)

    @property
    def writer(self) -> str:
        """Name and version the encoder wrote into the stream, "" if none."""
        found = re.search(rb"(x264 - core \d+|x265 \(build \d+\) - [\w.+-]+)", self.units[0].payload)
        return found.group().decode() if found else ""

    def first(self, pictures: int) -> Stream:
        """The same, cut after that many access units; output positions must stay complete (IPPP, or all)."""
        return replace(self, units=self.units[:pictures])


def plain_decode(
    codec: Codec, packets: Sequence[tuple[bytes, int | None]], options: dict[str, str] | None = None
) -> dict[int, Planes]:
    """libavcodec through PyAV with one thread: pts to picture, for those that come out. Never raises."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    if options:
        context.options = options
    pictures: dict[int, Planes] = {}
    for payload, pts in [*packets, (None, 0)]:
        packet = None
        if payload is not None:
            packet = padded_packet(payload)
            packet.pts = pts
        try:
            frames = context.decode(packet)
        except av.error.FFmpegError:  # what a damaged access unit does to this decoder is what is measured
            continue
        for frame in frames:
            if frame.pts is not None:
                pictures[frame.pts] = to_planes(frame)
    return pictures


def encoded(clip: Clip, encoding: Encoding, cache: Path) -> Stream:
    """The stream of a clip; encoded at the first call, read from `cache` afterwards.

    Raises FileNotFoundError if the clip is not at hand.
    """
    key = hashlib.sha256(f"{clip} {encoding} {encoding.settings} {av.__version__}".encode()).hexdigest()[:12]
    path = cache / f"{clip.name}-{encoding.codec}-{encoding.structure}-{encoding.pictures}-{key}.npz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _write(path, encode(load(clip, encoding.pictures), encoding))
    with np.load(path) as stored:
        data, ends, pts = stored["data"].tobytes(), stored["ends"], stored["pts"]
        width, height = (int(n) for n in stored["size"])
    starts = [0, *(int(end) for end in ends[:-1])]
    units = [AccessUnit(data[start:end], int(time)) for start, end, time in zip(starts, ends, pts, strict=True)]
    return Stream(clip, encoding, units, width, height)


def encode(pictures: list[Planes], encoding: Encoding) -> tuple[list[AccessUnit], tuple[int, int]]:
    """Access units in decoding order, and (width, height)."""
    context = av.CodecContext.create(encoding.encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    width, height = encoding.size or pictures[0][0].shape[::-1]
    context.width, context.height, context.pix_fmt = width, height, encoding.pix_fmt
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.thread_count = 1
    own = encoding.parameters
    context.options = {
        "preset": encoding.preset,
        "crf": str(encoding.crf),
        **({"x264-params": reproducible(own)} if encoding.codec == "h264" else {"x265-params": own}),
    }
    packets = []
    for index, planes in enumerate(pictures):
        frame = to_frame(planes).reformat(width, height, encoding.pix_fmt)
        frame.pts, frame.time_base = index, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    return [AccessUnit(bytes(packet), int(packet.pts or 0)) for packet in packets], (width, height)


def _write(path: Path, made: tuple[list[AccessUnit], tuple[int, int]]) -> None:
    units, size = made
    ends = np.cumsum([len(unit.payload) for unit in units])
    part = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(
        part,
        data=np.frombuffer(b"".join(unit.payload for unit in units), np.uint8),
        ends=ends,
        pts=np.array([unit.pts for unit in units]),
        size=np.array(size),
    )
    part.replace(path)
