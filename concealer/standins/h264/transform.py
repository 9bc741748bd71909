"""H.264 4x4 transform and quantisation of whole ranges of macroblocks at once (8.5, 4:2:0 and monochrome).

Arrays of macroblocks have the macroblock as first axis; luma blocks lie in coding order (Figure 6-10), coefficients
in scan order (Figure 8-8): zig-zag, or field scan in macroblocks that hold rows of one field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from concealer.bitstream import h264
from concealer.standins.arrays import Array

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

ZIGZAG = np.array([0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15])
"""Raster place in a 4x4 block of each coefficient."""
FIELD_SCAN = np.array([0, 4, 1, 8, 12, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15])
"""The same of field macroblocks."""
_BLOCK_X = np.array([0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3])
_BLOCK_Y = np.array([0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3])
_ORDER = _BLOCK_Y * 4 + _BLOCK_X
"""Raster place in a macroblock of each luma block."""
_INVERSE_ORDER = np.argsort(_ORDER)
_SCALES = ((10, 16, 13), (11, 18, 14), (13, 20, 16), (14, 23, 18), (16, 25, 20), (18, 29, 23))
"""normAdjust4x4 by QP % 6 (8-315): both coordinates even, both odd, else."""
_GAIN = 64 * np.outer([0.25, 0.2, 0.25, 0.2], [0.25, 0.2, 0.25, 0.2]).astype(np.float32)
"""From forward coefficients to the scaled ones that the inverse transform takes (8.5.12.2)."""
HADAMARD = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]])
_CHROMA_QP = (29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39)
"""QPC of qPI 30..51 (Table 8-15)."""
_DEFAULT_LISTS = (
    (6, 13, 13, 20, 20, 20, 28, 28, 28, 28, 32, 32, 32, 37, 37, 42),
    (10, 14, 14, 20, 20, 20, 24, 24, 24, 24, 27, 27, 27, 30, 30, 34),
)
"""Default_4x4_Intra, Default_4x4_Inter (Table 7-3), zig-zag."""
_FLAT = (16,) * 16
_MOST_LEVEL = 2000
"""What fits into a CAVLC code of every profile (9.2.2.1)."""


@dataclass
class Residual:
    """Transform coefficient levels of n macroblocks."""

    luma: Ints
    """(n, 16, 16); for Intra_16x16 the first coefficient of each block is 0."""
    chroma_dc: Ints
    """(n, 2, 4); n = 0 planes if monochrome: (n, 0, 4)."""
    chroma_ac: Ints
    """(n, 2, 4, 15)."""
    luma_dc: Ints | None = None
    """(n, 16), in scan order over the blocks; Intra_16x16 only."""

    @property
    def pattern(self) -> npt.NDArray[np.int64]:
        """(n,) coded_block_pattern (7-35): luma bits by 8x8 block, chroma << 4."""
        quarters = self.luma.reshape(len(self.luma), 4, 64).any(2) @ np.array([1, 2, 4, 8])
        count = len(self.luma)
        dc, ac = self.chroma_dc.reshape(count, -1).any(1), self.chroma_ac.reshape(count, -1).any(1)
        return np.asarray(quarters + 16 * np.where(ac, 2, dc), np.int64)


def weights(sps: h264.Sps, pps: h264.Pps) -> tuple[tuple[int, ...], ...]:
    """Scaling lists 0..5 in zig-zag order (7.4.2.1.1.1): Intra Y, Cb, Cr, Inter Y, Cb, Cr."""
    own: Sequence[tuple[int, ...] | None] = (None,) * 6
    sequence = _resolve(sps.scaling_lists, _DEFAULT_LISTS[0], _DEFAULT_LISTS[1]) if sps.scaling_lists else (_FLAT,) * 6
    if pps.scaling_lists is None:
        return sequence
    own = pps.scaling_lists
    first = (sequence[0], sequence[3]) if sps.scaling_lists else _DEFAULT_LISTS
    return _resolve(own, first[0], first[1])


def coarseness(sps: h264.Sps, pps: h264.Pps, intra: bool) -> int:
    """By how much QP must be lower than with flat scaling lists for luma to be as fine."""
    luma = np.array(weights(sps, pps)[0 if intra else 3], np.float64)
    return round(6 * math.log2(math.sqrt(float(np.mean(luma**2))) / 16))


def _resolve(
    lists: Sequence[tuple[int, ...] | None], intra: tuple[int, ...], inter: tuple[int, ...]
) -> tuple[tuple[int, ...], ...]:
    """Lists 0..5 with defaults (an empty list) and fall-back rules (None) put in (Table 7-2)."""
    found: list[tuple[int, ...]] = []
    for index in range(6):
        given = lists[index] if index < len(lists) else None
        if given is None:
            found.append((inter if index == 3 else intra) if index % 3 == 0 else found[-1])
        elif not given:
            found.append(_DEFAULT_LISTS[index // 3])
        else:
            found.append((*given, *given[-1:] * (16 - len(given))))
    return tuple(found)


def chroma_qp(pps: h264.Pps, qp: int, which: int, depth: int = 8) -> int:
    """QP'C (8.5.8) of Cb (0) or Cr (1) for QPY `qp`."""
    offset = 6 * (depth - 8)
    index = min(51, max(-offset, qp + pps.chroma_qp_index_offset[which]))
    return (index if index < 30 else _CHROMA_QP[index - 30]) + offset


class Quantiser:
    """Forward transform and quantisation for one QP, and the reconstruction a decoder makes of it."""

    def __init__(
        self, sps: h264.Sps, pps: h264.Pps, qp: int, intra: bool, rounding: float = 0.28, *, field_coded: bool = False
    ) -> None:
        """`qp`: QPY; `rounding`: a level is rounded up from 1 - `rounding` of a step on; `field_coded`: see `Span`."""
        self._scan = FIELD_SCAN if field_coded else ZIGZAG
        lists = weights(sps, pps)[0 if intra else 3 :]
        self._rounding = np.float32(rounding)
        self.qps = [qp + 6 * (sps.bit_depth_luma - 8)]
        if sps.chroma_array_type:
            self.qps += [chroma_qp(pps, qp, which, sps.bit_depth_chroma) for which in (0, 1)]
        self._scales = [_level_scale(plane_qp, lists[i]) for i, plane_qp in enumerate(self.qps)]

    def inter(self, planes: Sequence[Floats]) -> Residual:
        """Levels of the `transformed` residual: of luma (n, 16, 16) and, unless monochrome, Cb and Cr (n, 8, 8)."""
        blocks = planes[0]
        luma = np.ascontiguousarray(self._levels(blocks[:, _ORDER], 0).reshape(len(blocks), 16, 16)[:, :, self._scan])
        _drop_lone(luma.reshape(-1, 4, 64))
        return Residual(luma, *self._chroma(planes[1:]))

    def excess(self, planes: Sequence[Floats], most: int) -> int:
        """By how much QP is too low for about `most` levels that are not 0; 0: it is not. planes: as for `inter`."""
        sizes = [np.abs(blocks * self.factor(which)) for which, blocks in enumerate(planes)]
        least = 1 - self._rounding
        counted = np.concatenate([size[size >= least] for size in sizes])
        if counted.size <= most:
            return 0
        last = counted.size - most - 1
        return max(0, math.ceil(6 * math.log2(float(np.partition(counted, last)[last]) / least)))

    def _chroma(self, planes: Sequence[Floats]) -> tuple[Ints, Ints]:
        """(DC, AC) levels of Cb and Cr; empty without planes."""
        if not planes:
            return np.zeros((0, 0, 4), np.int32), np.zeros((0, 0, 4, 15), np.int32)
        dcs, acs = [], []
        for which, blocks in enumerate(planes, 1):
            corner = blocks[:, :, 0, 0]
            a, b, c, d = (corner[:, i] for i in range(4))
            sums = np.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], axis=1)
            # (8-330): the inverse scales by half a step, and its 2x2 transform is its own but for a factor of 4.
            dcs.append(self.rounded(sums * (2 / self.step(which)[0, 0])))
            levels = self._levels(blocks, which).reshape(len(blocks), 4, 16)[:, :, self._scan]
            rest = np.ascontiguousarray(levels[:, :, 1:])
            _drop_lone(rest.reshape(len(blocks), 1, 60))
            acs.append(rest)
        return np.stack(dcs, axis=1), np.stack(acs, axis=1)

    def intra(self, luma: Array, chroma: Sequence[Array]) -> Residual:
        """Levels of Intra_16x16 macroblocks."""
        blocks = transformed(luma)
        corner = blocks[:, :, 0, 0].reshape(-1, 4, 4)
        sums = HADAMARD @ corner @ HADAMARD
        # (8-322): the inverse scales by a quarter of a step, and its transform is its own but for a factor of 16.
        dc = self.rounded(sums / self.step(0)[0, 0]).reshape(-1, 16)[:, self._scan]
        levels = self._levels(blocks[:, _ORDER], 0).reshape(len(blocks), 16, 16)[:, :, self._scan]
        levels[:, :, 0] = 0
        return Residual(levels, *self._chroma([transformed(plane) for plane in chroma]), dc)

    def intra_samples(self, residual: Residual) -> list[Ints]:
        """What a decoder adds to the prediction of Intra_16x16 macroblocks (8.5.2, 8.5.4): (n, 16, 16), (n, 8, 8)."""
        assert residual.luma_dc is not None
        qp, scale = self.qps[0], self._scales[0].astype(np.int64)
        levels = np.empty_like(residual.luma)
        levels[:, :, self._scan] = residual.luma
        dc = np.empty_like(residual.luma_dc)
        dc[:, self._scan] = residual.luma_dc
        sums = HADAMARD @ dc.reshape(-1, 4, 4) @ HADAMARD
        blocks = _scaled(levels[:, _INVERSE_ORDER], scale, qp, 4)
        blocks[..., 0, 0] = shifted(sums.reshape(-1, 16) * scale[0, 0], qp // 6 - 6)
        planes = [_inverse(blocks, 4)]
        for which in range(residual.chroma_dc.shape[1]):
            qp, scale = self.qps[1 + which], self._scales[1 + which].astype(np.int64)
            levels = np.zeros((len(residual.luma), 4, 16), np.int32)
            levels[:, :, self._scan[1:]] = residual.chroma_ac[:, which]
            a, b, c, d = (residual.chroma_dc[:, which, i].astype(np.int64) for i in range(4))
            sums = np.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], axis=1)
            blocks = _scaled(levels, scale, qp, 4)
            blocks[..., 0, 0] = (sums * scale[0, 0] << qp // 6) >> 5
            planes.append(_inverse(blocks, 2))
        return planes

    def _levels(self, blocks: Floats, plane: int) -> Ints:
        return self.rounded(blocks * self.factor(plane))

    def factor(self, plane: int) -> Floats:
        """(4, 4): level of a coefficient of 1."""
        return _GAIN / self.step(plane)

    def scale(self, plane: int) -> npt.NDArray[np.int64]:
        """(4, 4): LevelScale4x4."""
        return self._scales[plane].astype(np.int64)

    def step(self, plane: int) -> Floats:
        """(4, 4): scaled coefficient of a level of 1 (8-337)."""
        return self._scales[plane] * np.float32(2.0 ** (self.qps[plane] // 6) / 16)

    def rounded(self, values: npt.NDArray[np.floating[Any]]) -> Ints:
        """Levels of the quotients of coefficient and step."""
        sizes = np.minimum(np.abs(values) + self._rounding, _MOST_LEVEL).astype(np.int32)
        return np.where(values < 0, -sizes, sizes)


def _drop_lone(groups: Ints) -> None:
    """Zero in place, in (n, groups, coefficients), the groups whose whole content is one level of 1: it costs more
    than it shows."""
    groups[np.abs(groups).sum(axis=2) == 1] = 0


def _level_scale(qp: int, weights_zigzag: Sequence[int]) -> Floats:
    """LevelScale4x4 (8-313), (4, 4), without the shift by QP / 6."""
    even_even, odd_odd, other = _SCALES[qp % 6]
    scale = np.full((4, 4), other, np.float32)
    scale[::2, ::2], scale[1::2, 1::2] = even_even, odd_odd
    weight = np.empty(16, np.float32)
    weight[ZIGZAG] = weights_zigzag
    return scale * weight.reshape(4, 4)


def transformed(samples: Array) -> Floats:
    """Forward core transform of all 4x4 blocks of (n, rows, cols) samples: (n, blocks in raster order, 4, 4)."""
    count, rows, cols = samples.shape
    wide = samples.reshape(count, rows // 4, 4, cols).astype(np.int32)
    columns = np.stack(_butterfly(*(wide[:, :, i] for i in range(4))), axis=2).reshape(
        count, rows // 4, 4, cols // 4, 4
    )
    done = np.stack(_butterfly(*(columns[..., i] for i in range(4))), axis=-1)
    return done.transpose(0, 1, 3, 2, 4).reshape(count, -1, 4, 4).astype(np.float32)


def _butterfly(a: Ints, b: Ints, c: Ints, d: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """One dimension of the core transform."""
    outer, inner, outer_difference, inner_difference = a + d, b + c, a - d, b - c
    return (
        outer + inner,
        2 * outer_difference + inner_difference,
        outer - inner,
        outer_difference - 2 * inner_difference,
    )


def _scaled(levels: Ints, scale: npt.NDArray[np.int64], qp: int, shift: int) -> npt.NDArray[np.int64]:
    """(n, blocks, 16) levels in raster order, scaled (8-336, 8-337), as (n, blocks, 4, 4)."""
    return shifted(levels.reshape(*levels.shape[:2], 4, 4) * scale, qp // 6 - shift)


def shifted(values: npt.NDArray[np.int64], by: int) -> npt.NDArray[np.int64]:
    """Left, or right with rounding where `by` is negative."""
    return values << by if by >= 0 else (values + (1 << -by - 1)) >> -by


def _inverse(blocks: npt.NDArray[np.int64], side: int) -> Ints:
    """Inverse transform (8.5.12.2) of (n, side * side, 4, 4) blocks in raster order: samples (n, 4 side, 4 side)."""
    rows = np.stack(_inverse_butterfly(*(blocks[..., i] for i in range(4))), axis=-1)
    done = np.stack(_inverse_butterfly(*(rows[..., i, :] for i in range(4))), axis=-2)
    samples = (done + 32 >> 6).astype(np.int32).reshape(-1, side, side, 4, 4)
    return samples.transpose(0, 1, 3, 2, 4).reshape(-1, 4 * side, 4 * side)


def _inverse_butterfly(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Any, Any, Any]:
    even, odd, low, high = a + c, a - c, (b >> 1) - d, b + (d >> 1)
    return even + high, odd + low, odd - low, even - high
