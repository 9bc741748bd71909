"""Which blocks each slice of a whole access unit codes: what the channel must know before it damages it."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from concealer.bitstream import AccessUnit, Grid, SliceHeader, h264, hevc

Ranges = list[tuple[int, int]]


def slice_blocks(unit: AccessUnit) -> list[Ranges | None]:
    """For each of `unit.slices` the [first, end) raster ranges of the frame's macroblocks or CTBs it codes.

    A slice ends where the next of its field or colour plane starts. None where that is not known: header not
    readable, slice groups, slices out of order, redundant slices.
    """
    found: list[Ranges | None] = [None] * len(unit.slices)
    lanes: dict[Hashable, list[tuple[int, int, Grid]]] = {}
    for number, piece in enumerate(unit.slices):
        h = piece.header
        if h is None or _is_irregular(h):
            return found
        grid, start, lane = _place(h)
        lanes.setdefault(lane, []).append((number, start, grid))
    for starts in lanes.values():
        if any(later[1] <= earlier[1] for earlier, later in zip(starts, starts[1:], strict=False)):
            return [None] * len(unit.slices)
        ends = [start for _, start, _ in starts[1:]]
        for (number, start, grid), end in zip(starts, [*ends, starts[0][2].size], strict=True):
            blocks = np.zeros((grid.rows, grid.cols), np.bool_)
            grid.mark(blocks, start, end)
            found[number] = _ranges(blocks)
    return found


def _is_irregular(h: SliceHeader) -> bool:
    return isinstance(h, h264.SliceHeader) and (h.pps.num_slice_groups > 1 or h.redundant_pic_cnt > 0)


def _place(h: SliceHeader) -> tuple[Grid, int, Hashable]:
    """The grid the slice counts on, its place in coding order, and what it is scanned together with."""
    if isinstance(h, hevc.SliceHeader):
        grid = Grid(h.sps.height_ctbs, h.sps.width_ctbs, tile_scan=h.pps.tile_scan(h.sps))
        return grid, grid.index(h.address), h.colour_plane
    grid = Grid(h.sps.height_mbs, h.sps.width_mbs, "field" if h.field_pic else "mbaff" if h.mbaff else "progressive")
    return grid, h.first_mb, (h.bottom_field, h.colour_plane)


def _ranges(blocks: np.ndarray) -> Ranges:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], blocks.reshape(-1).view(np.int8), [0]))))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]
