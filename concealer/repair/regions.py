"""Where the holes of a picture lie: rectangles to work in, so that nothing is computed far from a hole."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from concealer.damage import BLOCK
from concealer.flow import Array

MARGIN = 3
"""Blocks of received surroundings taken along on each side of a hole: 48 samples, enough to follow motion in."""

MAX_REGIONS = 4
"""A picture with more separate holes than this is treated as one region: each has a fixed cost of some ms."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of luma samples [top, bottom) x [left, right) on the block grid, clipped to the picture."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def slices(self, shift_x: int = 0, shift_y: int = 0) -> tuple[slice, slice]:
        """Row and column slices in a plane with the given subsampling (rounded outward at the far end)."""
        return (
            slice(self.top >> shift_y, -(-self.bottom >> shift_y)),
            slice(self.left >> shift_x, -(-self.right >> shift_x)),
        )


def regions(hole: npt.NDArray[np.bool_], width: int, height: int) -> list[Region]:
    """Rectangles around all holes, with their surroundings, that share no hole.

    hole: (rows, cols) bool, blocks of `BLOCK` luma samples; width, height: luma size. Holes whose surroundings
    overlap share a rectangle. Returns an empty list if there is no hole.
    """
    if not hole.any():
        return []
    near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    boxes: list[tuple[int, int, int, int]] = [
        (int(y), int(y + h), int(x), int(x + w)) for x, y, w, h, _ in stats[1:count]
    ]
    whole = _union(boxes)
    boxes = [whole] if len(boxes) > MAX_REGIONS else _merge_overlapping(boxes)
    if sum(_area(b) for b in boxes) > 0.8 * _area(whole):
        boxes = [whole]
    return [
        Region(top * BLOCK, min(bottom * BLOCK, height), left * BLOCK, min(right * BLOCK, width))
        for top, bottom, left, right in boxes
    ]


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])


def _union(boxes: list[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    return (
        min(b[0] for b in boxes),
        max(b[1] for b in boxes),
        min(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )


def _merge_overlapping(boxes: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Merge boxes until none overlap; there are at most `MAX_REGIONS` of them."""
    merged: list[tuple[int, int, int, int]] = []
    for box in boxes:
        current = box
        while True:
            hit = [m for m in merged if _overlap(m, current)]
            if not hit:
                break
            merged = [m for m in merged if m not in hit]
            current = _union([current, *hit])
        merged.append(current)
    return merged


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def to_grid(mask: Array, step: int) -> npt.NDArray[np.float32]:
    """Mean of a (h, w) map over cells of `step` x `step` samples, (ceil(h / step), ceil(w / step)) float32."""
    values: Array = np.ascontiguousarray(mask, np.float32)
    if step == 1:
        return values
    rows, cols = values.shape
    whole_y, whole_x = rows - rows % step, cols - cols % step
    if (whole_y, whole_x) == (rows, cols):
        return reduced(values, step)
    out = np.empty((-(-rows // step), -(-cols // step)), np.float32)
    # Only what lies in cells that are cut off is copied.
    for top, bottom in ((0, whole_y), (whole_y, rows)):
        for left, right in ((0, whole_x), (whole_x, cols)):
            part = values[top:bottom, left:right]
            if part.size:
                pad_y, pad_x = -part.shape[0] % step, -part.shape[1] % step
                if pad_y or pad_x:
                    part = cv2.copyMakeBorder(part, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE)
                made = reduced(part, step)
                out[top // step :, left // step :][: made.shape[0], : made.shape[1]] = made
    return out


def reduced(values: Array, step: int) -> npt.NDArray[np.float32]:
    """The same of a float32 map whose sides are whole numbers of cells."""
    while step > 1:
        # Halves: OpenCV is quickest by far at these.
        part = 2 if step % 2 == 0 else step
        size = values.shape[1] // part, values.shape[0] // part
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
        step //= part
    return values
