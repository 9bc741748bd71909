"""HEVC forward transform and quantisation of many blocks at once (8.6), as far as coded stand-ins need it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from . import hevc

Samples = npt.NDArray[Any]
_CHROMA_QP = (29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37, 37)
"""QPC of qPi 30..43 in 4:2:0 (Table 8-10)."""
_MOST_LEVEL = 32000


@lru_cache(maxsize=4)
def _cosines(size: int) -> npt.NDArray[np.float32]:
    """Orthonormal DCT, which the standard's whole-number matrix is close to (8-285)."""
    k, n = np.arange(size)[:, None], np.arange(size)
    matrix = np.cos(np.pi * (2 * n + 1) * k / (2 * size)) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def plane_qp(header: hevc.SliceHeader, plane: int) -> int:
    """QP' (8.6.1) of luma (0), Cb (1) or Cr (2) at the slice's QP."""
    qp = header.pps.init_qp + header.slice_qp_delta
    if not plane:
        return qp + 6 * (header.sps.bit_depth_luma - 8)
    extra = 6 * (header.sps.bit_depth_chroma - 8)
    qp += header.pps.chroma_qp_offset[plane - 1] + header.chroma_qp_offset[plane - 1]
    if header.sps.chroma_array_type != 1:
        return min(qp, 51) + extra
    return (qp if qp < 30 else _CHROMA_QP[qp - 30] if qp < 44 else qp - 6) + extra


def quantised(
    residual: Samples, qp: int, rounding: float = 0.33
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """(levels, levels before rounding) of (m, n, n) residual samples; flat scaling. `qp`: of `plane_qp`."""
    cosines = _cosines(residual.shape[1])
    exact = cosines @ residual.astype(np.float32) @ cosines.T / np.float32(2 ** ((qp - 4) / 6))
    sizes = np.minimum(np.abs(exact) + np.float32(rounding), _MOST_LEVEL).astype(np.int64)
    return np.where(exact < 0, -sizes, sizes), exact
