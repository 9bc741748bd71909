"""The motion fields of a libav HEVC decoder, as writable views of the memory it keeps them in.

Later pictures inherit vectors from earlier ones (temporal motion vector prediction, 8.5.3.2.8), so a lost slice spoils
what follows through its vectors even if its samples were repaired without a fault. Its stand-in leaves a field of zero
vectors; what repair found out afterwards is written over them here, before the next access unit is decoded.

libavcodec (libavcodec/hevc/hevcdec.h) keeps an array DPB[32] of HEVCFrame in the decoder's private data; each begins
with the pointer to its AVFrame and holds, further on, one to its table of MvField {int16 mv[2][2]; int8 ref_idx[2];
int8 pred_flag}, one per smallest prediction block. Nothing of this is public, so the places are found out once per
process on a stream whose vectors are known, because we wrote them, and nothing is touched unless they all read back.
"""

from __future__ import annotations

import ctypes
import functools
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from concealer.bitstream import StreamParser, hevc, join_annexb
from concealer.bitstream.hevc import Sps
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.context import HookedContext, open_context
from concealer.decoder.hook.libav import HookUnavailableError, private_data_pointer, read_memory, read_private_data
from concealer.decoder.hook.samples import HEVC_IDR_64X64
from concealer.standins.hevc import inter_standin, lost_picture_header

log = logging.getLogger(__name__)

Field = npt.NDArray[Any]
"""(rows, cols) of `MV_FIELD`, one per smallest prediction block."""

MV_FIELD = np.dtype([("mv", "<i2", (2, 2)), ("ref_idx", "i1", 2), ("pred_flag", "u1"), ("pad", "u1")])
"""mv[list] is (x, y) in quarter luma samples; pred_flag has bit 0 set if list 0 is used, bit 1 for list 1."""

_BLOCK = 16
_FRAMES = 32
_FRAME_WORDS = 32
"""Eight-byte words of a HEVCFrame searched for its table; there are 13 in libavcodec 62."""
_SEARCHED = 1 << 14
"""Bytes of private data searched for the array of frames; it begins at byte 32 in libavcodec 62."""
_SIDE, _PART = 64, 4


@dataclass(frozen=True)
class _Layout:
    """Byte offsets within the private data and within a HEVCFrame."""

    first: int
    stride: int
    table: int


class MotionStore:
    """Finds the motion field of pictures that a decoder just decoded. Raises `HookUnavailableError` on construction."""

    def __init__(self, pointer: int) -> None:
        """pointer: address of the decoder's AVCodecContext."""
        self._layout = _layout()
        self._context = pointer

    def field(self, buffer: Buffer, sps: Sps) -> Field | None:
        """Writable view of the field of `buffer`'s picture, valid until the next access unit is decoded.

        None if the decoder holds the picture no longer, or it is of another size than `sps` tells: what lies behind the
        field belongs to something else. About 0.03 ms.
        """
        if (buffer.width, buffer.height) != (sps.width, sps.height):
            return None
        table = self._table(buffer)
        return None if table is None else _view(table, sps)

    def copy(self, buffer: Buffer, vectors: Field) -> None:
        """Write another decoder's field of the same picture over that of `buffer`'s, if the decoder still holds it."""
        rows, cols = vectors.shape
        side = buffer.width // max(cols, 1)
        if side & (side - 1) or (rows, cols) != (buffer.height // max(side, 1), buffer.width // max(side, 1)):
            return  # a field of another picture size would reach beyond this one's
        table = self._table(buffer)
        if table and len(read_memory(table + vectors.nbytes - 1, 1)) == 1:
            ctypes.memmove(table, vectors.ctypes.data, vectors.nbytes)

    def _table(self, buffer: Buffer) -> int | None:
        place = self._layout
        start = private_data_pointer(self._context) + place.first
        frames = read_memory(start, _FRAMES * place.stride)
        for at in range(0, len(frames) - place.stride + 1, place.stride):
            frame = int.from_bytes(frames[at : at + 8], "little")
            if frame and int.from_bytes(read_memory(frame, 8), "little") == buffer.address:
                return int.from_bytes(frames[at + place.table : at + place.table + 8], "little")
        return None


def open_store(pointer: int) -> MotionStore | None:
    """The store of the HEVC decoder whose AVCodecContext lies at `pointer`, None where it cannot be had."""
    try:
        return MotionStore(pointer)
    except HookUnavailableError as error:
        log.debug("motion fields cannot be reached: %s", error)
        return None


def received_vectors(
    field: Field, sps: Sps, which: int, hole: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """((rows, cols, 2), (rows, cols) bool) on the grid of `hole`: vectors to reference 0 of list `which`, and where
    there are any outside the hole."""
    vectors, known = np.zeros((*hole.shape, 2), np.int16), np.zeros(hole.shape, np.bool_)
    step = _BLOCK >> (sps.log2_min_cb - 1)
    if step:
        blocks = field[::step, ::step][: hole.shape[0], : hole.shape[1]]
        rows, cols = blocks.shape
        vectors[:rows, :cols] = blocks["mv"][:, :, which]
        known[:rows, :cols] = ((blocks["pred_flag"] >> which & 1) > 0) & (blocks["ref_idx"][:, :, which] == 0)
    return vectors, known & ~hole


def write_vectors(
    field: Field, sps: Sps, which: int, motion: npt.NDArray[np.int16], hole: npt.NDArray[np.bool_]
) -> None:
    """Put `motion` ((rows, cols, 2), one vector a block of 16x16 samples) into list `which` of the blocks in `hole`.

    Blocks that do not use the list (intra stand-ins) stay as they are.
    """
    repeat = _BLOCK >> (sps.log2_min_cb - 1)
    if not repeat:  # coding blocks of 64 samples and nothing smaller
        return
    rows, cols = field.shape
    inside = hole.repeat(repeat, 0)[:rows].repeat(repeat, 1)[:, :cols]
    inside = inside & ((field["pred_flag"] >> which & 1) > 0)
    field["mv"][:, :, which][inside] = motion.repeat(repeat, 0)[:rows].repeat(repeat, 1)[:, :cols][inside]


def reset_vectors(field: Field, sps: Sps, blocks: npt.NDArray[np.bool_], inter: bool) -> None:
    """Give the `blocks` (of 16x16 samples), which the decoder did not write, a motion of their own.

    Its memory holds an older picture's there. They rest on reference 0 of list 0 (`inter`), or have no vectors.
    """
    repeat = _BLOCK >> (sps.log2_min_cb - 1)
    if not repeat:  # coding blocks of 64 samples and nothing smaller
        return
    rows, cols = field.shape
    inside = blocks.repeat(repeat, 0)[:rows].repeat(repeat, 1)[:, :cols]
    if inside.shape == field.shape:
        field[inside] = np.zeros((), MV_FIELD)
        field["pred_flag"][inside] = inter


def _view(table: int, sps: Sps) -> Field | None:
    side = 1 << (sps.log2_min_cb - 1)
    rows, cols = sps.height // side, sps.width // side
    size = rows * cols * MV_FIELD.itemsize
    if not table or len(read_memory(table + size - 1, 1)) != 1:
        return None
    memory = (ctypes.c_uint8 * size).from_address(table)
    samples: npt.NDArray[np.uint8] = np.frombuffer(memory, np.uint8)  # type: ignore[call-overload]
    return samples.view(MV_FIELD).reshape(rows, cols)


@functools.cache
def _layout() -> _Layout:
    """Decode an intra picture and one of known vectors, and look where they lie."""
    context = HookedContext(open_context("hevc", 1, {}))
    try:
        parser = StreamParser("hevc", None, container_framed=True)
        (au,) = parser.push(HEVC_IDR_64X64, pts=0) + parser.flush()
        sps = au.sps
        sibling = au.slices[0].header
        assert isinstance(sibling, hevc.SliceHeader) and isinstance(sps, Sps)
        header = lost_picture_header(sibling, 1, (0,))
        assert header is not None
        blocks = np.random.default_rng(0).integers(-40, 40, (_PART, _PART, 2)).astype(np.int16)
        motion = blocks.repeat(2, 0).repeat(2, 1)[None]
        payloads = [HEVC_IDR_64X64, join_annexb([inter_standin(header, 0, _PART * _PART, motion)])]
        buffers = [b for n, payload in enumerate(payloads) for b in context.decode(payload, n).buffers]
        if len(buffers) != len(payloads):
            raise HookUnavailableError("the motion fields' test stream was not decoded")
        return _search(context, buffers[0], buffers[1], blocks, sps)
    finally:
        context.close()


def _search(context: HookedContext, first: Buffer, second: Buffer, blocks: npt.NDArray[np.int16], sps: Sps) -> _Layout:
    _, data = read_private_data(context.pointer)
    words = np.frombuffer(data[: min(len(data), _SEARCHED) // 8 * 8], np.uint64)

    def places(buffer: Buffer) -> list[int]:
        return [
            at for at, word in enumerate(words.tolist())
            if word and not word % 8 and int.from_bytes(read_memory(word, 8), "little") == buffer.address
        ]  # fmt: skip

    repeat = _SIDE // _PART >> (sps.log2_min_cb - 1)
    want = blocks.repeat(repeat, 0).repeat(repeat, 1)
    for start in places(first):
        for place in places(second):
            if not start < place <= start + _FRAME_WORDS:
                continue
            for offset in range(1, place - start):
                field = _view(int(words[place + offset]), sps) if _mapped(int(words[place + offset]), sps) else None
                if field is not None and (field["pred_flag"] == 1).all() and (field["mv"][:, :, 0] == want).all():
                    return _Layout(start * 8, (place - start) * 8, offset * 8)
    raise HookUnavailableError("the HEVC decoder's motion fields were not found")


def _mapped(address: int, sps: Sps) -> bool:
    """Whether a whole field could lie there."""
    side = 1 << (sps.log2_min_cb - 1)
    size = (sps.height // side) * (sps.width // side) * MV_FIELD.itemsize
    return not address % 2 and len(read_memory(address, size)) == size
