"""HEVC P and B slices with motion and residual written in place of lost ones (7.3.8.5, 7.3.8.8 to 7.3.8.11)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from concealer.bitstream import NalUnit, hevc
from concealer.standins.arrays import Array
from concealer.standins.cabac import Symbol
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.inter import Motion, Units, inter_standin
from concealer.standins.hevc.residual import block_symbols, hide_signs
from concealer.standins.hevc.substreams import coding_order
from concealer.standins.hevc.transform import plane_qp, quantised

_SPLIT_TRANSFORM, _CBF_LUMA, _CBF_CHROMA, _COEFFICIENTS = 24, 27, 29, 31
_ROOT_CBF = 18


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


def coded_standin(
    header: hevc.SliceHeader,
    first: int,
    end: int,
    motion: Motion,
    residual: Sequence[Array],
    references: tuple[int | None, int | None],
) -> NalUnit:
    """A slice of the CTBs at places `first`..`end` - 1 in coding order.

    `header`: from `coded_header`; `motion`, `references`: as for `inter_standin`; `residual`: what is to be added
    to the prediction, planes (luma; Cb and Cr of 4:2:0) of the CTB rows that the range touches, at least as wide as
    the picture. Blocks that the picture's border cuts to less than 16x16 get none.
    """
    sps = header.sps
    top, bottom = coding_order(sps, header.pps).rows(first, end)
    units = _units(header, residual, top << sps.log2_ctb, min(bottom << sps.log2_ctb, sps.height))
    return inter_standin(header, first, end, motion, references=references, units=units)


def _units(header: hevc.SliceHeader, planes: Sequence[Array], top: int, bottom: int) -> Units:
    """Symbols of the residual of all 16x16 CUs in luma rows [top, bottom)."""
    sps, hides = header.sps, header.pps.sign_data_hiding
    cols, rows = sps.width >> 4, bottom - top >> 4
    if not cols or not rows:
        return {}
    found: list[list[list[Symbol]]] = []
    for index, plane in enumerate(planes):
        side = 8 if index else 16
        cells = plane[: rows * side, : cols * side].reshape(rows, side, cols, side).transpose(0, 2, 1, 3)
        levels, exact = quantised(cells.reshape(-1, side, side), plane_qp(header, index))
        if hides:
            hide_signs(levels, exact)
        filled = np.flatnonzero(levels.any(axis=(1, 2)))
        of_block: list[list[Symbol]] = [[]] * (rows * cols)
        if filled.size:
            contexts, values, starts = block_symbols(levels[filled], index > 0, hides)
            contexts = np.where(contexts < 0, contexts, contexts + _COEFFICIENTS)
            pairs = list(zip(contexts.tolist(), values.tolist(), strict=True))
            bounds = starts.tolist()
            for number, place in enumerate(filled.tolist()):
                of_block[place] = pairs[bounds[number] : bounds[number + 1]]
        found.append(of_block)
    split: tuple[Symbol, ...] = ((_SPLIT_TRANSFORM + 1, 0),) if sps.max_transform_hierarchy_depth[0] > 0 else ()
    units: dict[tuple[int, int], tuple[Sequence[Symbol], Sequence[Symbol]]] = {}
    for place in range(rows * cols):
        parts = [of_block[place] for of_block in found]
        if not any(parts):
            continue
        flags: list[Symbol] = [(_ROOT_CBF, 1), *split]
        flags += [(_CBF_CHROMA, int(bool(part))) for part in parts[1:]]
        if any(parts[1:]):
            # Without chroma cbf_luma is taken to be 1.
            flags.append((_CBF_LUMA + 1, int(bool(parts[0]))))
        units[2 * (place % cols), 2 * (place // cols) + (top >> 3)] = flags, [s for part in parts for s in part]
    return units
