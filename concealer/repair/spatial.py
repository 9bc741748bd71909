"""Filling a hole from its own picture alone, where no reference shows the scene."""

from __future__ import annotations

import cv2
import numpy as np

from concealer.flow import Array, grid
from concealer.repair.regions import to_grid
from concealer.repair.site import Site
from concealer.repair.spread import Spreader

MID_GREY = 128.0
"""What a picture is filled with of which nothing was received and no reference exists."""

SHIFTS = (-16, -10, -6, -3, 0, 3, 6, 10, 16)
"""Sideways run of the edges looked for, top of the hole to bottom, in cells (luma samples up to SD size)."""

EDGE_CONTRAST = 3.0
"""Mismatch (8-bit scale) between an edge's two ends at which its weight falls to 1/e."""

SHIFT_PENALTY = 0.1
"""Mismatch that one sample of sideways run counts as: of equal matches the straight one wins."""


def fill_spatially(site: Site) -> tuple[Array, Array | None]:
    """Luma (h, w) and chroma (h', w', 2) of the window, 8-bit scale, the hole filled from its surroundings.

    Mean of a smooth fill and of the continued edges; their errors differ enough that the mean is better than
    each (22 lost first-picture slices: 20.1, 21.0 and 21.1 dB; at scene cuts 18.9, 20.1 and 20.0).
    """
    cell = min(site.scale // 2, 8)
    luma = _fill_plane(site.window_luma, site.window_hole, site.window_trust, SHIFTS, cell)
    chroma = None
    if site.now.chroma is not None:
        part = site.now.chroma[site.chroma_window]
        size = (part.shape[1], part.shape[0])
        hole = cv2.resize(site.window_hole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        trust = cv2.resize(site.window_trust, size, interpolation=cv2.INTER_NEAREST)
        chroma = cv2.merge([_fill_plane(p, hole, trust, (0,), max(1, cell // 2)) for p in cv2.split(part)])
    return luma, chroma


def _fill_plane(plane: Array, hole: Array, trust: Array, shifts: tuple[int, ...], cell: int) -> Array:
    """Fill one plane, in cells of `cell` x `cell` samples where it is large: the fill is smooth anyway."""
    if not trust.any():
        return np.full_like(plane, MID_GREY)
    known = to_grid(trust, cell)
    values = to_grid(cv2.multiply(plane, trust), cell) / np.maximum(known, 1e-6)
    inside = to_grid(hole, cell) > 0.5
    smooth = Spreader(known).fill(values)
    edges = _continue_edges(np.where(inside, smooth, values), inside, shifts)
    filled = cv2.addWeighted(smooth, 0.5, edges, 0.5, 0.0)
    if cell == 1:
        return filled
    size = (filled.shape[1] * cell, filled.shape[0] * cell)
    return cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)[: plane.shape[0], : plane.shape[1]]


def _continue_edges(plane: Array, hole: Array, shifts: tuple[int, ...]) -> Array:
    """Interpolate between the received rows above and below each hole sample, along lines whose ends match.

    plane: (h, w) float32 with something sensible in the hole, used where there is no row above or below.
    """
    rows, cols = plane.shape
    index = np.arange(rows, dtype=np.float32)[:, None]
    above = np.maximum.accumulate(np.where(hole, np.float32(-1), index), axis=0)
    below = np.minimum.accumulate(np.where(hole, np.float32(rows), index)[::-1], axis=0)[::-1]
    above, below = np.where(above < 0, below, above), np.where(below >= rows, above, below)
    nothing = (above < 0) | (above >= rows)
    above, below = np.where(nothing, index, above), np.where(nothing, index, below)
    depth = (index - above) / np.maximum(below - above, 1.0)
    depth = np.clip(depth, 0.0, 1.0).astype(np.float32)
    places = grid(rows, cols)[..., 0]
    total = np.zeros_like(plane)
    weights = np.full_like(plane, 1e-12)
    for shift in shifts:
        top, bottom = (
            cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for x, y in ((places - depth * shift, above), (places + (1.0 - depth) * shift, below))
        )
        # An edge is longer than one sample: 17 neighbours must match along with it.
        mismatch = cv2.blur(cv2.absdiff(top, bottom), (17, 1)) + SHIFT_PENALTY * abs(shift)
        weight = np.exp(mismatch * np.float32(-1.0 / EDGE_CONTRAST))
        weights += weight
        total += weight * (top + (bottom - top) * depth)
    return np.where(nothing | (weights < 1e-9), plane, total / weights)


def spatial_misfit(site: Site) -> tuple[float, Array]:
    """Mean absolute luma error (8-bit scale) of a smooth fill on received samples next to the hole, when they
    are left out themselves; and the (h, w) weight of these samples, within half the rim's width of the hole.

    What a spatial fill can do at its best: the hole itself lies deeper. Infinite if nothing is left to fill from.
    """
    width = 17  # the hole grown by 8 samples
    grown = cv2.dilate(site.window_hole.view(np.uint8), np.ones((width, width), np.uint8))
    weight = cv2.copyTo(site.window_trust, grown)
    rest = to_grid(cv2.subtract(site.window_trust, weight), site.step)
    if not weight.any() or not rest.any():
        return float("inf"), weight
    coarse = Spreader(rest).fill(to_grid(site.window_luma, site.step))
    rows, cols = site.window_luma.shape
    size = (rest.shape[1] * site.step, rest.shape[0] * site.step)
    guess = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[:rows, :cols]
    return weighted_misfit(guess, site, weight), weight


def weighted_misfit(guess: Array, site: Site, weight: Array) -> float:
    """Mean absolute luma difference (8-bit scale) of `guess` to the received samples."""
    error = cv2.multiply(cv2.absdiff(guess, site.window_luma), weight)
    return float(error.sum() / max(float(weight.sum()), 1e-3))
