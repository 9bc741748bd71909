"""Motion of a picture not decoded yet, from the pictures around it: for slices written in place of lost ones."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from concealer.flow import Array, dense_flow, extrapolate, interpolate, stop_still_places
from concealer.picture import Picture

_MARGIN = 64
"""Luma rows above and below the wanted ones that flow is computed on: motion reaches over the border."""
COARSE_WIDTH = 640
"""Wider pictures are searched at half resolution."""
_CELL = 8
LONGEST = 2**13
"""Quarter samples; HEVC allows 2**15, no real motion between neighbours comes near."""


def predicted_motion(
    order: int, toward: int, references: Sequence[Picture], top: int, bottom: int
) -> npt.NDArray[np.int16] | None:
    """Motion from the picture at output order `order` to the reference at order `toward`.

    Between a past and a future reference it is interpolated, otherwise the motion between the two nearest references on
    one side goes on. Returns (height // 8, width // 8, 2) int16 vectors (x, y) in quarter luma samples, zero outside
    the luma rows [top, bottom); None if the reference, or a second picture to see motion by, is not among `references`.

    Motion is taken over only where, one step earlier, it did go on; elsewhere the vectors are zero. About 6 ms for an
    eighth of a 720p picture.
    """
    goal = next((r for r in references if r.order == toward), None)
    if goal is None or order == toward:
        return None
    alike = [r for r in references if r.planes[0].shape == goal.planes[0].shape and r.order not in (order, toward)]
    across = [r for r in alike if (r.order > order) != (toward > order)]
    behind = [r for r in alike if (r.order > order) == (toward > order) and abs(r.order - order) > abs(toward - order)]
    if not across and not behind:
        return None
    other = min(across or behind, key=lambda r: abs(r.order - toward))
    rows = slice(max(0, top - _MARGIN), min(goal.height, bottom + _MARGIN))
    scale = 2 if goal.width > COARSE_WIDTH else 1
    at_goal, at_other = (_luma(picture, rows, scale) for picture in (goal, other))
    seen = dense_flow(at_goal, at_other, scale)
    further = [r for r in behind if abs(r.order - order) > abs(other.order - order)]
    if further and not across:
        # Held against what came next once before: did the motion between the two pictures before go on?
        last = min(further, key=lambda r: abs(r.order - other.order))
        before = dense_flow(at_other, _luma(last, rows, scale), scale)
        foretold = extrapolate(before, (toward - other.order) / (other.order - last.order), scale)
    else:
        foretold = seen
    stop_still_places(seen, foretold, at_goal, at_other, scale)
    if across:
        flow, _ = interpolate(seen, (order - toward) / (other.order - toward), scale)
    else:
        flow = extrapolate(seen, (order - toward) / (toward - other.order), scale)
    return _quarter_cells(flow, rows.start, goal, top, bottom)


def _luma(picture: Picture, rows: slice, scale: int) -> Array:
    """uint8 luma of `rows`, reduced by `scale`."""
    return reduced(picture, (rows, slice(None)), scale)


def reduced(picture: Picture, part: tuple[slice, slice], scale: int) -> Array:
    """uint8 luma of a part, reduced by `scale`."""
    luma: Array = picture.planes[0][part]
    if picture.bit_depth > 8:
        luma = (luma >> (picture.bit_depth - 8)).astype(np.uint8)
    if scale == 1:
        return np.ascontiguousarray(luma)
    return cv2.resize(luma, (luma.shape[1] // scale, luma.shape[0] // scale), interpolation=cv2.INTER_AREA)


def _quarter_cells(flow: Array, start: int, picture: Picture, top: int, bottom: int) -> npt.NDArray[np.int16]:
    field = np.zeros((picture.height // _CELL, picture.width // _CELL, 2), np.int16)
    first, last = top // _CELL, min(-(-bottom // _CELL), field.shape[0])
    if last <= first:
        return field
    # Flow lies on a grid that begins at luma row `start` and spans its own height times the scale.
    per_cell = flow.shape[1] * _CELL / picture.width
    low, high = ((row * _CELL - start) * per_cell / _CELL for row in (first, last))
    part = flow[int(low) : max(int(np.ceil(high)), int(low) + 1)]
    cells = cv2.resize(part, (field.shape[1], last - first), interpolation=cv2.INTER_AREA)
    field[first:last] = np.clip(np.rint(cells * 4), -LONGEST, LONGEST)
    return field
