"""How a hole moved, told by the pictures behind it.

The picture after the damaged one was predicted from the hole, so it shows the hole's faults: its samples say little.
But how its content moved was received. That motion, carried back one step, is a candidate for the hole's own, beside
the motion that led up to it.
"""

from __future__ import annotations

import cv2
import numpy as np

from concealer import flow as motion
from concealer.flow import Array
from concealer.outlook import NOWHERE, Outlook, ReceivedMotion
from concealer.repair.candidates import Candidate, disagreement
from concealer.repair.site import Layer, Site
from concealer.repair.spread import Spreader

NEXT, TOLD = "next", "told"

NEXT_SHARE = 0.5
"""Part of a candidate's difference from the next picture's motion that counts as doubt (0.3 to 1: the same)."""

_CELL = 8
_THROUGH, _TO_HOLE, _PAST_HOLE = 1.0, 0.5, 0.1
"""Weights of a received block: predicted from the hole and from another picture, so that it connects the two; from the
hole alone, whose motion then has to go on; from others alone, whose motion has to reach the hole."""


def flows_ahead(site: Site, last: Layer, outlook: Outlook) -> list[tuple[str, Array]]:
    """(name, flow) from the damaged picture to `last`, on the region's flow grid, as far as `outlook` tells.

    "next": between the scout's pictures of now and next, reversed; "told": from the vectors received behind the hole.
    """
    flows: list[tuple[str, Array]] = []
    now = outlook.now
    if now.planes[0].shape != site.picture.planes[0].shape:
        return flows
    order = site.now.order
    following = min(
        (one.picture for one in outlook.later if one.picture.order > order), key=lambda p: p.order, default=None
    )
    # Decoded with inherited vectors, the next picture moves as the scout's guess of the hole made it: -0.2 dB.
    if following is not None and not outlook.inherited:
        onward = motion.dense_flow(site.gray(now), site.gray(following), site.scale)
        flows.append((NEXT, onward * np.float32((last.order - order) / (following.order - order))))
    told = _told_velocity(site, outlook)
    if told is not None:
        rows, cols = site.now.gray.shape
        per_step = cv2.resize(told, (cols, rows), interpolation=cv2.INTER_LINEAR)
        flows.append((TOLD, per_step * np.float32(last.order - order)))
    return flows


def doubt_what_next_refutes(site: Site, candidates: list[Candidate]) -> None:
    """Add to each candidate's doubt how far it is from the one that moves as the next picture does."""
    following = next((c for c in candidates if c.name == NEXT), None)
    if following is None:
        return
    for candidate in candidates:
        if candidate.doubt is None:
            continue
        gap = disagreement(cv2.absdiff(candidate.luma, following.luma), site.step)
        candidate.doubt = cv2.scaleAdd(gap, NEXT_SHARE, candidate.doubt)


def _told_velocity(site: Site, outlook: Outlook) -> Array | None:
    """(rows, cols, 2) luma samples per step of order, cells of 8x8 samples of the region; None if nothing is told."""
    region = site.region
    shape = (-(-(region.bottom - region.top) // _CELL), -(-(region.right - region.left) // _CELL))
    total = np.zeros((shape[0] * shape[1], 3))
    for one in outlook.later:
        if one.received is not None and one.picture.order != site.now.order:
            _collect(total, shape, (region.left, region.top), one.received, one.picture.order, site.now.order)
    weight = total[:, 2]
    if not weight.any():
        return None
    mean = total[:, :2] / np.maximum(weight, 1e-6)[:, None]
    return Spreader(np.minimum(weight, 1.0).reshape(shape)).fill(mean.reshape(*shape, 2).astype(np.float32))


def _collect(
    total: Array, shape: tuple[int, int], origin: tuple[int, int], received: ReceivedMotion, at: int, hole: int
) -> None:
    """Add to `total` (cells, 3: weighted velocity, weight) what the picture at order `at` tells of that at `hole`."""
    toward, corner = received.toward, np.array(origin, np.float32)
    used = (toward != NOWHERE) & (toward != at)
    from_hole = toward == hole
    elsewhere = used & ~from_hole
    for own, other in ((0, 1), (1, 0)):
        if not used[own].any():
            continue
        through = from_hole[own] & elsewhere[other]
        for chosen, weight in (
            (through, _THROUGH),
            (from_hole[own] & ~through, _TO_HOLE),
            (elsewhere[own] & ~from_hole[other], _PAST_HOLE),
        ):
            rows, cols = np.nonzero(chosen)
            if not rows.size:
                continue
            vector = received.vectors[own, rows, cols] * np.float32(0.25)
            if chosen is through:
                steps = (toward[other, rows, cols] - hole)[:, None].astype(np.float32)
                velocity = (received.vectors[other, rows, cols] * np.float32(0.25) - vector) / steps
                shift = vector
            elif weight == _TO_HOLE:
                velocity, shift = vector / np.float32(hole - at), vector
            else:
                velocity = vector / (toward[own, rows, cols] - at)[:, None].astype(np.float32)
                shift = velocity * np.float32(hole - at)
            start = (np.stack([cols, rows], axis=1) + np.float32(0.5)) * np.float32(_CELL) - corner
            _put(total, shape, start + shift, velocity, weight)


def _put(total: Array, shape: tuple[int, int], places: Array, velocity: Array, weight: float) -> None:
    """Add `velocity` (n, 2) to the cells of `total` that `places` (n, 2), samples of the region, lie in."""
    cells = np.floor(places / _CELL).astype(np.intp)
    inside = ((cells >= 0) & (cells < (shape[1], shape[0]))).all(axis=1)
    index = cells[inside, 1] * shape[1] + cells[inside, 0]
    for axis in range(2):
        total[:, axis] += np.bincount(index, velocity[inside, axis] * weight, len(total))
    total[:, 2] += np.bincount(index, minlength=len(total)) * weight
