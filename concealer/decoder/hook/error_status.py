"""Which macroblocks libav's H.264 error resilience concealed in the picture just decoded.

libavcodec keeps one status byte per macroblock in its ERContext (libavcodec/error_resilience.h) and, at the end of a
damaged picture, widens it to what it then conceals. The context is found by its unmistakable row of sizes
{mb_num, mb_width, mb_height, mb_stride = mb_width + 1, b8_stride = 2 * mb_width + 1} inside the decoder's private data,
followed by the counters and the pointer to the table. The place is searched anew when the picture size changes.
"""

from __future__ import annotations

import struct

import numpy as np

from concealer.decoder.hook.errors import Errors
from concealer.decoder.hook.libav import (
    HookUnavailableError,
    private_data_pointer,
    read_memory,
    read_private_data,
)

_HEAD = struct.Struct("<iii20xi4xQ")
"""mb_num, mb_width, mb_height, error_count, error_status_table."""
_SLICE_START = 0x01
_ANY_ERROR = 0x0E
"""ER_AC_ERROR | ER_DC_ERROR | ER_MV_ERROR."""


class ErrorStatus:
    """Reader of the status table of one H.264 decoder context. Cost without errors: one 48-byte read a picture."""

    def __init__(self, context_pointer: int) -> None:
        self._context = context_pointer
        self._size = (0, 0)
        self._place = 0

    def read(self, mb_cols: int, mb_rows: int) -> Errors | None:
        """What was concealed in the last picture, None if nothing.

        Call it right after the access unit was decoded. Raises `HookUnavailableError` if the table cannot be found.
        """
        if self._size != (mb_cols, mb_rows):
            self._place = self._find(mb_cols, mb_rows)
            self._size = (mb_cols, mb_rows)
        head = read_memory(self._place, _HEAD.size)
        if len(head) < _HEAD.size or _HEAD.unpack(head)[:3] != (mb_cols * mb_rows, mb_cols, mb_rows):
            self._size = (0, 0)
            raise HookUnavailableError("the decoder's error context moved")
        error_count, table = _HEAD.unpack(head)[3:]
        if error_count == 0:
            return None
        stride = mb_cols + 1
        raw = read_memory(table, stride * mb_rows)
        if len(raw) < stride * mb_rows:
            raise HookUnavailableError("the decoder's error status table cannot be read")
        status = np.frombuffer(raw, np.uint8).reshape(mb_rows, stride)[:, :mb_cols]
        errors = (status & _ANY_ERROR) != 0
        if not errors.any():
            return None
        # Before decoding, every macroblock is set to all errors plus "slice start"; a slice that arrives clears both.
        missing = errors & ((status & _SLICE_START) != 0)
        return Errors(missing, errors & ~missing)

    def _find(self, mb_cols: int, mb_rows: int) -> int:
        # int mb_num, mb_width, mb_height, (padding,) ptrdiff_t mb_stride, b8_stride
        sizes = struct.pack("<iii", mb_cols * mb_rows, mb_cols, mb_rows)
        strides = struct.pack("<qq", mb_cols + 1, 2 * mb_cols + 1)
        pointer = private_data_pointer(self._context)
        for offset in _offsets:
            row = read_memory(pointer + offset, 32)
            if row[:12] == sizes and row[16:] == strides:
                return pointer + offset
        address, data = read_private_data(self._context)
        place = data.find(sizes)
        while place >= 0:
            if data[place + 16 : place + 32] == strides:
                _offsets[:] = [place]
                return address + place
            place = data.find(sizes, place + 4)
        raise HookUnavailableError("the H.264 decoder's error context was not found")


_offsets: list[int] = []
"""Where in a decoder's private data it was found last: with one libav the same for all, so that one read proves it."""
