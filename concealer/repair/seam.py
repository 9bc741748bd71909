"""Closing the seam between a repaired hole and what was received around it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.repair.site import Site

Array = npt.NDArray[Any]

REACH = 9
"""Width, in samples, of the box that spreads the rim's residual: 4 samples into the hole."""

DECAY = 0.1
"""Counterweight that lets the correction fade where little of the kernel lies on received samples."""


def close_seam(site: Site, luma: Array) -> Array:
    """Add to `luma` (window, 8-bit scale) the rim's residual, fading into the hole within a few samples.

    Its strength, 0..1, is what would have served best on received samples next to the hole predicted from
    those further out, so nothing is added where the residual says nothing about its neighbours.
    """
    residual = cv2.subtract(site.window_luma, luma)
    grown = cv2.dilate(site.window_hole.view(np.uint8), np.ones((5, 5), np.uint8))
    near = cv2.copyTo(site.window_trust, grown)
    far = cv2.subtract(site.window_trust, near)
    guess = _spread_short(residual, far)
    weighted = cv2.multiply(guess, near)
    power = float(cv2.multiply(weighted, guess).sum())
    if power < 1e-3:
        return luma
    strength = float(np.clip(cv2.multiply(weighted, residual).sum() / power, 0.0, 1.0))
    return cv2.scaleAdd(_spread_short(residual, site.window_trust), strength, luma)


def _spread_short(values: Array, weight: Array) -> Array:
    """Normalised box average that fades to zero away from the weight."""
    total = cv2.blur(cv2.multiply(values, weight), (REACH, REACH))
    known = cv2.blur(weight, (REACH, REACH))
    return cv2.divide(total, known + np.float32(DECAY))
