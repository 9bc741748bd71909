"""One region of the damaged picture and of its references, brought to a common form to compute in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from concealer.damage import BLOCK, RATHER_WRONG, Damage, DamageMap
from concealer.flow import Array, dense_flow, grid
from concealer.picture import Picture
from concealer.repair.parallel import both
from concealer.repair.regions import Region, to_grid
from concealer.repair.spread import Spreader

RIM = 16
"""Luma samples around a hole on which candidates are judged."""

TAINTED_WEIGHT = 0.25
"""Trust in received samples that were predicted from damage."""

UNMEASURED_ERROR, SPATIAL_ERROR = 300.0, 1500.0
"""Mean squared error (8-bit scale) expected of a repair that nothing tells of, and of a spatial fill."""

FLOW_SAMPLES = 31_250
"""Most samples flow is searched on: about 3 ms a search."""


@dataclass
class Layer:
    """One picture within a region; samples are float32 on an 8-bit scale (0..255) whatever the bit depth."""

    luma: Array
    """(h, w) float32."""
    chroma: Array | None
    """(h', w', 2) float32 Cb and Cr, None for monochrome."""
    gray: Array
    """(h / scale, w / scale) uint8, luma on the flow grid."""
    order: int


class Site:
    """Geometry, masks and samples of one region."""

    def __init__(self, picture: Picture, damage: DamageMap, region: Region, coarse: bool) -> None:
        self.region = region
        self.picture = picture
        self.shift = picture.chroma_shift()
        self.gain = float(2.0 ** (8 - picture.bit_depth))
        self.scale = _flow_scale(region.area * (4 if coarse else 1))
        self.step = self.scale
        rows = slice(region.top // BLOCK, -(-region.bottom // BLOCK))
        cols = slice(region.left // BLOCK, -(-region.right // BLOCK))
        self.rows, self.cols = rows, cols
        """The region within the damage map."""
        self.state = damage.state[rows, cols]
        blocks = self.state >= Damage.BROKEN
        self.belief = None if damage.belief is None else damage.belief[rows, cols]
        self.held_error = None if damage.held_error is None else damage.held_error[rows, cols]
        # What is rather right than wrong is painted by as much as it is doubted, and looked at by as much as it is not.
        missing = blocks if self.belief is None else blocks & (self.belief >= RATHER_WRONG)
        trust = np.where(missing, 0.0, np.where(self.state == Damage.TAINTED, TAINTED_WEIGHT, 1.0))
        if self.belief is not None:
            trust = np.where(blocks & ~missing, np.square(1.0 - self.belief / RATHER_WRONG), trust)
        height, width = region.bottom - region.top, region.right - region.left
        self.size = (height, width)
        self.hole = _blocks_to_samples(missing, height, width)
        trust_full = _blocks_to_samples(trust.astype(np.float32), height, width)
        filled_rows, filled_cols = np.flatnonzero(blocks.any(1)), np.flatnonzero(blocks.any(0))
        unit = max(self.step, RIM)
        self.window = Region(
            max(0, int(filled_rows[0]) * BLOCK - unit),
            min(height, (int(filled_rows[-1]) + 1) * BLOCK + unit),
            max(0, int(filled_cols[0]) * BLOCK - unit),
            min(width, (int(filled_cols[-1]) + 1) * BLOCK + unit),
        )
        self._grays: dict[int, tuple[Picture, Array]] = {}
        """By the picture's id, with the picture, so that no other gets that id."""
        self._flows: dict[tuple[int, int], Array] = {}
        self.now = self.layer(picture)
        inside = self.window.slices()
        self.window_hole = np.ascontiguousarray(self.hole[inside])
        self.window_trust = np.ascontiguousarray(trust_full[inside])
        self.window_luma = np.ascontiguousarray(self.now.luma[inside])
        self.rim_weight = to_grid(self.window_trust, self.step)
        self.rim_rows = _runs(np.asarray(self.rim_weight.any(axis=1)), self.step)
        """Rows of the window that show anything received, as (rows of the error grid, rows of samples)."""
        # Flow next to a hole saw what was put into it; 4 samples is half a search patch.
        reach = 2 * -(-4 // self.scale) + 1
        self.flow_hole = to_grid(self.hole, self.scale) > 0
        guarded = cv2.erode((~self.flow_hole).astype(np.uint8), np.ones((reach, reach), np.uint8))
        flow_trust = to_grid(trust_full, self.scale) * guarded
        self.flow_trusted = bool(flow_trust.any())
        self._flow_spreader = Spreader(flow_trust)
        self.rim_spreader = Spreader(self.rim_weight)
        self._places: dict[tuple[int, int], Array] = {}
        self.error = np.where(blocks, np.float32(UNMEASURED_ERROR), np.float32(0.0))
        """(block rows, block cols) of the region: mean squared error expected of the hole as it was written."""

    def layer(self, picture: Picture) -> Layer:
        """The region cut out of `picture` (same size as the damaged one)."""
        luma = _samples(picture.planes[0][self.region.slices()], self.gain)
        chroma = None
        if len(picture.planes) == 3:
            part = self.region.slices(*self.shift)
            chroma = cv2.merge([_samples(p[part], self.gain) for p in picture.planes[1:]])
        gray = cv2.convertScaleAbs(to_grid(luma, self.scale))
        self._grays[id(picture)] = picture, gray
        return Layer(luma, chroma, gray, picture.order)

    def gray(self, picture: Picture) -> Array:
        """The region's luma on the flow grid, uint8."""
        if id(picture) not in self._grays:
            luma = _samples(picture.planes[0][self.region.slices()], self.gain)
            self._grays[id(picture)] = picture, cv2.convertScaleAbs(to_grid(luma, self.scale))
        return self._grays[id(picture)][1]

    def flow(self, first: Layer, second: Layer) -> Array:
        """Dense flow of the region from one reference to another; searched for once."""
        if (first.order, second.order) not in self._flows:
            self._flows[first.order, second.order] = dense_flow(first.gray, second.gray, self.scale)
        return self._flows[first.order, second.order]

    def known_flow(self, first: Picture, second: Picture) -> Array | None:
        """The same where it was searched for already."""
        return self._flows.get((first.order, second.order))

    @property
    def flow_window(self) -> tuple[slice, slice]:
        """The window on the flow grid."""
        return _cells(self.window, self.scale)

    def spread_flow(self, flow: Array) -> Array:
        """(h, w, 2 or 4) flows of the region, their trusted places spread into the others."""
        return self._flow_spreader.fill(flow)

    def places(self, shift: tuple[int, int]) -> Array:
        """(h, w, 2) float32 x, y of the window's samples within the region, in a plane of that subsampling."""
        if shift not in self._places:
            rows, cols = self.window.slices(*shift)
            self._places[shift] = np.ascontiguousarray(grid(rows.stop, cols.stop)[rows, cols])
        return self._places[shift]

    @property
    def chroma_window(self) -> tuple[slice, slice]:
        """The window within the region's chroma samples."""
        return self.window.slices(*self.shift)

    def write(self, luma: Array, chroma: Array | None, error: Array | float = SPATIAL_ERROR) -> None:
        """Put window-sized predictions (8-bit scale) into the hole samples of the picture, and nowhere else.

        error: mean squared error expected of them, one for all or on the error grid. Where it is not sure that the
        picture is wrong, both are mixed as errs least.
        """
        share = self._share_of_repair(luma, error)
        self._expect(error, share)
        if chroma is None:
            self._write_plane(0, luma, (0, 0), share)
            return

        def write_chroma() -> None:
            self._write_plane(1, chroma[..., 0], self.shift, share)
            self._write_plane(2, chroma[..., 1], self.shift, share)

        both(lambda: self._write_plane(0, luma, (0, 0), share), write_chroma)

    def _expect(self, error: Array | float, share: Array | None) -> None:
        """Note what is expected of the hole: where it is mixed with what it held, by the mix that errs least."""
        blocks = self._window_blocks()
        held = self.state[blocks] >= Damage.BROKEN
        if not isinstance(error, float):
            error = cv2.resize(error, held.shape[::-1], interpolation=cv2.INTER_AREA)
        each = error if share is None else error * share
        self.error[blocks] = np.where(held, each, np.float32(0.0))

    def _window_blocks(self) -> tuple[slice, slice]:
        return _cells(self.window, BLOCK)

    def _share_of_repair(self, luma: Array, error: Array | float) -> Array | None:
        """(block rows, block cols) 0..1 of the window; None: repair alone."""
        if self.belief is None and self.held_error is None:
            return None
        blocks = self._window_blocks()
        belief = np.ones(self.state[blocks].shape, np.float32) if self.belief is None else self.belief[blocks]
        gap = to_grid(np.square(cv2.subtract(luma, self.window_luma)), BLOCK)
        if not isinstance(error, float):
            error = cv2.resize(error, belief.shape[::-1], interpolation=cv2.INTER_AREA)
        share = share_of_repair(belief, gap, error)
        if self.held_error is not None:
            held = self.held_error[blocks]
            known = np.isfinite(held)
            held = np.where(known, held, np.float32(0.0))
            share = np.where(known, held / (held + error + np.float32(1e-6)), share).astype(np.float32)
        return share

    def _write_plane(self, index: int, values: Array, shift: tuple[int, int], share: Array | None) -> None:
        target = self.picture.planes[index][self.region.slices(*shift)][self.window.slices(*shift)]
        blocks = self.state[self._window_blocks()] >= Damage.BROKEN
        hole = blocks.repeat(BLOCK >> shift[1], 0).repeat(BLOCK >> shift[0], 1)
        hole = hole[: target.shape[0], : target.shape[1]]
        peak = float((1 << self.picture.bit_depth) - 1)
        samples = values if self.gain == 1.0 else values * np.float32(1.0 / self.gain)
        if share is not None:
            size = (share.shape[1] * BLOCK >> shift[0], share.shape[0] * BLOCK >> shift[1])
            each = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
            # What surely is wrong may be anything, and must not shine through near what is doubted.
            each = np.maximum(each, cv2.resize(np.floor(share), size, interpolation=cv2.INTER_NEAREST))
            samples = target + each[: target.shape[0], : target.shape[1]] * (samples - target)
        if target.dtype == np.uint8:
            # Rounds and clips as below, in one pass. Its type stub does not know of scalars.
            add: Any = cv2.add
            whole = add(samples, 0.0, dtype=cv2.CV_8U)
        else:
            whole = np.clip(np.rint(samples), 0.0, peak).astype(target.dtype)
        np.copyto(target, whole, where=hole)


def share_of_repair(belief: Array, gap: Array, error: Array | float) -> Array:
    """The share 0..1 of a repair that errs by `error` (mean squared, 8-bit scale) in samples that are wrong with a
    probability of `belief`: as errs least on the mean.

    gap: mean squared difference of the two. Where they are alike there is little to gain by repair.
    """
    wrong = belief * (gap + np.float32(1.0))
    share: Array = np.where(belief < 1.0, wrong / (wrong + (1.0 - belief) * error + np.float32(1e-6)), 1.0)
    return share.astype(np.float32)


def _flow_scale(area: int) -> int:
    scale = 2
    while area > FLOW_SAMPLES * scale * scale:
        scale *= 2
    return min(scale, BLOCK)


def _samples(plane: Array, gain: float) -> Array:
    values = plane.astype(np.float32)
    if gain != 1.0:
        values *= np.float32(gain)
    return values


def _runs(some: Array, step: int) -> list[tuple[slice, slice]]:
    """Runs of true values: as they are, and of `step` samples each."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], some, [False]]).astype(np.int8)))
    return [(slice(first, end), slice(first * step, end * step)) for first, end in edges.reshape(-1, 2).tolist()]


def _blocks_to_samples(blocks: Array, height: int, width: int) -> Array:
    return blocks.repeat(BLOCK, 0)[:height].repeat(BLOCK, 1)[:, :width]


def _cells(region: Region, step: int) -> tuple[slice, slice]:
    return (
        slice(region.top // step, -(-region.bottom // step)),
        slice(region.left // step, -(-region.right // step)),
    )
