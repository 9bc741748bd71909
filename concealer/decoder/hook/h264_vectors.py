"""The motion vectors of a libav H.264 decoder's latest picture, read from the memory it keeps them in.

libavcodec (libavcodec/h264dec.h) keeps an array DPB[36] of H264Picture in the decoder's private data. Each begins with
the pointer to its AVFrame and holds pointers to int16 motion_val[list][4x4 block][2] and int8 ref_index[list][8x8
block], macroblock by macroblock, and int ref_poc[2][2][32], 4 * frame_num + 3 of what each index stands for. The places
are found out once per process on three pictures whose vectors are known, because we wrote them.

Exported vectors (flags2 +export_mvs) would come with the output frames, too late, and do not tell the reference.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from concealer.bitstream import StreamParser, h264, join_annexb
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.context import HookedContext, open_context
from concealer.decoder.hook.libav import HookUnavailableError, private_data_pointer, read_memory, read_private_data
from concealer.decoder.hook.samples import H264_IDR_64X64
from concealer.standins.h264 import inter_standin, lost_picture_header

_PICTURES = 36
_SEARCHED = 1 << 15
"""Bytes of private data searched for the array; it begins at byte 376 in libavcodec 62."""
_LARGEST = 2048
"""Bytes an H264Picture may have; 760 in libavcodec 62."""
_SIDE_MBS = 4
_MOST_REFERENCES = 32
_FRAME = 3
"""PICT_FRAME, the low bits of ref_poc."""


@dataclass(frozen=True)
class _Layout:
    """Byte offsets within the private data and within an H264Picture."""

    first: int
    stride: int
    vectors: int
    indices: int
    references: int


class H264Vectors:
    """Reads the vectors of the picture just decoded. Raises `HookUnavailableError` on construction."""

    def __init__(self, pointer: int) -> None:
        """pointer: address of the decoder's AVCodecContext."""
        self._layout = _layout()
        self._context = pointer

    def read(self, buffer: Buffer) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]] | None:
        """((2, rows, cols, 2) in quarter samples, (2, rows, cols) frame_num of the reference) on a grid of 8x8 samples.

        The second is -1 where a list is not used. Not for pictures of intra slices alone, which have none. None if the
        decoder holds the picture no longer. 0.2 ms at 720p.
        """
        place = self._layout
        start = private_data_pointer(self._context) + place.first
        data = read_memory(start, _PICTURES * place.stride)
        for at in range(0, len(data) - place.stride + 1, place.stride):
            frame = int.from_bytes(data[at : at + 8], "little")
            if frame and int.from_bytes(read_memory(frame, 8), "little") == buffer.address:
                height, width = buffer.planes[0].shape
                return _read(data[at : at + place.stride], place, -(-height // 16), -(-width // 16))
        return None


def _read(
    entry: bytes, place: _Layout, rows: int, cols: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]] | None:
    all_vectors, all_references = [], []
    for which in range(2):
        (vectors_at,) = struct.unpack_from("<Q", entry, place.vectors + 8 * which)
        (indices_at,) = struct.unpack_from("<Q", entry, place.indices + 8 * which)
        # A column more than the picture has lies between the rows.
        indices = read_memory(indices_at, rows * (cols + 1) * 4)
        if len(indices) < rows * (cols + 1) * 4:
            return None
        by_block = np.frombuffer(indices, np.int8).reshape(rows, cols + 1, 2, 2)[:, :cols]
        by_block = by_block.swapaxes(1, 2).reshape(rows * 2, cols * 2)
        table = np.frombuffer(entry, np.int32, _MOST_REFERENCES, place.references + 4 * _MOST_REFERENCES * which)
        is_used = (by_block >= 0) & (by_block < _MOST_REFERENCES)
        if not is_used.any():
            all_vectors.append(np.zeros((*by_block.shape, 2), np.int16))
            all_references.append(np.full(by_block.shape, -1, np.int32))
            continue
        vectors = read_memory(vectors_at, rows * cols * 64)
        if len(vectors) < rows * cols * 64:
            return None
        all_vectors.append(np.frombuffer(vectors, np.int16).reshape(rows * 4, cols * 4, 2)[::2, ::2])
        numbers = np.append(np.where(table > 0, table >> 2, -1), np.int32(-1))
        all_references.append(numbers[np.where(is_used, by_block, -1)])
    return np.stack(all_vectors), np.stack(all_references)


@functools.cache
def _layout() -> _Layout:
    """Decode an intra picture and two of known vectors, and look where they lie."""
    context = HookedContext(open_context("h264", 1, {}))
    try:
        parser = StreamParser("h264", None, container_framed=True)
        (au,) = parser.push(H264_IDR_64X64, pts=0) + parser.flush()
        like = au.slices[0].header
        assert isinstance(like, h264.SliceHeader)
        rng = np.random.default_rng(0)
        motions = [rng.integers(-40, 40, (1, _SIDE_MBS, _SIDE_MBS, 2)).astype(np.int16) for _ in range(2)]
        payloads = [H264_IDR_64X64]
        for number, motion in enumerate(motions, 1):
            header = lost_picture_header(like, number, 2 * number, True)
            # The second uses its second reference, so that indices can be told from other bytes.
            header.num_ref_idx = (number, 0)
            standin = inter_standin(header, 0, _SIDE_MBS**2, motion, references=(number - 1, None))
            payloads.append(join_annexb([standin]))
        known = [b for tag, payload in enumerate(payloads) for b in context.decode(payload, tag).buffers]
        if len(known) != len(payloads):
            raise HookUnavailableError("the H.264 vectors' test stream was not decoded")
        return _search(context, known, motions)
    finally:
        context.close()


def _search(context: HookedContext, buffers: list[Buffer], motions: list[npt.NDArray[np.int16]]) -> _Layout:
    _, data = read_private_data(context.pointer)
    words = np.frombuffer(data[: min(len(data), _SEARCHED) // 8 * 8], np.uint64).tolist()
    places: list[list[int]] = [[], [], []]
    for at, word in enumerate(words):
        if word and not word % 8:
            start = int.from_bytes(read_memory(word, 8), "little")
            for found, buffer in zip(places, buffers, strict=True):
                if start == buffer.address:
                    found.append(at * 8)
    for first in places[0]:
        for second in places[1]:
            stride = second - first
            if 0 < stride <= _LARGEST and second + stride in places[2]:
                entries = [data[at : at + stride] for at in (second, second + stride)]
                layout = _offsets(first, stride, entries, motions)
                if layout is not None:
                    return layout
    raise HookUnavailableError("the H.264 decoder's motion vectors were not found")


def _offsets(first: int, stride: int, inter: list[bytes], motions: list[npt.NDArray[np.int16]]) -> _Layout | None:
    """Where the entries of the two predicted pictures keep what is known of them."""
    blocks = _SIDE_MBS**2
    want = [motion[0].repeat(4, 0).repeat(4, 1).tobytes() for motion in motions]

    def behind(entry: bytes, at: int, size: int) -> bytes:
        return read_memory(int.from_bytes(entry[at : at + 8], "little"), size)

    pointers = range(0, stride - 15, 8)
    vectors = [
        at for at in pointers
        if all(behind(entry, at, 64 * blocks) == wanted for entry, wanted in zip(inter, want, strict=True))
    ]  # fmt: skip
    indices = [
        at for at in pointers
        if all(
            behind(entry, at, 4 * _SIDE_MBS) == bytes([index]) * (4 * _SIDE_MBS) for index, entry in enumerate(inter)
        )
    ]  # fmt: skip
    references = [
        at for at in range(0, stride - 16 * _MOST_REFERENCES + 1, 4)
        if all(
            struct.unpack_from("<i", entry, at)[0] == 4 * number + _FRAME for number, entry in enumerate(inter)
        )
    ]  # fmt: skip
    if not (vectors and indices and references):
        return None
    return _Layout(first, stride, vectors[0], indices[0], references[0])
