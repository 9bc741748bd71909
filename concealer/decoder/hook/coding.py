"""How what a decoder gets at once is coded: a frame of one kind or another, or one field of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from concealer.bitstream import Interlaced


@dataclass(frozen=True)
class Coding:
    """Of one payload."""

    interlaced: Interlaced = "progressive"
    parity: int = 0
    """0 top field, 1 bottom field; of a field only."""
    second: bool = False
    """It is the second field of its frame, and is decoded into the buffer of the first."""

    @property
    def is_field(self) -> bool:
        """One field, not a frame."""
        return self.interlaced == "field"


Ends = Sequence[tuple[int, int]]
"""(row, column), on the grid of 16x16 luma samples, of the last block of each slice: a decoder that fails in a slice
goes on with the next one, so that what it did not decode always ends there."""

FRAME = Coding()
