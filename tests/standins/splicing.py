"""Replacing slices in encoded clips and decoding the result, for the tests of stand-in slices."""

from __future__ import annotations

import io
from collections.abc import Mapping

import av
import av.logging
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec, NalUnit, StreamParser, join_annexb

Planes = list[npt.NDArray[np.int32]]


def parse(stream: bytes, codec: Codec) -> list[AccessUnit]:
    parser = StreamParser(codec)
    return parser.push(stream) + parser.flush()


def replaced(aus: list[AccessUnit], stand_ins: Mapping[int, NalUnit]) -> bytes:
    """The stream with slices replaced: `stand_ins` by id() of the NAL unit that goes out."""
    return join_annexb(stand_ins.get(id(nal), nal) for au in aus for nal in au.nals)


def decode(stream: bytes, codec: Codec, flags: str = "") -> tuple[list[Planes], list[str], list[av.VideoFrame]]:
    """Planes of each picture in output order, what the decoder complained about, and the frames."""
    frames = []
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as logs, av.open(io.BytesIO(stream), format=codec) as container:
            video = container.streams.video[0]
            video.codec_context.thread_count = 1
            if flags:
                video.codec_context.options = {"flags2": flags}
            frames = list(container.decode(video))
    finally:
        av.logging.set_level(before)
    complaints = [f"{name}: {text}" for level, name, text in logs if level <= av.logging.WARNING]
    return [_planes(frame) for frame in frames], complaints, frames


def _planes(frame: av.VideoFrame) -> Planes:
    planes = []
    for plane in frame.planes:
        wide = plane.line_size // plane.width >= 2 and ("10" in frame.format.name or "12" in frame.format.name)
        kind = np.dtype("<u2") if wide else np.dtype(np.uint8)
        rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)
        planes.append(rows[:, : plane.width].astype(np.int32))
    return planes


def output_index(aus: list[AccessUnit], index: int) -> int:
    """Place in output order of the access unit at `index` in decoding order."""
    return sorted(range(len(aus)), key=lambda i: aus[i].order).index(index)


def displaced(plane: npt.NDArray[np.int32], vectors: npt.NDArray[np.int16], block: int) -> npt.NDArray[np.int32]:
    """`plane` displaced by whole-sample vectors (rows, cols, 2) of blocks of `block` samples, edges repeated."""
    height, width = plane.shape
    field = vectors.astype(np.int64).repeat(block, 0).repeat(block, 1)[:height, :width]
    y, x = np.mgrid[:height, :width]
    return plane[np.clip(y + field[..., 1], 0, height - 1), np.clip(x + field[..., 0], 0, width - 1)]
