"""Square crops of a damaged picture as networks take them, and their way back into it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from concealer.flow import Array
from concealer.repair.site import Site

STEP = 0.75
"""Distance of neighbouring squares in their sides: a quarter overlaps, where they are faded into each other."""

BEYOND = 8
"""Luma samples that squares reach beyond the hole on each side: they fade out there, not within it."""

CONTEXT = 2.0
"""Least side of a square in heights of the hole: as much received above and below as is missing."""

_RGB = np.array([[1.164384, 0.0, 1.596027], [1.164384, -0.391762, -0.812968], [1.164384, 2.017232, 0.0]], np.float32)
"""Limited-range Y - 16, Cb - 128, Cr - 128 to R, G, B (Rec. ITU-R BT.601). What the stream really uses does not matter
much: the way back is the exact inverse, and networks see slightly other hues."""
_YCC = np.linalg.inv(_RGB).astype(np.float32)
_ZERO = np.array([16.0, 128.0, 128.0], np.float32)


@dataclass(frozen=True, slots=True)
class Square:
    """[top, top + side) x [left, left + side) in luma samples of the picture; may reach beyond it."""

    top: int
    left: int
    side: int

    def overlap(self, other: Square) -> float:
        """Intersection over union."""
        high = min(self.top + self.side, other.top + other.side) - max(self.top, other.top)
        wide = min(self.left + self.side, other.left + other.side) - max(self.left, other.left)
        common = max(0, high) * max(0, wide)
        return common / (self.side**2 + other.side**2 - common)


def tile(site: Site, resolution: int) -> list[Square]:
    """Squares that together cover the hole of the region, each with received surroundings if there are any.

    resolution: side of the network's pictures; squares are no smaller, so that nothing is enlarged.
    """
    rows = np.flatnonzero(site.hole.any(1))
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    found = []
    for run in runs:
        top, bottom = int(run[0]), int(run[-1]) + 1
        side = max(resolution, int(CONTEXT * (bottom - top)))
        columns = np.flatnonzero(site.hole[top:bottom].any(0))
        for first in _starts(int(columns[0]) - BEYOND, int(columns[-1]) + 1 + BEYOND, side):
            if site.hole[top:bottom, max(0, first) : first + side].any():
                middle = (top + bottom) // 2
                found.append(Square(site.region.top + middle - side // 2, site.region.left + first, side))
    return found


def _starts(begin: int, end: int, side: int) -> list[int]:
    """Left edges of squares over [begin, end), evenly apart."""
    length = end - begin
    if length <= side:
        return [begin + (length - side) // 2]
    count = 1 + int(np.ceil((length - side) / (side * STEP)))
    return [int(round(begin + index * (length - side) / (count - 1))) for index in range(count)]


def inside(site: Site, square: Square) -> Array:
    """Which samples of the region's window the square covers, (h, w) bool."""
    top = square.top - site.region.top - site.window.top
    left = square.left - site.region.left - site.window.left
    covered = np.zeros(site.window_hole.shape, bool)
    covered[max(0, top) : max(0, top + square.side), max(0, left) : max(0, left + square.side)] = True
    return covered


def cut(site: Site, squares: list[Square], missing: Array, resolution: int) -> tuple[Array, Array]:
    """Pictures (n, 3, R, R) float32 RGB in [-1, 1], 0 where missing, and masks (n, 1, R, R), 1 where missing.

    missing: (h, w) bool of the region's window; what lies beyond the region counts as missing too.
    """
    height, width = site.size
    lacks = np.zeros((height, width), np.float32)
    lacks[site.window.slices()] = missing
    chroma: Array
    if site.now.chroma is None:
        chroma = np.full((height, width, 2), 128.0, np.float32)
    else:
        chroma = cv2.resize(site.now.chroma, (width, height), interpolation=cv2.INTER_LINEAR)
    planes = np.dstack([site.now.luma, chroma])
    pictures = np.empty((len(squares), 3, resolution, resolution), np.float32)
    masks = np.empty((len(squares), 1, resolution, resolution), np.float32)
    for index, square in enumerate(squares):
        mask = _take(lacks, site, square, resolution, 1.0) > 0
        coded = _take(planes, site, square, resolution, None) - _ZERO
        rgb = cv2.transform(coded, _RGB) * np.float32(2 / 255) - np.float32(1)
        pictures[index] = np.where(mask, np.float32(0), np.clip(rgb.transpose(2, 0, 1), -1.0, 1.0))
        masks[index, 0] = mask
    return pictures, masks


def _take(plane: Array, site: Site, square: Square, resolution: int, beyond: float | None) -> Array:
    """The square of a (h, w, ...) plane of the region at the network's resolution; beyond it `beyond`, or the border
    repeated."""
    height, width = plane.shape[:2]
    top, left = square.top - site.region.top, square.left - site.region.left
    bottom, right = top + square.side, left + square.side
    part = plane[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    out = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    if any(out):
        kind = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
        part = cv2.copyMakeBorder(part, *out, kind, value=0.0 if beyond is None else beyond)
    method = cv2.INTER_AREA if square.side > resolution else cv2.INTER_LINEAR
    scaled: Array = cv2.resize(np.ascontiguousarray(part), (resolution, resolution), interpolation=method)
    return scaled


def paste(site: Site, squares: list[Square], pictures: Array) -> tuple[Array, Array | None, Array]:
    """The networks' pictures, (n, 3, R, R) RGB in [-1, 1], over the window: luma (h, w), chroma (h', w', 2) and the
    (h, w) weight, 0 where no square lies. 8-bit scale. Overlapping squares are faded into each other."""
    rows, cols = site.window_hole.shape
    total = np.zeros((rows, cols, 3), np.float32)
    weight = np.zeros((rows, cols), np.float32)
    for square, picture in zip(squares, pictures, strict=True):
        rgb = (np.ascontiguousarray(picture.transpose(1, 2, 0)) + np.float32(1)) * np.float32(255 / 2)
        method = cv2.INTER_AREA if square.side < rgb.shape[0] else cv2.INTER_LINEAR
        coded = cv2.resize(cv2.transform(rgb, _YCC) + _ZERO, (square.side, square.side), interpolation=method)
        top = square.top - site.region.top - site.window.top
        left = square.left - site.region.left - site.window.left
        here = slice(max(0, top), min(rows, top + square.side)), slice(max(0, left), min(cols, left + square.side))
        there = slice(here[0].start - top, here[0].stop - top), slice(here[1].start - left, here[1].stop - left)
        fade = np.minimum(np.arange(square.side), np.arange(square.side)[::-1]) + np.float32(1)
        share = np.minimum(fade[there[0], None], fade[None, there[1]])
        total[here] += coded[there] * share[..., None]
        weight[here] += share
    total /= np.maximum(weight, 1e-6)[..., None]
    chroma = None
    if site.now.chroma is not None:
        part = site.now.chroma[site.chroma_window].shape
        chroma = cv2.resize(total[..., 1:], (part[1], part[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(total[..., 0]), chroma, weight
