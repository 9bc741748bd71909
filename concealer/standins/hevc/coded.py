"""HEVC P and B slices with motion and residual written in place of lost ones (7.3.8.5, 7.3.8.8 to 7.3.8.11)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np

from concealer.bitstream import NalUnit, hevc
from concealer.standins.arrays import Array
from concealer.standins.cabac import Symbol
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.inter import Motion, Units, inter_standin
from concealer.standins.hevc.residual import block_symbols, hide_signs
from concealer.standins.hevc.substreams import coding_order
from concealer.standins.hevc.transform import ROUNDING, added_samples, plane_qp, quantised, step, transformed

_SPLIT_TRANSFORM, _CBF_LUMA, _CBF_CHROMA, _COEFFICIENTS = 24, 27, 29, 31
_ROOT_CBF = 18
_SLIGHTLY = 0.001
"""More than rounding errors come to."""

Levels = tuple[Array, Array]
"""Numbers (m,) of the blocks that have any level that is not 0, and levels (m, n, n)."""


def coded_header(sibling: hevc.SliceHeader, qp: int) -> hevc.SliceHeader:
    """Header like `sibling` with QP `qp`, not deblocked where the stream allows it.

    Raises UnsupportedStandInError where coded stand-ins aren't written.
    """
    sps, pps = sibling.sps, sibling.pps
    if sps.chroma_array_type > 1:
        raise UnsupportedStandInError("coded stand-ins in 4:2:2 or 4:4:4")
    if max(sps.bit_depth_luma, sps.bit_depth_chroma) > 10:
        raise UnsupportedStandInError("coded stand-ins of more than 10 bits")
    if sps.scaling_list_enabled:
        raise UnsupportedStandInError("coded stand-ins with scaling lists")
    if any(sps.range_extension) or pps.cross_component_prediction:
        raise UnsupportedStandInError("coded stand-ins with range extensions")
    if sps.log2_min_cb > 4 or sps.log2_max_tb < 4 or sps.log2_min_tb > 3:
        raise UnsupportedStandInError("coded stand-ins in streams without 16x16 coding and transform blocks")
    if pps.log2_max_transform_skip > 2:
        raise UnsupportedStandInError("coded stand-ins with large transform skip blocks")
    header = copy.copy(sibling)
    header.slice_qp_delta = qp - pps.init_qp
    header.cu_chroma_qp_offset_enabled = False
    if pps.deblocking_override_enabled:
        header.deblocking_override = header.deblocking_disabled = True
    return header


class CodedResidual:
    """What is to be added to the prediction of the 16x16 CUs of a range of CTBs, transformed once for all QPs."""

    def __init__(self, header: hevc.SliceHeader, first: int, end: int, planes: Sequence[Array]) -> None:
        """The CTBs at places `first`..`end` - 1 in coding order; planes (luma; Cb and Cr of 4:2:0) of the CTB rows that
        they lie in, at least as wide as the picture. Blocks that the picture's border cuts to less than 16x16 get
        none.
        """
        sps = header.sps
        top, bottom = coding_order(sps, header.pps).rows(first, end)
        self.top = top << sps.log2_ctb
        """First luma row."""
        self._cols = sps.width >> 4
        self._rows = min(bottom << sps.log2_ctb, sps.height) - self.top >> 4
        self._coefficients = []
        for index, plane in enumerate(planes):
            side = 8 if index else 16
            part = plane[: self._rows * side, : self._cols * side].reshape(self._rows, side, self._cols, side)
            self._coefficients.append(transformed(part.transpose(0, 2, 1, 3).reshape(-1, side, side)))

    def excess(self, header: hevc.SliceHeader, most: int) -> int:
        """By how much the header's QP is too low for about `most` levels that are not 0; 0: it is not."""
        sizes = [np.abs(part).reshape(-1) / step(plane_qp(header, i)) for i, part in enumerate(self._coefficients)]
        counted = np.concatenate([size[size >= 1 - ROUNDING] for size in sizes])
        if counted.size <= most:
            return 0
        last = counted.size - most - 1
        return max(0, math.ceil(6 * math.log2(float(np.partition(counted, last)[last]) / (1 - ROUNDING))))

    def levels(self, header: hevc.SliceHeader) -> list[Levels]:
        """Of each plane, at the header's QP."""
        found = []
        for index, part in enumerate(self._coefficients):
            qp = plane_qp(header, index)
            filled = np.flatnonzero(np.abs(part).max(axis=(1, 2)) >= np.float32((1 - ROUNDING - _SLIGHTLY) * step(qp)))
            coded, exact = quantised(part[filled], qp)
            some = coded.any(axis=(1, 2))
            filled, coded, exact = filled[some], coded[some], exact[some]
            if header.pps.sign_data_hiding and filled.size:
                hide_signs(coded, exact)
            found.append((filled, coded))
        return found

    def add(self, levels: Sequence[Levels], header: hevc.SliceHeader, planes: Sequence[Array]) -> None:
        """Add what decoders do for these levels to predicted planes of the same rows as those of the residual."""
        sps = header.sps
        for index, (plane, (filled, coded)) in enumerate(zip(planes, levels, strict=True)):
            side, depth = (8, sps.bit_depth_chroma) if index else (16, sps.bit_depth_luma)
            part = plane[: self._rows * side, : self._cols * side].reshape(self._rows, side, self._cols, side)
            row, col = filled // self._cols, filled % self._cols
            shown = part[row, :, col] + added_samples(coded, plane_qp(header, index), depth)
            part[row, :, col] = np.clip(shown, 0, (1 << depth) - 1)
            plane[: self._rows * side, : self._cols * side] = part.reshape(self._rows * side, -1)

    def units(self, levels: Sequence[Levels], header: hevc.SliceHeader) -> Units:
        """Symbols of the levels of all CUs that have any."""
        found: list[dict[int, list[Symbol]]] = []
        for index, (filled, coded) in enumerate(levels):
            found.append({})
            if filled.size:
                contexts, values, starts = block_symbols(coded, index > 0, header.pps.sign_data_hiding)
                contexts = np.where(contexts < 0, contexts, contexts + _COEFFICIENTS)
                pairs = list(zip(contexts.tolist(), values.tolist(), strict=True))
                bounds = starts.tolist()
                for number, place in enumerate(filled.tolist()):
                    found[-1][place] = pairs[bounds[number] : bounds[number + 1]]
        return _units(header, found, self._cols, self.top)


def coded_standin(
    header: hevc.SliceHeader,
    first: int,
    end: int,
    motion: Motion,
    residual: CodedResidual,
    levels: Sequence[Levels],
    references: tuple[int | None, int | None],
) -> NalUnit:
    """A slice of the CTBs at places `first`..`end` - 1 in coding order.

    `header`: from `coded_header`; `motion`, `references`: as for `inter_standin`; `residual`: of this range; `levels`:
    its levels at the header's QP.
    """
    units = residual.units(levels, header)
    return inter_standin(header, first, end, motion, references=references, units=units)


def _units(header: hevc.SliceHeader, found: Sequence[dict[int, list[Symbol]]], cols: int, top: int) -> Units:
    """By place of the CUs, `cols` a row from luma row `top` on; found: symbols of each plane's block by number."""
    sps = header.sps
    split: tuple[Symbol, ...] = ((_SPLIT_TRANSFORM + 1, 0),) if sps.max_transform_hierarchy_depth[0] > 0 else ()
    units: dict[tuple[int, int], tuple[Sequence[Symbol], Sequence[Symbol]]] = {}
    for place in sorted(set().union(*found)):
        parts = [of_block.get(place, []) for of_block in found]
        flags: list[Symbol] = [(_ROOT_CBF, 1), *split]
        flags += [(_CBF_CHROMA, int(bool(part))) for part in parts[1:]]
        if any(parts[1:]):
            # Without chroma cbf_luma is taken to be 1.
            flags.append((_CBF_LUMA + 1, int(bool(parts[0]))))
        units[2 * (place % cols), 2 * (place // cols) + (top >> 3)] = flags, [s for part in parts for s in part]
    return units
