"""How the macroblocks of a stand-in are best predicted from the references, judged on reduced pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from concealer.flow import Array, dense_flow, sample
from concealer.picture import Plane

_BLOCK = 16
_MARGIN = 16
"""Luma rows above and below the range that flow is computed on."""
_COARSE_WIDTH = 640
"""Wider pictures are searched at half resolution."""
_STRIDE = 8
"""Patches without overlap: slices of ours grow by 2 % over half of it, in 45 % of the time."""
_STILL = 4.0
"""Mean absolute difference up to which a block may be one at rest."""
_MEAN_BONUS = 0.3
"""Mean absolute difference by which the mean of two references must beat one: a second vector costs bits."""


@dataclass(frozen=True)
class Prediction:
    """Of macroblocks in rows."""

    modes: Array
    """(rows, cols): 0 and 1 for the reference, 2 for the mean of both."""
    vectors: Array
    """(2, rows, cols, 2) int16: (x, y) in quarter samples, to each reference."""
    errors: Array
    """(rows, cols): mean absolute difference."""

    @staticmethod
    def of_two_fields(top: Prediction, bottom: Prediction) -> Prediction:
        """That of both fields of a frame, a row of the one and a row of the other in turns."""

        def woven(axis: int, *of: Array) -> Array:
            both = np.stack(of, axis=axis + 1)
            return both.reshape(*both.shape[:axis], -1, *both.shape[axis + 2 :])

        errors = woven(0, top.errors, bottom.errors)
        return Prediction(woven(0, top.modes, bottom.modes), woven(1, top.vectors, bottom.vectors), errors)


def best_prediction(target: Plane, references: Sequence[Plane], top: int, bottom: int) -> Prediction:
    """For the macroblocks in rows [top, bottom).

    target, references: luma planes of one size; one or two references, for lists 0 and 1.
    """
    height, width = target.shape
    scale = 2 if width > _COARSE_WIDTH else 1
    # Whole blocks only: the flow's grid must divide evenly into macroblocks.
    first = max(0, top * _BLOCK - _MARGIN)
    rows = slice(first, min(height, bottom * _BLOCK + _MARGIN))
    wanted = _reduced(target, rows, scale)
    shape, offset = (bottom - top, width // _BLOCK), top * _BLOCK - first
    predictions, fields = [], []
    for reference in references:
        seen = _reduced(reference, rows, scale)
        flow = dense_flow(wanted, seen, scale, _STRIDE)
        field = _cells(flow, shape, offset, scale)
        moved = sample(seen, _spread(field, flow.shape, offset, scale), scale)
        still_error, moved_error = (_errors(wanted, image, shape, offset, scale) for image in (seen, moved))
        # No more: later pictures inherit vectors, and are better off with true ones than with short ones. What rests is
        # taken for a place at rest by those that are predicted from both sides (8.4.1.2.2), so that it must be one.
        field[(still_error <= moved_error) & (still_error <= _STILL)] = 0
        fields.append(field)
        predictions.append(sample(seen, _spread(field, flow.shape, offset, scale), scale))
    errors = [_errors(wanted, image, shape, offset, scale) for image in predictions]
    vectors = np.zeros((2, *shape, 2), np.int16)
    for which, field in enumerate(fields):
        vectors[which] = field
    if len(references) == 1:
        return Prediction(np.zeros(shape, np.int64), vectors, errors[0])
    mean = cv2.addWeighted(predictions[0], 0.5, predictions[1], 0.5, 0)
    errors.append(_errors(wanted, mean, shape, offset, scale) + _MEAN_BONUS)
    every = np.stack(errors)
    return Prediction(np.argmin(every, axis=0), vectors, every.min(axis=0))


def _reduced(plane: Plane, rows: slice, scale: int) -> Array:
    """uint8 luma of `rows`, reduced by `scale`."""
    luma: Array = plane[rows]
    if luma.dtype != np.uint8:
        # Depth does not matter here: 10 bits are the most that coded stand-ins are written for.
        luma = (luma >> 2).astype(np.uint8)
    if scale == 1:
        return np.ascontiguousarray(luma)
    return cv2.resize(luma, (luma.shape[1] // scale, luma.shape[0] // scale), interpolation=cv2.INTER_AREA)


def _cells(flow: Array, shape: tuple[int, int], offset: int, scale: int) -> npt.NDArray[np.int16]:
    """Mean flow of each macroblock in quarter samples."""
    side = _BLOCK // scale
    part = flow[offset // scale : offset // scale + shape[0] * side, : shape[1] * side]
    mean = cv2.resize(part, (shape[1], shape[0]), interpolation=cv2.INTER_AREA).reshape(*shape, 2)
    return np.clip(np.rint(mean * 4), -2000, 2000).astype(np.int16)


def _spread(field: npt.NDArray[np.int16], shape: tuple[int, ...], offset: int, scale: int) -> Array:
    """A flow of `shape` that moves every macroblock as a whole; zero around the range."""
    flow = np.zeros(shape, np.float32)
    side = _BLOCK // scale
    blocks = field.astype(np.float32).repeat(side, axis=0).repeat(side, axis=1) / 4
    start = offset // scale
    flow[start : start + blocks.shape[0], : blocks.shape[1]] = blocks[: shape[0] - start, : shape[1]]
    return flow


def _errors(wanted: Array, image: Array, shape: tuple[int, int], offset: int, scale: int) -> Array:
    """Mean absolute difference of each macroblock."""
    side = _BLOCK // scale
    part = cv2.absdiff(wanted, image)[offset // scale : offset // scale + shape[0] * side, : shape[1] * side]
    return cv2.resize(part.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
