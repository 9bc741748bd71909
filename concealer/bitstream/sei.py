"""Supplemental enhancement information: the messages before a picture (H.264 7.3.2.3.1, HEVC 7.3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from concealer.bitstream.nal import Codec, NalUnit, nal_type, unescape

_SEI = {"h264": (6, 1), "hevc": (39, 2)}
"""NAL unit type of SEI messages before a picture, and bytes of its header."""


def sei_messages(codec: Codec, nals: Iterable[NalUnit]) -> Iterator[tuple[int, bytes]]:
    """(payloadType, payload) of every message, as far as they came."""
    kind, header = _SEI[codec]
    for nal in nals:
        if nal_type(codec, nal) == kind:
            yield from _in_unit(unescape(nal.data[header:]))


def _in_unit(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 2 <= len(data):
        values = []
        for _ in ("type", "size"):
            value = 0
            while place < len(data) and data[place] == 0xFF:
                value, place = value + 255, place + 1
            if place == len(data):
                return
            values.append(value + data[place])
            place += 1
        kind, size = values
        yield kind, data[place : place + size]
        place += size
