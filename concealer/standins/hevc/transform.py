"""HEVC forward transform and quantisation of many blocks at once (8.6), as far as coded stand-ins need it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from concealer.bitstream import hevc
from concealer.standins.arrays import Array

_CHROMA_QP = (29, 30, 31, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37, 37)
"""QPC of qPi 30..43 in 4:2:0 (Table 8-10)."""
_MOST_LEVEL = 32000
ROUNDING = 0.33
"""A level is rounded up from 1 - `ROUNDING` of a step on."""


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


def transformed(residual: Array) -> npt.NDArray[np.float32]:
    """Coefficients of (m, n, n) residual samples."""
    cosines = _cosines(residual.shape[1])
    return np.asarray(cosines @ residual.astype(np.float32) @ cosines.T)


def quantised(
    coefficients: npt.NDArray[np.float32], qp: int, rounding: float = ROUNDING
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """(levels, levels before rounding) of `transformed` samples; flat scaling. `qp`: of `plane_qp`."""
    exact = coefficients / step(qp)
    sizes = np.minimum(np.abs(exact) + np.float32(rounding), _MOST_LEVEL).astype(np.int64)
    return np.where(exact < 0, -sizes, sizes), exact


def step(qp: int) -> np.float32:
    """Coefficient of a level of 1."""
    return np.float32(2 ** ((qp - 4) / 6))


def flat_level(residual: Array, qp: int) -> int:
    """The DC level of (n, n) residual samples."""
    size = abs(float(residual.sum())) / len(residual) / float(step(qp))
    return min(int(size + ROUNDING), _MOST_LEVEL) * (-1 if residual.sum() < 0 else 1)


def flat_sample(level: int, size: int, qp: int, depth: int) -> int:
    """What a decoder adds to every sample of a block of `size` that holds a DC level alone (8.6.2)."""
    shift = depth + size.bit_length() - 1 - 5
    scaled = (level * (16 * _SCALES[qp % 6] << qp // 6) + (1 << shift - 1)) >> shift
    column = (64 * max(-32768, min(32767, scaled)) + 64) >> 7
    return (64 * column + (1 << 19 - depth)) >> 20 - depth


_ODD_16 = (90, 87, 80, 70, 57, 43, 25, 9)
_ODD_8 = (89, 75, 50, 18)
_EVEN_4 = ((64, 64), (83, 36), (64, -64), (36, -83))
_SCALES = (40, 45, 51, 57, 64, 72)
"""levelScale (8.6.4.2)."""


@lru_cache(maxsize=4)
def _matrix(size: int) -> npt.NDArray[np.int64]:
    """transMatrix (8.6.4.2) of 4, 8 or 16 rows: row k is the k-th basis function."""
    half = size // 2
    if size == 4:
        left = np.array(_EVEN_4)
    else:
        odd = np.array(_ODD_16 if size == 16 else _ODD_8)
        left = np.empty((size, half), np.int64)
        left[::2] = _matrix(half)
        for k in range(1, size, 2):
            # cos of (2n + 1) k pi / 2N: an odd multiple, found among those of k = 1 by symmetry.
            phase = (2 * np.arange(half) + 1) * k % (4 * size)
            folded = np.minimum(phase, 4 * size - phase)
            sign = np.where(folded > size, -1, 1)
            folded = np.where(folded > size, 2 * size - folded, folded)
            left[k] = sign * odd[folded // 2]
    mirrored = left[:, ::-1] * np.where(np.arange(size) % 2, -1, 1)[:, None]
    return np.concatenate([left, mirrored], axis=1).astype(np.int64)


def added_samples(levels: Array, qp: int, depth: int) -> npt.NDArray[np.int64]:
    """What a decoder adds to the prediction (8.6.2) for levels (m, n, n); flat scaling, `qp` of `plane_qp`."""
    size = levels.shape[1]
    shift = depth + size.bit_length() - 1 - 5
    scaled = (levels.astype(np.int64) * (16 * _SCALES[qp % 6] << qp // 6) + (1 << shift - 1)) >> shift
    # In float64, where products of matrices are fast; all of them are whole numbers below 2 ** 53.
    matrix = _matrix(size).astype(np.float64)
    columns = (matrix.T @ np.clip(scaled, -32768, 32767)).astype(np.int64) + 64 >> 7
    rows = (np.clip(columns, -32768, 32767) @ matrix).astype(np.int64)
    return (rows + (1 << 19 - depth)) >> 20 - depth
