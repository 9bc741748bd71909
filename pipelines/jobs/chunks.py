"""Where a stream is cut so that several processes can look for damage in it at once."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.reading import Source

LEAST = 1500
"""Payloads in a chunk: the group of pictures before each is decoded twice."""
_LEAST_OF_SHORT = 300
"""In a chunk of a stream that is too short for two of those, and gets two all the same."""


def expected_pictures(source: Source, index: int) -> int:
    """Of a stream, as far as the container knows its length, else 0."""
    stream, whole = source.video[index], (source.container.duration or 0) / 1e6
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else whole
    return max(round(seconds * float(source.rate(index))), 0)


def least_in_chunk(pictures: int) -> int:
    """Payloads in a chunk of a stream that is expected to have so many."""
    return min(max(pictures // 2, _LEAST_OF_SHORT), LEAST)


@dataclass(frozen=True)
class Cut:
    """Something that happens before a payload is decoded."""

    chunk: int
    """Number of the chunk it concerns."""
    begins: bool
    """Its payloads count from here on, and no longer those of the chunk before; else its decoding begins here."""


class Chunks:
    """Of one stream, payload by payload. Chunks begin at entries, and decoding a whole group of pictures before: what
    damage looks like is learnt from pictures that are whole. The same cuts whoever works on them."""

    def __init__(self, least: int = LEAST) -> None:
        self._least = least
        self._number = self._first = self._chunk = 0
        self._lead: int | None = None

    def payload(self, entry: bool) -> Cut | None:
        """The next one, and whether decoding can begin with it; what happens before it is decoded."""
        number = self._number
        self._number += 1
        if not entry:
            return None
        if self._lead is not None:
            self._lead, self._first = None, number
            self._chunk += 1
            return Cut(self._chunk, True)
        if number - self._first >= self._least:
            self._lead = number
            return Cut(self._chunk + 1, False)
        return None
