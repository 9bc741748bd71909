"""Supplemental enhancement information: the messages in a NAL unit."""

from __future__ import annotations

from collections.abc import Iterator


def messages(rbsp: bytes) -> Iterator[tuple[int, bytes]]:
    """(payloadType, payload) of each message of an RBSP behind its NAL unit header (H.264 and HEVC 7.3.2.3.1), as far
    as they are whole."""
    place = 0
    while place + 2 <= len(rbsp):
        values = []
        for _ in ("type", "size"):
            value = 0
            while place < len(rbsp) and rbsp[place] == 0xFF:
                value, place = value + 255, place + 1
            if place == len(rbsp):
                return
            values.append(value + rbsp[place])
            place += 1
        kind, size = values
        yield kind, rbsp[place : place + size]
        place += size
