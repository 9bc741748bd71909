"""A few samples of each picture: how much it moves, and how much texture there is to go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from concealer.picture import Plane

_EVERY = 16
"""Every so many samples are looked at, across and down."""
_LEAST = 0.02

_Samples = npt.NDArray[Any]


class Glimpse:
    """Follows one stream in decode order."""

    def __init__(self) -> None:
        self._before: _Samples | None = None
        self._now: _Samples | None = None
        self._beside: _Samples | None = None
        self._gain = 1.0
        self._sum = 0.0

    def take(self, luma: Plane, bit_depth: int) -> None:
        """The next picture."""
        self._gain = 4.0 ** (8 - bit_depth)
        self._before, self._now = self._now, luma[::_EVERY, ::_EVERY].copy()
        self._beside = luma[::_EVERY, 1::_EVERY].copy()

    def forget(self) -> None:
        """Changes are summed up from here on."""
        self._sum = 0.0

    def figures(self) -> tuple[float, float, float]:
        """Logarithms to base 10 of mean squares on an 8-bit scale: the change from the picture before, all changes
        added up, and from sample to sample within the picture. To be asked for once a picture."""
        change = self._difference(self._before)
        self._sum += change
        values = np.log10(np.array([change, self._sum, self._difference(self._beside)]) + _LEAST)
        return float(values[0]), float(values[1]), float(values[2])

    def _difference(self, other: _Samples | None) -> float:
        now = self._now
        if now is None or other is None or other.shape[0] != now.shape[0] or not 0 <= now.shape[1] - other.shape[1] < 2:
            return 0.0
        gap = now[:, : other.shape[1]].astype(np.float32) - other
        return float(np.square(gap).mean()) * self._gain
