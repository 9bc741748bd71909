"""Landmarks of a face from damaged picture to damaged picture: where one is hidden, the previous picture's is kept.
They are drawn into the structure that networks for faces take.

A Kalman filter for every landmark alone, after the shift that the visible ones have made. The map of the previous
picture is the fallback of Lahiri et al. 2020, section 4.2, for pictures in which landmarks cannot be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from concealer.face_map import LANDMARKS, draw
from concealer.flow import Array
from concealer.repair.crops import Square
from concealer.repair.generative import Port
from concealer.repair.tracks import Tracks

SEEN, HIDDEN = 0.014**2, 0.045**2
"""Mean squared error of found landmarks, shares of the crop's side: outside the hole, and guessed under it."""

MOVED = 0.008**2
"""What it grows by from picture to picture: faces move in themselves."""

LEAST_SEEN = 0.2
"""Share of landmarks that must be visible for their shift to be believed."""


def settle(found: Array, seen: npt.NDArray[np.bool_], points: Array, variance: Array) -> tuple[Array, Array]:
    """Landmarks (K, 2) of a picture, and their variance (K,), from those found in it and those of the picture before.

    found: (K, 2), shares of the crop's side; seen: (K,), whether each lies outside the hole; points, variance: what
    this gave for the previous picture, zeros if there was none.
    """
    error = np.where(seen, SEEN, HIDDEN)
    if not variance.any():
        return found, error
    predicted = points
    if seen.mean() >= LEAST_SEEN:
        # Points that were themselves guessed a picture ago say little of how the face moved.
        known = seen / (variance + error)
        predicted = points + (known[:, None] * (found - points)).sum(0) / known.sum()
    grown = variance + MOVED
    gain = grown / (grown + error)
    return predicted + gain[:, None] * (found - predicted), (1 - gain) * grown


def visible(landmarks: Array, masks: Array) -> npt.NDArray[np.bool_]:
    """Which landmarks (N, K, 2) lie outside the holes of the masks (N, 1, R, R), and inside the picture: (N, K)."""
    side = masks.shape[-1]
    place = np.floor(landmarks * side).astype(np.intp)
    inside = ((place >= 0) & (place < side)).all(2)
    x, y = np.moveaxis(place.clip(0, side - 1), 2, 0)
    seen: npt.NDArray[np.bool_] = inside & (masks[np.arange(len(masks))[:, None], 0, y, x] < 0.5)
    return seen


def follow(found: Array, masks: Array) -> Array:
    """Landmarks (T, K, 2) of the consecutive pictures of one sequence, from those found in each alone.

    masks: (T, 1, R, R), 1 in the hole.
    """
    points, variance = np.zeros(found.shape[1:], np.float32), np.zeros(found.shape[1], np.float32)
    settled = []
    for here, seen in zip(found, visible(found, masks), strict=True):
        points, variance = settle(here, seen, points, variance)
        settled.append(points)
    return np.stack(settled)


def draw_maps(points: Array, size: int) -> npt.NDArray[np.float32]:
    """Structure maps (N, 3, size, size) in [-1, 1] of landmarks (N, LANDMARKS, 2)."""
    maps = np.stack([draw(one, size) for one in points]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(maps, np.float32) / np.float32(127.5) - np.float32(1)


class Finder(Protocol):
    """A network from "damaged" (3, R, R) in [-1, 1], 0 in the hole, and "mask" (1, R, R) to "landmarks" (LANDMARKS, 2),
    shares of the crop's side."""

    @property
    def inputs(self) -> Sequence[Port]: ...

    def run(self, batch: Mapping[str, Array], /) -> Mapping[str, Array]:
        """Outputs (n, ...) of inputs (n, ...), by name."""


class LandmarkStructure:
    """The `Structure` of crops of faces, by what a network finds of their landmarks.

    Where landmarks are hidden, those of the previous picture of the same place are fallen back on.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._side = next(spec.shape[-1] for spec in finder.inputs if spec.name == "mask")
        self._tracks = Tracks({"points": (LANDMARKS, 2), "variance": (LANDMARKS,)})

    def __call__(
        self, pictures: Array, masks: Array, squares: Sequence[Square], order: int, /
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        small_masks = np.stack([_shrunk(mask, self._side) > 0 for mask in masks]).astype(np.float32)
        small = np.stack([_shrunk(picture, self._side) for picture in pictures]) * (1 - small_masks)
        found = self._finder.run({"damaged": small, "mask": small_masks})["landmarks"]
        before = self._tracks.recall(squares, order)
        pairs = zip(found, visible(found, masks), before["points"], before["variance"], strict=True)
        points, variances = (np.stack(part) for part in zip(*(settle(*pair) for pair in pairs), strict=True))
        self._tracks.remember(squares, order, {"points": points, "variance": variances})
        return draw_maps(points, pictures.shape[-1]), np.ones(len(pictures), bool)

    def forget(self) -> None:
        """Another scene begins."""
        self._tracks.forget()


def _shrunk(planes: Array, side: int) -> Array:
    """(c, R, R) to (c, side, side)."""
    return np.stack([cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA) for plane in planes])
