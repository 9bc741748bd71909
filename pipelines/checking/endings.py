"""Files that end before their end, by what their container says of its length: readers pass over that in silence."""

from __future__ import annotations

import os
from typing import BinaryIO

from concealer.bitstream.transport import PACKET
from pipelines.reading.transport import looks_like_ts, packet_stride

_SYNC = 0x47
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_IN_STEP = 5
"""Packets in a row that show where packets begin."""


def cut_off(path: str) -> str | None:
    """How it shows that a file was cut off, in words; None if it does not. Raises OSError."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(65536)
        if head.startswith(_EBML):
            return _missing(_matroska_end(head), size)
        if head.startswith(b"RIFF"):
            return _missing(8 + int.from_bytes(head[4:8], "little"), size)
        stride = packet_stride(head) or ((PACKET, 0) if looks_like_ts(head) else None)
        if stride is not None and _packet_left(file, size, *stride):
            return "the file ends inside a transport packet"
    return None


def _missing(end: int | None, size: int) -> str | None:
    return f"the file ends {end - size} bytes early" if end is not None and end > size else None


def _matroska_end(head: bytes) -> int | None:
    """Where the segment ends; None where it does not say, as in a live recording (RFC 8794 6)."""
    place = 4
    for _ in range(2):
        width = 9 - head[place].bit_length() if place < len(head) else 9
        if width > 8 or place + width > len(head):
            return None
        length = int.from_bytes(head[place : place + width], "big") & ~(1 << 7 * width)
        if head[place - 4 : place] == _SEGMENT:
            return None if length == (1 << 7 * width) - 1 else place + width + length
        place += width + length + 4
        if head[place - 4 : place] != _SEGMENT:
            return None
    return None


def _packet_left(file: BinaryIO, size: int, stride: int, before: int) -> bool:
    """Whether packets are in step up to one that is not whole."""
    start = max(0, size - (_IN_STEP + 2) * stride)
    file.seek(start)
    tail = file.read()
    for first in range(before, stride + before):
        if all(first + n * stride < len(tail) and tail[first + n * stride] == _SYNC for n in range(_IN_STEP)):
            last = (len(tail) - (first - before)) // stride * stride + first
            # Parity behind the last packet, as in packets of 204 bytes, may be left out.
            return last < len(tail) and tail[last] == _SYNC and len(tail) - last < PACKET
    return False
