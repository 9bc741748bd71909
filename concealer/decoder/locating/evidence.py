"""What the samples of a picture say about where its damage began, block by block.

A decoder that lost its place writes blocks that look wrong in ways that can be counted: steps on the grid of the
transforms, texture and colour that no picture before had there, nothing that could have moved from it. Each figure is
one number for a block of 16x16 luma samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from concealer.damage import BLOCK
from concealer.picture import Picture, Plane

Figures = npt.NDArray[np.float32]
"""(figures, rows, cols)."""
_Map = npt.NDArray[np.float32]

OWN, WITH_PAST = 5, 21
"""Numbers of figures of a picture alone, and with the two before it."""
_REACH, _STEP = 10, 2
"""Motion searched and its step, in samples of the reduced pictures."""
_REDUCED_WIDTHS = ((800, 2), (1600, 4))
_LEAST_REDUCTION, _MOST_REDUCTION = 2, 8
_DARK, _BRIGHT = 3, 252


def own_figures(picture: Picture) -> Figures:
    """(OWN, rows, cols) of `picture` alone."""
    luma = _eight_bit(picture.planes[0], picture.bit_depth)
    step, inside = _gradients(luma)
    texture = _texture(luma)
    return np.stack([_ratio(step, inside), _log(inside), _log(texture), _clipped(luma), _log(step)])


def figures_with_past(picture: Picture, past: Sequence[Picture]) -> Figures:
    """(WITH_PAST, rows, cols) of `picture`; past: pictures of its size shown before it, one at least."""
    past = nearest(picture, past)
    now, last, older = (_eight_bit(p.planes[0], p.bit_depth) for p in (picture, past[0], past[-1]))
    reduction = _reduction(picture.width)
    small, small_last, small_older = (_reduced(luma, reduction) for luma in (now, last, older))
    cell = BLOCK // reduction
    moved, still = _match(small, small_last, cell)
    moved_before, still_before = _match(small_last, small_older, cell)
    step, inside = _gradients(now)
    step_last, inside_last = _gradients(last)
    texture, texture_last = _texture(now), _texture(last)
    changes, shifts = _chroma(picture, past[0], moved.shape)
    logs = [_log(one) for one in (moved, still, moved_before, still_before)]
    colour = [_log(one) for one in (*changes, *shifts)]
    return np.stack(
        [
            *logs,
            logs[0] - logs[2],
            logs[1] - logs[3],
            _ratio(step, inside),
            _log(inside),
            _ratio(step_last, inside_last),
            _log(inside_last),
            _log(texture),
            _log(texture) - _log(texture_last),
            *colour,
            _clipped(now) - _clipped(last),
            np.minimum(logs[1], colour[0] + colour[1]),
            logs[0] - np.median(logs[0]),
            logs[1] - np.median(logs[1]),
            np.full(moved.shape, _pace(picture, past), np.float32),
        ]
    )


def nearest(picture: Picture, past: Sequence[Picture]) -> tuple[Picture, Picture]:
    """The last picture before `picture`, and the one that lies as far before that as can be had."""
    last = max(past, key=lambda one: one.order)
    distance = picture.order - last.order
    earlier = [one for one in past if one.order < last.order]
    return last, min(earlier, key=lambda one: abs(last.order - one.order - distance), default=last)


def _pace(picture: Picture, past: tuple[Picture, Picture]) -> float:
    """Logarithm of how much farther the last picture is than the one before that from it; 0 if that is not known."""
    before = past[0].order - past[1].order
    return float(np.log((picture.order - past[0].order) / before)) if before else 0.0


def _eight_bit(plane: Plane, bit_depth: int) -> npt.NDArray[np.uint8]:
    """Whole blocks of a plane, its edges repeated."""
    samples = plane if bit_depth == 8 else (plane >> (bit_depth - 8)).astype(np.uint8)
    below, right = -samples.shape[0] % BLOCK, -samples.shape[1] % BLOCK
    return np.asarray(cv2.copyMakeBorder(samples, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def _reduction(width: int) -> int:
    return next((scale for limit, scale in _REDUCED_WIDTHS if width <= limit), _MOST_REDUCTION)


def _reduced(luma: npt.NDArray[np.uint8], scale: int) -> _Map:
    size = (luma.shape[1] // scale, luma.shape[0] // scale)
    return np.asarray(cv2.resize(luma.astype(np.float32), size, interpolation=cv2.INTER_AREA))


def _means(values: npt.NDArray[np.float32], cell: int = BLOCK) -> _Map:
    """Mean over cells of `cell` x `cell` samples; the size is a multiple of it."""
    size = (values.shape[1] // cell, values.shape[0] // cell)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _match(now: _Map, then: _Map, cell: int) -> tuple[_Map, _Map]:
    """Mean absolute difference of each cell to the best match in `then`, and to the same place."""
    around = cv2.copyMakeBorder(then, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
    rows, cols = now.shape
    best: _Map | None = None
    still = _means(np.asarray(cv2.absdiff(now, then)), cell)
    for top in range(0, 2 * _REACH + 1, _STEP):
        for left in range(0, 2 * _REACH + 1, _STEP):
            there = around[top : top + rows, left : left + cols]
            error = _means(np.asarray(cv2.absdiff(now, there)), cell)
            best = error if best is None else np.minimum(best, error)
    assert best is not None
    return best, still


def _gradients(luma: npt.NDArray[np.uint8]) -> tuple[_Map, _Map]:
    """Mean step over the borders of 8x8 blocks, and mean difference of neighbours inside them."""
    wide = cv2.absdiff(luma, np.concatenate([luma[:, 1:], luma[:, -1:]], axis=1)).astype(np.float32)
    high = cv2.absdiff(luma, np.concatenate([luma[1:], luma[-1:]], axis=0)).astype(np.float32)
    rows, cols = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    step = wide[:, 7::8].reshape(rows, BLOCK, cols, 2).mean((1, 3))
    step += high[7::8].reshape(rows, 2, cols, BLOCK).mean((1, 3))
    inside = ((_means(wide) + _means(high)) * 8 - step) / 7
    return step, inside


def _texture(luma: npt.NDArray[np.uint8]) -> _Map:
    values = luma.astype(np.float32)
    return _means(np.asarray(cv2.absdiff(values, cv2.blur(values, (9, 9)))))


def _clipped(luma: npt.NDArray[np.uint8]) -> _Map:
    """Share of samples at the ends of the range."""
    return _means(((luma <= _DARK) | (luma >= _BRIGHT)).astype(np.float32))


def _chroma(now: Picture, then: Picture, shape: tuple[int, ...]) -> tuple[tuple[_Map, _Map], tuple[_Map, _Map]]:
    """Mean absolute difference of Cb and Cr to the picture before, and the difference of their means."""
    changes, shifts = [], []
    for own, other in zip(now.planes[1:], then.planes[1:], strict=True):
        gain = np.float32(2.0 ** (8 - now.bit_depth))
        difference = (own.astype(np.float32) - other) * gain
        size = (shape[1], shape[0])
        changes.append(np.asarray(cv2.resize(np.abs(difference), size, interpolation=cv2.INTER_AREA)))
        shifts.append(np.abs(np.asarray(cv2.resize(difference, size, interpolation=cv2.INTER_AREA))))
    if not changes:
        nothing = np.zeros(shape, np.float32)
        return (nothing, nothing), (nothing, nothing)
    return (changes[0], changes[1]), (shifts[0], shifts[1])


def _log(values: _Map) -> _Map:
    return np.log(np.maximum(values, 0) + np.float32(1.0))


def _ratio(step: _Map, inside: _Map) -> _Map:
    return np.log((step + np.float32(1.0)) / (np.maximum(inside, 0) + np.float32(1.0)))
