"""Landmarks of a face from damaged picture to damaged picture: where one is hidden, the previous picture's is kept.

A Kalman filter for every landmark alone, after the shift that the visible ones have made. The map of the previous
picture is the fallback of Lahiri et al. 2020, section 4.2, for pictures in which landmarks cannot be found.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from concealer.flow import Array

SEEN, HIDDEN = 0.014**2, 0.045**2
"""Mean squared error of found landmarks, shares of the crop's side: outside the hole, and guessed under it."""

MOVED = 0.008**2
"""What it grows by from picture to picture: faces move in themselves."""

LEAST_SEEN = 0.2
"""Share of landmarks that must be visible for their shift to be believed."""


def settle(found: Array, seen: npt.NDArray[np.bool_], points: Array, variance: Array) -> tuple[Array, Array]:
    """Landmarks (K, 2) of a picture, and their variance (K,), from those found in it and those of the picture before.

    found: (K, 2), shares of the crop's side; seen: (K,), whether each lies outside the hole; points, variance: what
    this gave for the previous picture, zeros if there was none.
    """
    error = np.where(seen, SEEN, HIDDEN)
    if not variance.any():
        return found, error
    predicted = points
    if seen.mean() >= LEAST_SEEN:
        # Points that were themselves guessed a picture ago say little of how the face moved.
        known = seen / (variance + error)
        predicted = points + (known[:, None] * (found - points)).sum(0) / known.sum()
    grown = variance + MOVED
    gain = grown / (grown + error)
    return predicted + gain[:, None] * (found - predicted), (1 - gain) * grown


def visible(landmarks: Array, masks: Array) -> npt.NDArray[np.bool_]:
    """Which landmarks (N, K, 2) lie outside the holes of the masks (N, 1, R, R), and inside the picture: (N, K)."""
    side = masks.shape[-1]
    place = np.floor(landmarks * side).astype(np.intp)
    inside = ((place >= 0) & (place < side)).all(2)
    x, y = np.moveaxis(place.clip(0, side - 1), 2, 0)
    seen: npt.NDArray[np.bool_] = inside & (masks[np.arange(len(masks))[:, None], 0, y, x] < 0.5)
    return seen
