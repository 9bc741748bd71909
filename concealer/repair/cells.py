"""Maps of a hole on cells of 8x8 luma samples, or of 16x16 in large pictures: what a network sees of them.

Maps come in stacks, and a stack is worked on as one tall image: nearly all of the cost is the number of calls.
"""

from __future__ import annotations

import cv2
import numpy as np

from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair.regions import reduced
from concealer.repair.site import Site

CELL, LARGE = 8, 500_000
"""Luma samples of a cell's side, and those of a picture from which on cells are twice as wide: what they show is as
large as in the pictures that were trained on."""


def cell_size(picture: Picture) -> int:
    """Luma samples of a cell's side."""
    return CELL if picture.width * picture.height < LARGE else 2 * CELL


def cells_of(site: Site) -> tuple[int, int]:
    """Rows and columns of the window in cells."""
    rows, cols = site.window_hole.shape
    cell = cell_size(site.picture)
    return -(-rows // cell), -(-cols // cell)


def on_cells(maps: Array, step: int, site: Site) -> Array:
    """(n, h, w) maps of the window, one value for `step` x `step` samples, to their means (n, rows, cols) on cells."""
    rows, cols = cells_of(site)
    cell = cell_size(site.picture)
    if step > cell:
        near = maps.repeat(step // cell, 1).repeat(step // cell, 2)
        return np.ascontiguousarray(near[:, :rows, :cols], np.float32)
    each_way = cell // step
    count, height, width = maps.shape
    more = -height % each_way, -width % each_way
    if any(more):
        maps = np.pad(maps, ((0, 0), (0, more[0]), (0, more[1])), "edge")
    if each_way > 1:
        down, across = maps.shape[1] // each_way, maps.shape[2] // each_way
        tall = np.ascontiguousarray(maps, np.float32).reshape(count * maps.shape[1], maps.shape[2])
        maps = reduced(tall, each_way).reshape(count, down, across)
    return np.asarray(maps[:, :rows, :cols], np.float32)


def blurred(maps: Array) -> Array:
    """(n, h, w): each map's mean over 3x3, its border mirrored as `cv2.blur` does."""
    count, height, width = maps.shape
    tall = np.empty((count, height + 2, width), np.float32)
    tall[:, 1:-1] = maps
    tall[:, 0], tall[:, -1] = maps[:, min(1, height - 1)], maps[:, max(height - 2, 0)]
    return cv2.blur(tall.reshape(-1, width), (3, 3)).reshape(tall.shape)[:, 1:-1]
