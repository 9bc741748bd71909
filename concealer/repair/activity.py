"""How much changes from picture to picture where a hole is: what changes little is hard to repair wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from concealer.damage import BLOCK
from concealer.flow import Array
from concealer.outcome import Blocks
from concealer.picture import Picture

_EVERY = 4
"""Every so many samples are looked at, across and down."""


def activity(picture: Picture, hole: Blocks, references: Sequence[Picture]) -> Array:
    """(rows, cols): mean squared luma difference (8-bit scale) of the two references nearest in time in the blocks of
    `hole`, of one reference to the repaired picture; 0 outside the hole and without a reference."""
    found = np.zeros(hole.shape, np.float32)
    if not references:
        return found
    near = sorted(references, key=lambda one: abs(one.order - picture.order))[:2]
    one, other = near[0], near[1] if len(near) > 1 else picture
    rows, cols = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    part = slice(top * BLOCK, bottom * BLOCK, _EVERY), slice(left * BLOCK, right * BLOCK, _EVERY)
    gap = np.subtract(one.planes[0][part], other.planes[0][part], dtype=np.float32)
    gap *= np.float32(2.0 ** (8 - picture.bit_depth))
    gap *= gap
    side = BLOCK // _EVERY
    height, width = gap.shape
    gap = cv2.copyMakeBorder(gap, 0, -height % side, 0, -width % side, cv2.BORDER_REPLICATE)
    means = cv2.resize(gap, (gap.shape[1] // side, gap.shape[0] // side), interpolation=cv2.INTER_AREA)
    found[top:bottom, left:right] = np.where(hole[top:bottom, left:right], means, np.float32(0.0))
    return found
