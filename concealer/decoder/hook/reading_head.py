"""How much of a HEVC slice's data the decoder used, read from its arithmetic decoder after the picture.

An intact slice ends exactly where its data end. A decoder that lost its place ends early and leaves data over, or reads
on into whatever follows; libav notices neither. Known bytes are put behind the data (`TAIL`), so that both show.

libavcodec (libavcodec/hevc/hevcdec.h, libavcodec/cabac.h) keeps in HEVCContext a pointer to HEVCLocalContext, and in
that a CABACContext with the pointers {bytestream_start, bytestream, bytestream_end}. The places are found out once per
process on a picture whose length is known.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

from concealer.bitstream import StreamParser, join_annexb
from concealer.decoder.hook.context import HookedContext, open_context
from concealer.decoder.hook.libav import HookUnavailableError, private_data_pointer, read_memory
from concealer.decoder.hook.samples import HEVC_IDR_64X64

TAIL = b"\x55" * 16
"""Behind the last slice's data: no intact slice reads it."""
_AHEAD = 3
"""Bytes that the arithmetic decoder may have fetched ahead at the end of an intact slice."""
_CONTEXT_WORDS = 16
_LOCAL_BYTES = 2048
_POINTERS = struct.Struct("<3Q")


@dataclass(frozen=True)
class _Layout:
    """Byte offsets of the pointer in the private data, and of the three pointers where it leads."""

    local: int
    stream: int


class ReadingHead:
    """Of one HEVC decoder that runs on one thread. Raises `HookUnavailableError` on construction."""

    def __init__(self, pointer: int) -> None:
        """pointer: address of the decoder's AVCodecContext."""
        self._layout = _layout()
        self._context = pointer
        self._private = 0
        """Address of the private data, which stay where they are as long as the context lives."""

    def left_over(self) -> int | None:
        """Bytes that the slice decoded last left unused, less than 0 if it used bytes behind its end.

        Call it right after the access unit was decoded with `TAIL` behind it; exact to `_AHEAD` bytes, 0 for an intact
        slice. None if nothing was decoded yet. 0.003 ms.
        """
        pointers = self._pointers()
        if pointers is None:
            return None
        _, at, end = pointers
        extra = end - at - len(TAIL)
        return 0 if -_AHEAD <= extra <= 0 else extra

    def begun(self) -> int | None:
        """Bytes from where the arithmetic decoder was started last to the end of what it was given."""
        pointers = self._pointers()
        return None if pointers is None else pointers[2] - pointers[0]

    def _pointers(self) -> tuple[int, int, int] | None:
        """Start, position and end of what the arithmetic decoder reads."""
        self._private = self._private or private_data_pointer(self._context)
        local = int.from_bytes(read_memory(self._private + self._layout.local, 8), "little")
        raw = read_memory(local + self._layout.stream, 24)
        if len(raw) < 24:
            return None
        start, at, end = _POINTERS.unpack(raw)
        return (start, at, end) if start and start <= end else None


@functools.cache
def _layout() -> _Layout:
    parser = StreamParser("hevc", None, container_framed=True)
    (unit,) = parser.push(HEVC_IDR_64X64, pts=0) + parser.flush()
    size = len(unit.slices[0].nal.data)
    found = set(_places(join_annexb(unit.nals), size, range(-_AHEAD, 2)))
    found &= set(_places(join_annexb(unit.nals) + TAIL, size + len(TAIL), range(len(TAIL) - _AHEAD, len(TAIL) + 1)))
    if len(found) != 1:
        raise HookUnavailableError(f"the HEVC decoder's position was found in {len(found)} places")
    return found.pop()


def _places(payload: bytes, size: int, unread: range) -> list[_Layout]:
    """Where three pointers lie into a slice of `size` bytes, or a part of it, of which `unread` bytes are left."""
    context = HookedContext(open_context("hevc", 1, {}))
    try:
        context.decode(payload, 0)
        private = read_memory(private_data_pointer(context.pointer), 8 * _CONTEXT_WORDS)
        found = []
        for local in range(0, len(private) - 7, 8):
            inside = read_memory(int.from_bytes(private[local : local + 8], "little"), _LOCAL_BYTES)
            for stream in range(0, len(inside) - 23, 8):
                start, at, end = struct.unpack_from("<3Q", inside, stream)
                if start and start <= at and 0 < end - start <= size and end - at in unread:
                    found.append(_Layout(local, stream))
        return found
    finally:
        context.close()
