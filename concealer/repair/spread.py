"""Spreading known values into a hole with a push-pull pyramid (Gortler et al., The Lumigraph, 1996, 3.4)."""

from __future__ import annotations

import cv2
import numpy as np

from concealer.flow import Array

_MOST_CHANNELS = 4
"""OpenCV resizes up to so many channels at once."""


class Spreader:
    """Fills maps from where they are trusted; the trust pyramid is built once and used for many maps.

    weight: (h, w), trust per place in 0..1. Raises ValueError if it is empty or not 2-D.
    """

    def __init__(self, weight: Array) -> None:
        if weight.ndim != 2 or weight.size == 0:
            raise ValueError(f"trust must be a filled 2-D map, got shape {weight.shape}")
        known = np.ascontiguousarray(weight, np.float32)
        self._levels = [known]
        # Half the size at each level; the last level is one sample, the mean of all that is known.
        while max(known.shape) > 1:
            size = ((known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2)
            known = cv2.resize(known, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
            self._levels.append(known)
        # A quarter of a cell known is enough to trust this level alone.
        trusts = [np.minimum(level * 4.0, 1.0) for level in self._levels]
        self._fine = [t / np.maximum(k, 1e-6) for t, k in zip(trusts, self._levels, strict=True)]
        self._coarse = [1.0 - t for t in trusts]
        self._repeated: dict[int, tuple[list[Array], list[Array], list[Array]]] = {}

    def fill(self, values: Array) -> Array:
        """(h, w) or (h, w, 2..4) float32: known places keep their (slightly smoothed) value, unknown ones get that of
        the nearest known surroundings, coarser the further away they lie. Zero everywhere if nothing is known.

        Raises ValueError if the size is not that of the weight.
        """
        if values.shape[:2] != self._levels[0].shape:
            raise ValueError(f"cannot spread {values.shape} with trust of shape {self._levels[0].shape}")
        # Nearly all of the cost is the number of calls: four maps at once cost little more than one.
        channels = values.shape[2:]
        levels, fines, coarses = self._for_channels(channels[0] if channels else 1)
        total = cv2.multiply(np.ascontiguousarray(values, np.float32), levels[0])
        totals = [total]
        for level in levels[1:]:
            size = level.shape[1::-1]
            total = cv2.resize(total, size, interpolation=cv2.INTER_AREA).reshape(level.shape[:2] + channels)
            totals.append(total)
        filled: Array = totals[-1] / np.maximum(levels[-1].reshape(totals[-1].shape), 1e-6)
        for total, fine, coarse in zip(totals[-2::-1], fines[-2::-1], coarses[-2::-1], strict=True):
            filled = cv2.resize(filled, total.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(total.shape)
            cv2.multiply(filled, coarse, dst=filled)
            cv2.multiply(total, fine, dst=total)
            cv2.add(filled, total, dst=filled)
        return filled

    def fill_all(self, maps: Array) -> Array:
        """(n, h, w) float32: n maps, each filled."""
        out = np.empty(maps.shape, np.float32)
        for first in range(0, len(maps), _MOST_CHANNELS):
            group = maps[first : first + _MOST_CHANNELS]
            if len(group) == 1:
                out[first] = self.fill(group[0])
            else:
                out[first : first + len(group)] = cv2.split(self.fill(cv2.merge(list(group))))
        return out

    def _for_channels(self, count: int) -> tuple[list[Array], list[Array], list[Array]]:
        """`_levels`, `_fine` and `_coarse` repeated for so many channels."""
        if count == 1:
            return self._levels, self._fine, self._coarse
        if count not in self._repeated:
            repeated = [[_repeat(one, count) for one in maps] for maps in (self._levels, self._fine, self._coarse)]
            self._repeated[count] = repeated[0], repeated[1], repeated[2]
        return self._repeated[count]


def _repeat(level: Array, count: int) -> Array:
    return cv2.merge([level] * count).reshape(*level.shape, count)
