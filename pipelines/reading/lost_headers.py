"""Matroska, FLV and AVI whose first bytes are lost, but not what describes their streams: what stands before that."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_TRACKS = b"\x16\x54\xae\x6b"
"""Element of Matroska that describes the streams (RFC 9559 5.1.4)."""
_TRACK_ENTRY, _CRC, _PADDING = 0xAE, 0xBF, 0xEC
"""Elements that it can begin with."""
_EBML = b"\x1a\x45\xdf\xa3\x9b\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x88matroska"
"""Head of a file of Matroska (RFC 8794 11.2)."""
_SEGMENT = b"\x18\x53\x80\x67\x01" + b"\xff" * 7
"""Of unknown length."""
_VOID = b"\xec\x01"
"""Element that is passed over; a length of seven bytes follows."""
_FLV = b"FLV\x01\x05" + struct.pack(">II", 9, 0)
_FLV_KINDS, _RESERVED = (8, 9, 18), 15
"""Kinds of tags: those of sound, video and data, and one that readers pass over."""
_FLV_TAG, _FLV_MOST = 11, 1 << 20
_LEAST_TAGS = 3
"""In a row, each with the length of the one before behind it, which no chance makes."""
_AVIH = b"avih" + struct.pack("<I", 56)
_STRH = b"strh" + struct.pack("<I", 56)
"""Chunks that describe the file and a stream (AVIMAINHEADER, AVISTREAMHEADER)."""
_MAGIC = (b"\x1a\x45\xdf\xa3", b"FLV", b"RIFF")


@dataclass(frozen=True)
class LostHeader:
    """What to put before a file for it to be opened."""

    format: str
    """FFmpeg's name."""
    data: bytes
    passed_over: int
    """Bytes at the file's start that are left out."""


def lost_header(head: bytes) -> LostHeader | None:
    """Judge a file by its first bytes; None: it has its own header, or none can be made."""
    if head.startswith(_MAGIC):
        return None
    return _matroska(head) or _avi(head) or _flv(head)


def _matroska(head: bytes) -> LostHeader | None:
    place = head.find(_TRACKS)
    while place >= 0:
        length = _length(head, place + 4)
        first = 0 if length is None else place + 4 + length
        if first and first < len(head) and head[first] in (_TRACK_ENTRY, _CRC, _PADDING):
            return LostHeader("matroska", _EBML + _SEGMENT + _VOID + place.to_bytes(7, "big"), place)
        place = head.find(_TRACKS, place + 1)
    return None


def _length(data: bytes, place: int) -> int | None:
    """Bytes of an element's length field (RFC 8794 4)."""
    first = data[place] if place < len(data) else 0
    return 9 - first.bit_length() if first else None


def _avi(head: bytes) -> LostHeader | None:
    place, own = head.find(_AVIH), b""
    if place < 0:
        # Of the first stream, which is the video: the chunks of others have higher numbers.
        place, own = head.find(_STRH), _AVIH + bytes(56)
        if place < 0 or head[place + 8 : place + 12] != b"vids":
            return None
    pad = bytes(place % 2)
    junk = b"JUNK" + struct.pack("<I", place + len(pad)) + pad
    return LostHeader("avi", b"RIFF\x00\x00\x00\x00AVI LIST\x00\x00\x00\x00hdrl" + own + junk, place)


def _flv(head: bytes) -> LostHeader | None:
    for place in range(len(head) - _FLV_TAG):
        if head[place] in _FLV_KINDS and _is_tag(head, place):
            # What is before the first tag becomes the body of one that describes nothing.
            size = place.to_bytes(3, "big")
            tag = bytes([_RESERVED]) + size + bytes(7)
            return LostHeader("flv", _FLV + tag, place)
    return None


def _is_tag(head: bytes, place: int) -> bool:
    """A row of tags begins here (Adobe Flash Video File Format 10.1, annex E)."""
    for _ in range(_LEAST_TAGS):
        size = int.from_bytes(head[place + 1 : place + 4], "big")
        end = place + _FLV_TAG + size
        if head[place : place + 1] == b"" or head[place] not in _FLV_KINDS or not 0 < size <= _FLV_MOST:
            return False
        if head[place + 8 : place + 11] != bytes(3) or head[end : end + 4] != (size + _FLV_TAG).to_bytes(4, "big"):
            return False
        place = end + 4
    return True
