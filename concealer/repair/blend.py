"""Judging candidates on the received rim and mixing them in the hole."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from concealer.flow import Array
from concealer.repair.candidates import Candidate
from concealer.repair.parallel import both
from concealer.repair.regions import to_grid
from concealer.repair.site import Site

SHARPNESS = 3.0
"""Exponent of the expected error in a candidate's weight."""

DOUBT_SHARE = 0.6
"""Part of the references' own evidence in the expected error; the rest is the rim's alone (calibrated on twelve
clips: +0.5 dB over 0, flat between 0.5 and 1)."""

ERROR_FLOOR = 1.0
"""Mean absolute difference (8-bit scale) below which errors are noise and count alike."""

UNTRIED_MOTION = 2.0
"""Factor on the expected error of motion that no received sample speaks for: flow fits the pictures it was found in
better than the next one."""

REACH_POWER = 0.7
"""Growth of that factor with the time such motion has to go on for: four pictures on, it is more often wrong."""


SQUARE_OF_ONE, SQUARE_GROWTH = 45.0, 1.2
"""Mean squared error of a block whose expected mean absolute difference is 1, and the power with which it grows: few
blocks err far more than expected. Fitted on 115 damaged pictures of 15 training clips."""


@dataclass(frozen=True)
class Expected:
    """What n candidates are expected to err by."""

    errors: Array
    """(n, h, w) float32 on the error grid of the window: logarithm of the expected error."""
    from_rim: Array
    """The same by the received rim alone."""
    seen: Array
    """(n,) mean absolute luma difference to the received rim (8-bit scale)."""


def expected_errors(site: Site, candidates: list[Candidate]) -> Expected:
    """How much each candidate errs in the hole, told by its rim and by the references.

    Two estimates are mixed. One is the error seen on the rim, spread into the hole. The other is the
    references' disagreement about the candidate (`Candidate.doubt`), known inside the hole, times the ratio of
    seen error to disagreement that the rim shows, spread into the hole: where steady motion is refuted on the
    rim, agreement of the references about it inside means little.
    """
    trust = site.rim_weight
    floor = np.float32(ERROR_FLOOR)
    weight = np.maximum(trust, 1e-3)
    seen = np.zeros((len(candidates), *trust.shape), np.float32)
    for luma, error in zip((c.luma for c in candidates), seen, strict=True):
        for cells, rows in site.rim_rows:
            difference = cv2.absdiff(luma[rows], site.window_luma[rows])
            error[cells] = to_grid(cv2.multiply(difference, site.window_trust[rows]), site.step)
    mean = seen.sum(axis=(1, 2)) / max(float(trust.sum()), 1e-3)
    from_rim = np.log(site.rim_spreader.fill_all(seen / weight) + floor)
    doubts = [c.doubt for c in candidates if c.doubt is not None]
    if len(doubts) != len(candidates):
        return Expected(from_rim, from_rim, mean)
    if not trust.any():
        # Nothing was received to try motion on: it must make the references agree far better than standing still does.
        # Motion that was rehearsed on the picture before has shown how it fares on one it was not found in.
        untried = [1.0 if c.flow is None or c.rehearsed else UNTRIED_MOTION for c in candidates]
        prior = np.log([one if c.flow is None else one * c.reach**REACH_POWER
                        for one, c in zip(untried, candidates, strict=True)])  # fmt: skip
        errors = np.log(np.stack(doubts) + floor) + prior.astype(np.float32)[:, None, None]
        return Expected(errors, from_rim, mean)
    # Blurred like the disagreement it is compared with.
    near = np.maximum(cv2.blur(trust, (5, 5)), 1e-3)
    local = np.stack([cv2.blur(one, (5, 5)) for one in seen]) / near
    doubt = np.log(np.stack(doubts) + floor)
    ratio = site.rim_spreader.fill_all(np.log(local + floor) - doubt)
    return Expected((1.0 - DOUBT_SHARE) * from_rim + DOUBT_SHARE * (doubt + ratio), from_rim, mean)


def soft_weights(log_errors: Array, sharpness: float = SHARPNESS) -> Array:
    """Weights (n, h, w) that sum to one over n: softmax of -sharpness * log(error)."""
    logit = log_errors * np.float32(-sharpness)
    logit -= logit.max(axis=0)
    np.exp(logit, out=logit)
    logit /= logit.sum(axis=0)
    return logit


def expected_square(log_errors: Array, weights: Array) -> Array:
    """Mean squared error (h, w) expected of the mix on the error grid (8-bit scale)."""
    expected: Array = SQUARE_OF_ONE * np.exp(SQUARE_GROWTH * (log_errors * weights).sum(axis=0))
    return expected


def mix(site: Site, candidates: list[Candidate], weights: Array) -> tuple[Array, Array | None]:
    """Weighted sum of the candidates: luma (h, w) and chroma (h', w', 2) of the window."""

    def mixed_luma() -> Array:
        luma = np.zeros(candidates[0].luma.shape, np.float32)
        for candidate, share in zip(candidates, weights, strict=True):
            cv2.accumulateProduct(candidate.luma, _to_plane(share, site, (0, 0), luma.shape), luma)
        return luma

    def mixed_chroma() -> Array | None:
        if candidates[0].chroma is None:
            return None
        chroma = np.zeros(candidates[0].chroma.shape, np.float32)
        for candidate, share in zip(candidates, weights, strict=True):
            if candidate.chroma is not None:
                plane = _to_plane(share, site, site.shift, chroma.shape)
                cv2.accumulateProduct(candidate.chroma, cv2.merge([plane, plane]), chroma)
        return chroma

    return both(mixed_luma, mixed_chroma)


def _to_plane(share: Array, site: Site, shift: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """A map on the error grid, at the samples of a plane."""
    size = (share.shape[1] * site.step >> shift[0], share.shape[0] * site.step >> shift[1])
    return cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
