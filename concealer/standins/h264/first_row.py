"""What macroblocks without a row above are predicted from: the column before, which is known one at a time.

The transform is linear, and the prediction the same all along a row of samples: it touches the first coefficient of
each row of frequencies alone. All others are known beforehand, and of what a macroblock shows only its last column is
needed to go on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from concealer.standins.arrays import Array
from concealer.standins.h264.transform import HADAMARD, Quantiser, shifted, transformed

_FORWARD = np.array([[1, 1, 1, 1], [2, 1, -1, -2], [1, -1, -1, 1], [1, -2, 2, -1]], np.float32)
_PAIR = np.array([[1, 1], [1, -1]], np.float32)


def left_columns(quantiser: Quantiser, which: int, samples: Array, left: Array, depth: int) -> npt.NDArray[np.int32]:
    """(n, side): what is shown left of each of n macroblocks predicted horizontally, one behind the other.

    which: plane. samples: (n, side, side) wanted. left: (side,) what is shown before the first. About 40 microseconds a
    macroblock.
    """
    chain = _Chain(quantiser, which, samples, (1 << depth) - 1)
    columns = np.empty((len(samples), samples.shape[1]), np.int32)
    for number in range(len(samples)):
        columns[number] = left
        if number < len(samples) - 1:
            left = chain.shown(number, left)
    return columns


class _Chain:
    def __init__(self, quantiser: Quantiser, which: int, samples: Array, most: int) -> None:
        self._quantiser, self._most = quantiser, most
        self._blocks = blocks = samples.shape[1] // 4
        self._is_luma = not which
        self._qp, self._scale = quantiser.qps[which], quantiser.scale(which)
        self._factor, self._step = quantiser.factor(which), quantiser.step(which)[0, 0]
        frequencies = transformed(samples).reshape(-1, blocks, blocks, 4, 4)
        self._first = np.ascontiguousarray(frequencies[..., 0])
        levels = quantiser.rounded(frequencies[..., 1:] * self._factor[:, 1:])
        self._sizes = np.abs(levels).sum(axis=(1, 2, 3, 4))
        b, c, d = np.moveaxis(shifted(levels[:, :, -1] * self._scale[:, 1:], self._qp // 6 - 4), -1, 0)
        self._rest = c - b - (d >> 1)
        """What the other frequencies add to the last column of the last block of each row of blocks."""

    def shown(self, number: int, left: Array) -> npt.NDArray[np.int64]:
        """The last column of a macroblock with `left` before it."""
        blocks = self._blocks
        base = left.reshape(blocks, 4)
        first = self._first[number] - (4 * base.astype(np.float32) @ _FORWARD.T)[:, None]
        levels = self._quantiser.rounded(first[..., 1:] * self._factor[1:, 0])
        rest = self._rest[number]
        if not self._is_luma and self._sizes[number] + np.abs(levels).sum() == 1:
            # As in `Quantiser.inter`: a level all alone is dropped.
            levels, rest = np.zeros_like(levels), np.zeros_like(rest)
        column = np.empty((blocks, 4), np.int64)
        column[:, 0] = self._corner(first[..., 0])
        column[:, 1:] = shifted(levels[:, -1] * self._scale[1:, 0], self._qp // 6 - 4)
        a, b, c, d = (column + rest).T
        even, odd, low, high = a + c, a - c, (b >> 1) - d, b + (d >> 1)
        done = np.stack([even + high, odd + low, odd - low, even - high], axis=1)
        return np.clip(base + (done + 32 >> 6), 0, self._most).reshape(-1)

    def _corner(self, sums: Array) -> npt.NDArray[np.int64]:
        """The scaled DC coefficients of the last block of each row, from those of all before quantisation."""
        matrix = HADAMARD if self._is_luma else _PAIR
        both = matrix @ sums @ matrix
        levels = self._quantiser.rounded(both / self._step if self._is_luma else both * (2 / self._step))
        back = (matrix.astype(np.int64) @ levels @ matrix.astype(np.int64)[:, -1]) * self._scale[0, 0]
        return shifted(back, self._qp // 6 - 6) if self._is_luma else (back << self._qp // 6) >> 5
