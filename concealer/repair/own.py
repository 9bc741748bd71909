"""The decoder's own concealment of a hole, taken in beside motion: it errs in other ways."""

from __future__ import annotations

import cv2
import numpy as np

from concealer.flow import Array
from concealer.repair.blend import SHARPNESS
from concealer.repair.site import Layer, Site

OWN_SHARE, OWN_AGREEMENT = 0.25, 3.0
"""Most weight the decoder's own concealment gets beside motion, and the mean absolute difference (8-bit scale)
at which it is halved: it errs in other ways, so it helps where both nearly agree, and only there."""


def join_own(
    site: Site, luma: Array, chroma: Array | None, own: Layer, odds: Array | None = None
) -> tuple[Array, Array | None]:
    """Take in the decoder's own concealment, which the hole holds, where it agrees with the prediction.

    odds: (h, w) on the error grid, what is added to the logarithm of the odds of its weight; None: nothing.
    """
    own_luma = np.ascontiguousarray(own.luma[site.window.slices()])
    share = _share(cv2.blur(cv2.absdiff(luma, own_luma), (9, 9)))
    if odds is not None:
        size = odds.shape[1] * site.step, odds.shape[0] * site.step
        more = np.exp(cv2.resize(odds, size, interpolation=cv2.INTER_LINEAR)[: share.shape[0], : share.shape[1]])
        share = share * more / (1.0 + share * (more - 1.0))
    luma = luma + share * cv2.subtract(own_luma, luma)
    if chroma is not None and own.chroma is not None:
        small = cv2.resize(share, (chroma.shape[1], chroma.shape[0]), interpolation=cv2.INTER_AREA)
        chroma = chroma + small[..., None] * (own.chroma[site.chroma_window] - chroma)
    return luma, chroma


def own_error(errors: Array, gap: Array) -> Array:
    """Logarithm (h, w) of the error with which it would have the same weight among candidates of `errors` (n, h, w).

    gap: (h, w) mean absolute difference of it to their mix.
    """
    share = _share(gap)
    return -(np.log(share / (1.0 - share)) + total_log_weight(errors)) / np.float32(SHARPNESS)


def total_log_weight(errors: Array) -> Array:
    """Logarithm of the sum of the candidates' weights (h, w) before they are made to sum to one."""
    logit = errors * np.float32(-SHARPNESS)
    most = logit.max(axis=0)
    return np.asarray(most + np.log(np.exp(logit - most).sum(axis=0)), np.float32)


def _share(gap: Array) -> Array:
    share: Array = np.float32(OWN_SHARE) / (1.0 + (gap * np.float32(1.0 / OWN_AGREEMENT)) ** 2)
    return share
