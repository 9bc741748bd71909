"""Motion of a repaired hole in one vector a block, as an encoder would have chosen it.

For the decoder, which lets later pictures inherit vectors: there it counts that a vector is exactly the one that was
sent, and encoders take over a neighbour's vector, or none, wherever that costs little.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from concealer.damage import BLOCK
from concealer.flow import Array, dense_flow, grid, read_at
from concealer.picture import Picture
from concealer.repair.motion_field import COARSE_WIDTH, LONGEST, reduced
from concealer.repair.parallel import both, each
from concealer.repair.regions import Region, regions

TOLERANCE = 0.7
"""Mean absolute luma difference (8-bit scale) that a vector seen elsewhere may fit worse than the measured one."""

MOST_TRIED = 6
"""Received vectors that are tried, the most frequent ones around the hole."""

LARGE = 100_000
"""Samples from which on the search runs in two halves, one on each core: nearly half of a 720p picture, as reduced."""

OVERLAP = 48
"""Rows, as reduced, by which each half reaches into the other: motion across their border is followed so far."""

Vectors = npt.NDArray[np.int16]
"""(rows, cols, 2): x, y in quarter luma samples, one for each block of 16x16."""


def measured_motion(
    picture: Picture,
    hole: npt.NDArray[np.bool_],
    reference: Picture,
    received: Vectors,
    known: npt.NDArray[np.bool_],
    coarse: bool = False,
) -> Vectors | None:
    """Motion of the repaired blocks `hole` ((rows, cols) bool) of `picture` to `reference`, zero outside the hole.

    received: the picture's vectors to the same reference where `known` ((rows, cols) bool) says so. None if the
    pictures differ in size. About 8 ms for an eighth of a 720p picture; coarse: a quarter of that, at half the
    resolution.
    """
    if reference.planes[0].shape != picture.planes[0].shape:
        return None
    out = np.zeros((*hole.shape, 2), np.int16)
    scale = (2 if picture.width > COARSE_WIDTH else 1) << coarse
    for region in regions(hole, picture.width, picture.height):
        cells = _blocks(region)
        around = received[cells][known[cells]]
        now, then = reduced(picture, region.slices(), scale), reduced(reference, region.slices(), scale)
        vectors = _measure(now, then, scale, around)
        out[cells][hole[cells]] = vectors[hole[cells]]
    return out


def _blocks(region: Region) -> tuple[slice, slice]:
    return (
        slice(region.top // BLOCK, -(-region.bottom // BLOCK)),
        slice(region.left // BLOCK, -(-region.right // BLOCK)),
    )


def _measure(now: Array, then: Array, scale: int, around: Vectors) -> Vectors:
    """One vector for each block of `now` to `then`, (h, w) uint8 reduced by `scale`; around: (n, 2) seen near by."""
    side = BLOCK // scale
    rows, cols = -(-now.shape[0] // side), -(-now.shape[1] // side)
    flow = _padded(search(now, then, scale), rows * side, cols * side)
    # The median: encoders choose one vector a block, not the mean of its parts.
    parts = flow.reshape(rows, side, cols, side, 2).swapaxes(1, 2).reshape(rows, cols, side * side, 2)
    vectors = np.clip(np.rint(np.median(parts, axis=2) * 4), -LONGEST, LONGEST).astype(np.int16)
    places = grid(*now.shape)

    def misfit(shift: Array) -> Array:
        error = cv2.absdiff(now, read_at(then, places + shift))
        return cv2.resize(_padded(error, rows * side, cols * side).astype(np.float32), (cols, rows),
                          interpolation=cv2.INTER_AREA)  # fmt: skip

    candidates = _frequent(around)
    shifts = [_spread(vectors, side, now.shape, scale)]
    shifts += [candidate.astype(np.float32) / np.float32(4 * scale) for candidate in candidates]
    measured, *errors = each(misfit, shifts)
    best = measured + np.float32(TOLERANCE)
    for candidate, error in zip(candidates, errors, strict=True):
        better = error < best
        vectors[better] = candidate
        best = np.minimum(best, error)
    return vectors


def search(now: Array, then: Array, scale: int) -> Array:
    """Flow as by `dense_flow`; of large reduced pictures in two halves at once, which differ near their border."""
    if scale == 1 or now.size < LARGE or now.shape[0] < 4 * OVERLAP:
        return dense_flow(now, then, scale)
    middle = now.shape[0] // 2
    above, below = slice(0, middle + OVERLAP), slice(middle - OVERLAP, None)
    upper, lower = both(
        lambda: dense_flow(now[above], then[above], scale), lambda: dense_flow(now[below], then[below], scale)
    )
    return np.concatenate([upper[:middle], lower[OVERLAP:]])


def _frequent(around: Vectors) -> list[Vectors]:
    """Zero and the most frequent vectors of `around` (n, 2)."""
    still = np.zeros(2, np.int16)
    if not len(around):
        return [still]
    distinct, counts = np.unique(around, axis=0, return_counts=True)
    frequent = distinct[np.argsort(-counts, kind="stable")[:MOST_TRIED]]
    return [still, *(vector for vector in frequent if vector.any())]


def _spread(vectors: Vectors, side: int, shape: tuple[int, ...], scale: int) -> Array:
    """The blocks' vectors at every sample of the reduced picture, in its samples."""
    every = vectors.astype(np.float32).repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]
    return every / np.float32(4 * scale)


def _padded(values: Array, rows: int, cols: int) -> Array:
    below, right = rows - values.shape[0], cols - values.shape[1]
    return cv2.copyMakeBorder(values, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else values
