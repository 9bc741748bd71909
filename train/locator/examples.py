"""Damaged pictures with the truth beside them: one slice a picture, a piece of it gone, references intact."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec, StreamParser, join_annexb
from concealer.decoder.hook import DecoderCore
from concealer.decoder.locating import figures_with_past, own_figures
from concealer.picture import Picture

_Blocks = npt.NDArray[np.bool_]
_Figures = npt.NDArray[np.float32]
PICTURES, GOP = 30, 12
_MOST_SAMPLES = 640 * 360
_EACH = 8
"""Damaged pictures of one clip."""
_PACKETS = (1186, 1186, 1386, 700)
"""Bytes of a slice in one packet."""
_VISIBLE = 2.0
"""Mean absolute difference from which a block counts as visibly wrong."""
_SUFFIXES = (".mp4", ".mkv", ".mpg", ".webm")


@dataclass(frozen=True)
class Example:
    """One damaged picture."""

    clip: str
    kind: str
    past: _Figures
    alone: _Figures
    wrong: _Blocks
    """(rows, cols): differs from what was sent."""
    visible: _Blocks
    """The same, visibly."""
    known: _Blocks
    """What the decoder failed in by its own account."""
    error: npt.NDArray[np.float32]
    """(rows, cols) mean squared error of each block."""
    unit: int
    """Side of a macroblock or CTB."""


def clips(folders: Sequence[Path]) -> list[Path]:
    """Files in a fixed, shuffled order."""
    found = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in _SUFFIXES)
    random.Random(7).shuffle(found)
    return found


def examples(path: Path, codec: Codec, seed: int) -> Iterator[Example]:
    """Damaged pictures of one clip; none if it is too short."""
    rng = random.Random(f"{path.name}{seed}{codec}")
    frames = _frames(path, rng)
    if len(frames) < PICTURES // 2:
        return
    bframes, crf = rng.choice([0, 0, 2]), rng.choice([18, 22, 26, 30])
    data = _encode(frames, codec, bframes, crf, rng.choice(["ultrafast", "veryfast", "medium"]))
    parser = StreamParser(codec)
    units = parser.push(data) + parser.flush()
    usable = [i for i in range(2, len(units)) if len(units[i].slices) == 1 and len(units[i].slices[0].nal.data) > 300]
    rng.shuffle(usable)
    packet = rng.choice(_PACKETS)
    for number in sorted(usable[:_EACH]):
        found = _example(path.stem, codec, units, number, packet, rng)
        if found is not None:
            yield found


def _frames(path: Path, rng: random.Random) -> list[av.VideoFrame]:
    frames: list[av.VideoFrame] = []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        scale = min(1.0, (_MOST_SAMPLES / (video.width * video.height)) ** 0.5)
        width, height = (int(side * scale) // 16 * 16 for side in (video.width, video.height))
        skipped = rng.randrange(40)
        for number, frame in enumerate(container.decode(video)):
            if number >= skipped:
                frames.append(frame.reformat(width=width, height=height, format="yuv420p"))
            if len(frames) == PICTURES:
                break
    return frames


def _encode(frames: Sequence[av.VideoFrame], codec: Codec, bframes: int, crf: int, preset: str) -> bytes:
    name, key = ("libx264", "x264-params") if codec == "h264" else ("libx265", "x265-params")
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    context.time_base, context.framerate, context.thread_count = Fraction(1, 25), Fraction(25), 1
    common = f"keyint={GOP}:slices=1:bframes={bframes}:scenecut=0"
    own = "sliced-threads=0" if codec == "h264" else "log-level=none:pools=1:frame-threads=1"
    context.options = {"preset": preset, "crf": str(crf), key: f"{common}:{own}"}
    data = []
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = number, context.time_base, 0
        data += [bytes(packet) for packet in context.encode(frame)]
    return b"".join(data + [bytes(packet) for packet in context.encode(None)])


def _example(
    clip: str, codec: Codec, units: Sequence[AccessUnit], number: int, packet: int, rng: random.Random
) -> Example | None:
    unit = units[number]
    starts = [k for k in range(number) if units[k].is_irap]
    if not starts:
        return None
    whole, broken = DecoderCore(codec), DecoderCore(codec)
    held = []
    for tag in range(starts[-1], number):
        payload = join_annexb(units[tag].nals)
        decoded = whole.decode(payload, tag)
        broken.decode(payload, tag)
        if decoded.buffer is not None:
            planes = tuple(plane.copy() for plane in decoded.buffer.planes)
            held.append(Picture(planes, order=units[tag].order))
    past = sorted((one for one in held if one.order < unit.order), key=lambda one: -one.order)[:2]
    clean = whole.decode(join_annexb(unit.nals), number).buffer
    slice_data = unit.slices[0].nal.data
    nals = [_damaged(nal.data, packet, rng) if nal.data is slice_data else nal.data for nal in unit.nals]
    damaged = broken.decode(b"".join(b"\0\0\0\1" + nal for nal in nals), number)
    if clean is None or damaged.buffer is None or not past:
        return None
    picture = Picture(damaged.buffer.planes, order=unit.order, kind=unit.kind)
    error = clean.planes[0].astype(np.float32) - damaged.buffer.planes[0]
    known = np.zeros((error.shape[0] // 16, error.shape[1] // 16), np.bool_)
    if damaged.errors is not None:
        known = damaged.errors.missing | damaged.errors.broken
    blocks = error.reshape(error.shape[0] // 16, 16, error.shape[1] // 16, 16)
    made = Example(
        clip,
        unit.kind,
        figures_with_past(picture, past),
        own_figures(picture),
        blocks.any((1, 3)),
        np.abs(blocks).mean((1, 3)) > _VISIBLE,
        known,
        np.square(blocks).mean((1, 3)),
        unit.unit,
    )
    whole.close()
    broken.close()
    return made


def _damaged(data: bytes, packet: int, rng: random.Random) -> bytes:
    """A slice with a packet missing, for the most part; or zeros in its place, a flipped bit, or its end missing."""
    length = min(packet, len(data) // 3)
    if len(data) < 2.2 * packet:
        at = rng.randrange(40, max(41, len(data) - length - 8))
    else:
        at = rng.randrange(1, max(2, len(data) // packet)) * packet
    match rng.choice(["gap"] * 6 + ["zeros", "flip", "cut"]):
        case "gap":
            return data[:at] + data[at + length :]
        case "zeros":
            return data[:at] + bytes(length) + data[at + length :]
        case "flip":
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case _:
            return data[:at]
