"""Streams for the decoder's tests: encoded here, damaged here, with the truth at hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream.access_unit import AccessUnit
from concealer.bitstream.nal import Codec, join_annexb
from concealer.bitstream.stream import StreamParser
from concealer.damage import BLOCK, DamageMap
from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.session import ConcealingDecoder
from concealer.outcome import RepairOutcome
from concealer.picture import Picture
from tests.media import clip, encode_bytes

WIDTH, HEIGHT, PICTURES = 352, 288, 14
SLICES: dict[Codec, int] = {"h264": 6, "hevc": 4}


@cache
def stream(codec: Codec, bframes: int = 0, pix_fmt: str = "yuv420p", **extra: Any) -> bytes:
    return encode_bytes(
        clip(PICTURES, WIDTH, HEIGHT),
        codec,
        slices=SLICES[codec],
        bframes=bframes,
        pix_fmt=pix_fmt,
        extra=extra | ({"ctu": 32} if codec == "hevc" else {}),
    )


def access_units(data: bytes, codec: Codec) -> list[AccessUnit]:
    parser = StreamParser(codec)
    return parser.push(data, complete=True) + parser.flush()


@dataclass
class Damaged:
    payloads: list[bytes]
    truth: dict[int, npt.NDArray[np.bool_]]
    """AccessUnit.order -> blocks of the dropped slices."""


def drop_slices(units: list[AccessUnit], which: Callable[[int, int], bool]) -> Damaged:
    """Drop slice s of access unit u where which(u, s)."""
    payloads, truth = [], {}
    for number, unit in enumerate(units):
        dropped = [i for i in range(len(unit.slices)) if which(number, i)]
        gone = {id(unit.slices[i].nal) for i in dropped}
        payloads.append(join_annexb(nal for nal in unit.nals if id(nal) not in gone))
        if dropped:
            starts = [s.first or 0 for s in unit.slices] + [unit.rows * unit.cols]
            units_lost = np.zeros(unit.rows * unit.cols, bool)
            for i in dropped:
                units_lost[starts[i] : starts[i + 1]] = True
            scale = unit.unit // BLOCK
            blocks = units_lost.reshape(unit.rows, unit.cols).repeat(scale, 0).repeat(scale, 1)
            truth[unit.order] = blocks[: -(-unit.height // BLOCK), : -(-unit.width // BLOCK)]
    return Damaged(payloads, truth)


def decode(payloads: list[bytes], codec: Codec, **options: Any) -> list[DecodedPicture]:
    """All pictures of one payload per access unit; pts is the payload's number."""
    decoder = ConcealingDecoder(codec, **options)
    out: list[DecodedPicture] = []
    for number, payload in enumerate(payloads):
        out += decoder.decode(payload, pts=number)
    out += decoder.flush()
    decoder.close()
    return out


def stock_luma(data: bytes, codec: Codec) -> list[npt.NDArray[np.uint8]]:
    """What libav alone makes of the stream."""
    with av.open(io.BytesIO(data), format=codec) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [luma(frame) for frame in container.decode(video=0)]


def luma(picture: DecodedPicture | av.VideoFrame) -> npt.NDArray[np.uint8]:
    plane = (picture.frame if isinstance(picture, DecodedPicture) else picture).planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    return np.array(rows[: plane.height, : plane.width])


def paint_grey(picture: Picture, damage: DamageMap, references: object) -> RepairOutcome:
    """A repair whose effect is easy to see."""
    planes = picture.planes
    for index, plane in enumerate(planes):
        shift = int(index > 0)
        plane[damage.hole_pixels(shift, shift)] = 200
    return RepairOutcome("grey", 0.0, int(damage.hole.sum()))
