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


MARGIN = 32
"""Rows behind received ones that are looked at: more than the correction reaches, and a whole number of cells."""


def close_seam(site: Site, luma: Array) -> None:
    """Add to `luma` (window, 8-bit scale), in place, the rim's residual, fading into the hole within a few samples.

    Its strength, 0..1, is what would have served best on received samples next to the hole predicted from
    those further out, so nothing is added where the residual says nothing about its neighbours.
    """
    seams = [_Seam(site, luma, rows) for rows in _near_rim(site)]
    power = sum(seam.power for seam in seams)
    if power >= 1e-3:
        strength = float(np.clip(sum(seam.gain for seam in seams) / power, 0.0, 1.0))
        for seam in seams:
            luma[seam.rows] = cv2.scaleAdd(seam.correction(), strength, luma[seam.rows])


def _near_rim(site: Site) -> list[slice]:
    """Rows of the window with anything received near them: of a picture that is lost nearly whole they are few."""
    near: list[slice] = []
    height = len(site.window_luma)
    for _, rows in site.rim_rows:
        first, end = max(0, (rows.start - MARGIN) // 2 * 2), min(height, rows.stop + MARGIN)
        if near and first <= near[-1].stop:
            near[-1] = slice(near[-1].start, end)
        else:
            near.append(slice(first, end))
    return near


class _Seam:
    """A run of rows."""

    def __init__(self, site: Site, luma: Array, rows: slice) -> None:
        self.rows, self._size = rows, luma[rows].shape
        given, hole = site.window_trust[rows], site.window_hole[rows]
        # At half resolution: 1.0 instead of 2.4 ms for a window of 1280 x 128.
        residual: Array = to_grid(cv2.multiply(cv2.subtract(site.window_luma[rows], luma[rows]), given), 2)
        grown = cv2.dilate(hole.view(np.uint8), np.ones((5, 5), np.uint8))
        self._trust = to_grid(given, 2)
        near = to_grid(cv2.copyTo(given, grown), 2)
        far = cv2.subtract(self._trust, near)
        self._residual = cv2.divide(residual, np.maximum(self._trust, 1e-3))
        guess = _spread_short(self._residual, far)
        weighted = cv2.multiply(guess, near)
        self.power = float(np.vdot(weighted, guess))
        self.gain = float(np.vdot(weighted, self._residual))

    def correction(self) -> Array:
        """Of the rows, at full strength."""
        height, width = self._size
        size = (self._trust.shape[1] * 2, self._trust.shape[0] * 2)
        spread = cv2.resize(_spread_short(self._residual, self._trust), size, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(spread[:height, :width])


def _spread_short(values: Array, weight: Array) -> Array:
    """Normalised box average that fades to zero away from the weight."""
    total = cv2.blur(cv2.multiply(values, weight), (REACH, REACH))
    known = cv2.blur(weight, (REACH, REACH))
    return cv2.divide(total, known + np.float32(DECAY))
