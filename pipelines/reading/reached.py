"""How much of a file its packets cover: bytes that a demuxer passed over in silence."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from typing import BinaryIO

from pipelines.reading.boxes import BoxMap

_LEAST = 4096
"""Bytes in a row that no packet covers before they count: headers between packets are smaller."""
_LEAST_SHARE = 0.01
"""Of MP4's media data: tracks that are not read, such as chapter titles, have theirs there too."""
_INDEX = {
    b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\x19\x41\xa4\x69", b"\x11\x4d\x9b\x74", b"\x10\x43\xa7\x70",
    b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b",
}  # fmt: skip
"""Matroska's elements beside clusters: cues, tags, attachments, seek head, chapters, info, tracks."""
_VOID = 0xEC


class Reached:
    """The places of packets in a file, in the order in which they were read."""

    def __init__(self) -> None:
        self._spans = array("q")

    def add(self, place: int | None, size: int) -> None:
        """A packet; place: None or negative where the demuxer does not tell."""
        if place is not None and place >= 0:
            self._spans.extend((place, place + size))

    def unread(self, path: str, container_format: str) -> int:
        """Bytes of media that no packet covers, as far as that can be told for the format: else 0. Raises OSError."""
        spans = sorted(zip(self._spans[::2], self._spans[1::2], strict=True))
        if not spans:
            return 0
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if "mp4" in container_format:
                return _unread_samples(file, size, spans)
            if container_format == "flv" or "matroska" in container_format:
                return sum(_holes(file, size, spans))
        return 0


def _unread_samples(file: BinaryIO, size: int, spans: list[tuple[int, int]]) -> int:
    media = [(box.start + box.header, box.end) for box in BoxMap(file, size).boxes if box.kind == b"mdat"]
    total = sum(end - start for start, end in media)
    covered = last = 0
    for start, end in spans:
        covered += max(0, end - max(start, last))
        last = max(last, end)
    left = total - covered
    return left if left > max(_LEAST, total * _LEAST_SHARE) else 0


def _holes(file: BinaryIO, size: int, spans: list[tuple[int, int]]) -> Iterator[int]:
    last = spans[0][1]
    for start, end in [*spans[1:], (size, size)]:
        if start - last > _LEAST:
            begin = _past_index(file, last, start)
            if start - begin > _LEAST:
                yield start - begin
        last = max(last, end)


def _past_index(file: BinaryIO, place: int, end: int) -> int:
    """Behind Matroska's elements without media at a place."""
    while place + 12 <= end:
        file.seek(place)
        head = file.read(12)
        known = 1 if head[0] == _VOID else 4 if head[:4] in _INDEX else 0
        width = 9 - head[known].bit_length() if known else 9
        if width > 8 or known + width > len(head):
            break
        length = int.from_bytes(head[known : known + width], "big") & ~(1 << 7 * width)
        place += known + width + length
    return min(place, end)
