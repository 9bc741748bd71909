"""Closing the seam between a repaired hole and what was received around it."""

from __future__ import annotations

import cv2
import numpy as np

from concealer.flow import Array
from concealer.repair.regions import to_grid
from concealer.repair.site import Site

REACH = 5
"""Width of the box that spreads the rim's residual, in cells of two samples: 4 samples into the hole."""

DECAY = 0.1
"""Counterweight that lets the correction fade where little of the kernel lies on received samples."""


def close_seam(site: Site, luma: Array) -> Array:
    """Add to `luma` (window, 8-bit scale) the rim's residual, fading into the hole within a few samples.

    Its strength, 0..1, is what would have served best on received samples next to the hole predicted from
    those further out, so nothing is added where the residual says nothing about its neighbours.
    """
    if not site.rim_rows:
        return luma  # nothing was received to hold it against
    # At half resolution: 1.0 instead of 2.4 ms for a window of 1280 x 128.
    residual: Array = to_grid(cv2.multiply(cv2.subtract(site.window_luma, luma), site.window_trust), 2)
    grown = cv2.dilate(site.window_hole.view(np.uint8), np.ones((5, 5), np.uint8))
    trust = to_grid(site.window_trust, 2)
    near = to_grid(cv2.copyTo(site.window_trust, grown), 2)
    far = cv2.subtract(trust, near)
    residual = cv2.divide(residual, np.maximum(trust, 1e-3))
    guess = _spread_short(residual, far)
    weighted = cv2.multiply(guess, near)
    power = float(np.vdot(weighted, guess))
    if power < 1e-3:
        return luma
    strength = float(np.clip(np.vdot(weighted, residual) / power, 0.0, 1.0))
    rows, cols = luma.shape
    size = (trust.shape[1] * 2, trust.shape[0] * 2)
    correction = cv2.resize(_spread_short(residual, trust), size, interpolation=cv2.INTER_LINEAR)
    return cv2.scaleAdd(np.ascontiguousarray(correction[:rows, :cols]), strength, luma)


def _spread_short(values: Array, weight: Array) -> Array:
    """Normalised box average that fades to zero away from the weight."""
    total = cv2.blur(cv2.multiply(values, weight), (REACH, REACH))
    known = cv2.blur(weight, (REACH, REACH))
    return cv2.divide(total, known + np.float32(DECAY))
