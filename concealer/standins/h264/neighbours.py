"""What lies left of and above the blocks of a slice, for contexts that look at neighbours (H.264 6.4.11)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from concealer.standins.arrays import Array
from concealer.standins.h264.motion import Counts, Span

_LUMA_X = np.array([0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3])
_LUMA_Y = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])


class Neighbours:
    """Left and upper neighbours of the blocks of a slice; -1 where there is none in the slice."""

    def __init__(self, span: Span) -> None:
        self._x, self._y = span.cells()
        self._rows, self._cols = span.grid_rows, span.width

    def luma(self, counts: Array) -> tuple[Counts, Counts]:
        """`counts`: (n, 16) a value for each 4x4 block in coding order; (left, above) of the same shape."""
        return self._of(counts, _LUMA_X, _LUMA_Y, 4)

    def chroma(self, counts: Array) -> tuple[Counts, Counts]:
        """The same for (n, 4) blocks of one 4:2:0 chroma plane."""
        return self._of(counts, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2)

    def macroblocks(self, counts: Array) -> tuple[Counts, Counts]:
        """The same for (n,) macroblocks."""
        left, above = self._of(counts[:, None], np.array([0]), np.array([0]), 1)
        return left[:, 0], above[:, 0]

    def _of(
        self, counts: Array, x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], size: int
    ) -> tuple[Counts, Counts]:
        grid = np.full((self._rows * size + 1, self._cols * size + 1), -1, np.int64)
        rows, cols = 1 + self._y[:, None] * size + y, 1 + self._x[:, None] * size + x
        grid[rows, cols] = counts
        return grid[rows, cols - 1], grid[rows - 1, cols]
