"""A few samples of each picture: how much it moves, and how much texture there is to go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from concealer.decoder.hook import Buffer
from concealer.picture import Plane

_EVERY = 16
"""Every so many samples are looked at, across and down."""
_LEAST = 0.02

_Samples = npt.NDArray[Any]


class _Look:
    """The samples of one picture; taken when they are asked for, of one that nobody writes to any more."""

    __slots__ = ("_beside", "_buffer", "_samples", "gain")

    def __init__(self, picture: Buffer | Plane, bit_depth: int) -> None:
        self.gain = 4.0 ** (8 - bit_depth)
        self._samples: _Samples | None = None
        self._beside: _Samples | None = None
        self._buffer: Buffer | None = None
        if isinstance(picture, Buffer):
            self._buffer = picture
        else:
            self._take(picture)

    def _take(self, luma: Plane) -> None:
        self._samples, self._beside = luma[::_EVERY, ::_EVERY].copy(), luma[::_EVERY, 1::_EVERY].copy()
        self._buffer = None

    @property
    def samples(self) -> _Samples | None:
        if self._buffer is not None:
            self._take(self._buffer.planes[0])
        return self._samples

    @property
    def beside(self) -> _Samples | None:
        """One sample further right."""
        return None if self.samples is None else self._beside


class Glimpse:
    """Follows one stream in decode order."""

    def __init__(self) -> None:
        self._before: _Look | None = None
        self._now: _Look | None = None
        self._sum = 0.0

    def take(self, picture: Buffer | Plane, bit_depth: int) -> None:
        """The next picture: its luma, or where it lies if nobody writes there any more."""
        self._before, self._now = self._now, _Look(picture, bit_depth)

    def forget(self) -> None:
        """Changes are summed up from here on."""
        self._sum = 0.0

    def figures(self) -> tuple[float, float, float]:
        """Logarithms to base 10 of mean squares on an 8-bit scale: the change from the picture before, all changes
        added up, and from sample to sample within the picture. To be asked for once a picture."""
        now, before = self._now, self._before
        change = _difference(now, None if before is None else before.samples)
        self._sum += change
        beside = _difference(now, None if now is None else now.beside)
        values = np.log10(np.array([change, self._sum, beside]) + _LEAST)
        return float(values[0]), float(values[1]), float(values[2])


def _difference(look: _Look | None, other: _Samples | None) -> float:
    now = None if look is None else look.samples
    if look is None or now is None or other is None or other.shape[0] != now.shape[0]:
        return 0.0
    if not 0 <= now.shape[1] - other.shape[1] < 2:
        return 0.0
    gap = now[:, : other.shape[1]].astype(np.float32) - other
    return float(np.square(gap).mean()) * look.gain
