"""Judging candidates on the received rim and mixing them in the hole."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.repair.candidates import Candidate
from concealer.repair.crop import to_grid
from concealer.repair.site import Site
from concealer.repair.spread import spread

Array = npt.NDArray[Any]

SHARPNESS = 2.5
"""Exponent of the error in a candidate's weight."""

ERROR_FLOOR = 1.0
"""Mean absolute difference (8-bit scale) below which errors are noise and count alike."""


def rim_errors(site: Site, candidates: list[Candidate]) -> Array:
    """(h, w, n) float32: mean absolute luma difference to the received samples, spread into the hole.

    On the error grid (`site.step` luma samples) of the window; 8-bit scale.
    """
    seen = [to_grid(cv2.absdiff(c.luma, site.window_luma) * site.window_trust, site.step) for c in candidates]
    weight = site.rim_weight
    mean = np.stack(seen, axis=2) / np.maximum(weight, 1e-3)[..., None]
    return spread(mean, weight)


def soft_weights(errors: Array, sharpness: float = SHARPNESS) -> Array:
    """Weights (h, w, n) that sum to one: softmax of -sharpness * log(error)."""
    logit = np.log(errors + np.float32(ERROR_FLOOR))
    logit *= -sharpness
    logit -= logit.max(axis=2, keepdims=True)
    np.exp(logit, out=logit)
    logit /= logit.sum(axis=2, keepdims=True)
    return logit


def mix(site: Site, candidates: list[Candidate], weights: Array) -> tuple[Array, Array | None]:
    """Weighted sum of the candidates: luma (h, w) and chroma (h', w', 2) of the window."""
    luma = np.zeros(candidates[0].luma.shape, np.float32)
    first_chroma = candidates[0].chroma
    chroma = None if first_chroma is None else np.zeros(first_chroma.shape, np.float32)
    for index, candidate in enumerate(candidates):
        share = np.ascontiguousarray(weights[..., index])
        luma += _to_plane(share, site, (0, 0), luma.shape) * candidate.luma
        if chroma is not None and candidate.chroma is not None:
            chroma += _to_plane(share, site, site.shift, chroma.shape)[..., None] * candidate.chroma
    return luma, chroma


def _to_plane(share: Array, site: Site, shift: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """A map on the error grid, at the samples of a plane."""
    size = (share.shape[1] * site.step >> shift[0], share.shape[0] * site.step >> shift[1])
    return cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
