"""Whether a reference shows the scene of the damaged picture, told by all that was received of it."""

from __future__ import annotations

import cv2
import numpy as np

from concealer import flow as motion
from concealer.repair.candidates import surroundings_flow
from concealer.repair.site import Layer, Site

OTHER_SCENE = 1.5
"""What of the received texture motion leaves unexplained, from which on the scene is another. Over 60 clips it was at
most 0.43 in nine of ten pairs three pictures apart, and at least 1.7 in 99 of 100 pairs of different clips."""

_TEXTURE = 17
"""Samples of the flow grid over which the mean is taken that texture is the deviation from."""


def unexplained(site: Site, reference: Layer) -> float:
    """Mean absolute difference of the received part of the region to `reference` moved, in units of its texture.

    Infinite if nothing is received.
    """
    known = (~site.flow_hole).astype(np.float32)
    if not known.any():
        return float("inf")
    flow = surroundings_flow(site, reference)
    there = motion.grid(*site.now.gray.shape) + flow * np.float32(1.0 / site.scale)
    gap = cv2.absdiff(site.now.gray, motion.read_at(reference.gray, there)).astype(np.float32)
    own = np.where(site.flow_hole, reference.gray, site.now.gray)
    texture = cv2.absdiff(own, cv2.blur(own, (_TEXTURE, _TEXTURE))).astype(np.float32)
    return float((gap * known).sum() / max(float((texture * known).sum()), 1.0))
