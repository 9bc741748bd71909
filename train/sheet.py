"""Contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from train.measures import to_bytes

_LEAST = 96
"""Smaller pictures are enlarged by a whole number, so that one sees something."""


def write_sheet(path: Path, rows: Sequence[Tensor]) -> None:
    """One row of pictures (N, 3, S, S) in [-1, 1] per tensor, as PNG. Raises OSError if it cannot be written."""
    lines = [np.concatenate(list(to_bytes(row.detach().float())), 1) for row in rows]
    width = max(line.shape[1] for line in lines)
    sheet = np.concatenate([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])
    side = rows[0].shape[-1]
    if side < _LEAST:
        times = -(-_LEAST // side)
        sheet = sheet.repeat(times, 0).repeat(times, 1)
    if not cv2.imwrite(str(path), np.ascontiguousarray(sheet[:, :, ::-1])):
        raise OSError(f"cannot write {path}")
