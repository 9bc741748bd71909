"""Samples and values of an H.264 slice's macroblocks in the order in which they are coded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from concealer.flow import Array
from concealer.picture import Plane
from concealer.standins.h264 import Span


def macroblocks(planes: Sequence[Plane], span: Span, top_row: int = 0) -> list[npt.NDArray[np.int16]]:
    """Samples of the macroblocks of a slice: (n, 16, 16) luma, (n, 8, 8) Cb and Cr of 4:2:0.

    planes: of the frame, or of the slice's field; they begin with its luma row `top_row`.
    """
    top, bottom = (row - top_row // 16 for row in span.rows)
    parts = []
    for index, plane in enumerate(planes):
        side = 8 if index else 16
        rows = plane[top * side : bottom * side, : span.width * side]
        if span.pairs and span.field_coded:
            blocks = rows.reshape(-1, side, 2, span.width, side).transpose(0, 2, 3, 1, 4)
            blocks = blocks.reshape(bottom - top, span.width, side, side)
        else:
            blocks = rows.reshape(bottom - top, side, span.width, side).transpose(0, 2, 1, 3)
        parts.append(in_coding_order(blocks, span).astype(np.int16))
    return parts


def in_coding_order(values: Array, span: Span) -> Array:
    """(n, ...) of the slice's macroblocks, from (rows, width, ...) of those of the rows it touches.

    Rows of field pairs: that of the top field, then that of the bottom field.
    """
    top = span.rows[0]
    if not span.pairs:
        start = top * span.width
        return values.reshape(-1, *values.shape[2:])[span.first - start : span.end - start]
    pairs = values.reshape(-1, 2, span.width, *values.shape[2:]).swapaxes(1, 2)
    start = top // 2 * span.width
    inside = pairs.reshape(-1, 2, *values.shape[2:])[span.first // 2 - start : span.end // 2 - start]
    return inside.reshape(-1, *values.shape[2:])
