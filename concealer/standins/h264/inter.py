"""H.264 P and B slices written in place of lost ones: skipped, or 16x16 blocks with given motion (7.3.4)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from concealer.bitstream import NalUnit, escape, h264
from concealer.standins.cabac import Symbol, SymbolCoder
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.h264.contexts import TERMINATE, contexts
from concealer.standins.h264.header import write_slice_header
from concealer.standins.h264.limits import vertical_range
from concealer.standins.h264.motion import Span, Vector, motion_symbols, motion_vlc

Motion = npt.NDArray[np.int16]
"""(lists, rows, cols, 2): vectors (x, y) in quarter luma samples for each macroblock of the picture."""

_SKIP_P, _SKIP_B = 11, 24


def inter_standin(
    sibling: h264.SliceHeader,
    first: int,
    end: int,
    motion: Motion | None = None,
    *,
    references: tuple[int | None, int | None] = (0, 0),
) -> NalUnit:
    """A slice without residual for macroblocks `first`..`end` - 1 of a frame or field.

    `sibling`: header of any P or B slice of the same frame or field, whose references, weights and filters
    are taken over. `motion` None: skipped macroblocks with zero motion, which repeat reference 0 (in B slices
    the mean of both, by spatial direct prediction). Else one 16x16 block a macroblock, predicted from the
    lists used; vectors are limited to what the level allows (A.3.1). `references`: index into each list,
    None = list not used; in P slices the second is ignored.

    In MBAFF frames addresses count macroblocks in coding order (pair by pair) and both are even; all pairs
    are frame pairs.

    Cost: about 8 microseconds a macroblock with motion; skipped slices are remembered.

    Raises UnsupportedStandInError if the stream has no such slice, ValueError for wrong arguments.
    """
    if sibling.slice_type not in (h264.P, h264.B, h264.SP):
        raise UnsupportedStandInError("an intra slice has no references to predict from")
    header = standin_header(sibling, first, end)
    header.slice_type = h264.B if sibling.slice_type == h264.B else h264.P
    qp = header.pps.pic_init_qp + header.slice_qp_delta
    if motion is None:
        header.direct_spatial_mv_pred = True
        w = write_slice_header(header)
        if header.pps.cabac:
            pairs = header.mbaff
            data = _skipped(header.slice_type == h264.B, max(0, min(51, qp)), end - first, pairs)
            return NalUnit(escape(w.aligned(stop="", fill="1") + data))
        w.ue(end - first)
        return NalUnit(escape(w.aligned()))
    lists = _lists(header, references, motion)
    span = Span(first, end, header.sps.width_mbs, header.mbaff)
    vectors = _vectors(header, motion, *span.rows)
    w = write_slice_header(header)
    is_b = header.slice_type == h264.B
    if header.pps.cabac:
        symbols = motion_symbols(vectors, span, is_b, lists, header.sps.chroma_array_type in (1, 2))
        coder = SymbolCoder(list(contexts(False, qp)))
        coder.encode(symbols)
        return NalUnit(escape(w.aligned(stop="", fill="1") + coder.finish()))
    w.bits(motion_vlc(vectors, span, is_b, lists))
    return NalUnit(escape(w.aligned()))


def standin_header(sibling: h264.SliceHeader, first: int, end: int) -> h264.SliceHeader:
    """The header of a slice of macroblocks first..end - 1, else like `sibling`; raises as its callers do."""
    sps, pps = sibling.sps, sibling.pps
    if pps.num_slice_groups > 1:
        raise UnsupportedStandInError("slice groups (flexible macroblock order)")
    if sps.separate_colour_plane:
        raise UnsupportedStandInError("separately coded colour planes")
    size = sps.width_mbs * sps.height_mbs >> sibling.field_pic
    if not 0 <= first < end <= size:
        raise ValueError(f"range must lie within 0..{size}, got {first}..{end}")
    if sibling.mbaff and (first | end) & 1:
        raise ValueError(f"macroblock pairs need even addresses, got {first}..{end}")
    header = copy.copy(sibling)
    header.first_mb = first >> 1 if sibling.mbaff else first
    header.cabac_init_idc = header.redundant_pic_cnt = 0
    if header.nal_unit_type == h264.NAL_PARTITION_A:
        header.nal_unit_type = h264.NAL_SLICE
    return header


def _lists(
    h: h264.SliceHeader, references: tuple[int | None, int | None], motion: Motion
) -> list[tuple[int, int, int]]:
    """(list, reference index, number of references) of each list used."""
    lists = [
        (x, index, h.num_ref_idx[x])
        for x, index in enumerate(references)
        if index is not None and (x == 0 or h.slice_type == h264.B)
    ]
    if h.slice_type == h264.B and motion.shape[0] == 1 and len(lists) == 2:
        lists = lists[:1]
    shape = (len(lists), h.sps.height_mbs >> h.field_pic, h.sps.width_mbs, 2)
    if not lists or motion.shape != shape or motion.dtype != np.int16:
        raise ValueError(f"motion must be int16 {shape}, got {motion.dtype} {motion.shape}")
    for x, index, count in lists:
        if not 0 <= index < count:
            raise ValueError(f"list {x} has {count} references, got index {index}")
    return lists


def _vectors(h: h264.SliceHeader, motion: Motion, top: int, bottom: int) -> list[list[list[Vector]]]:
    """Lists of rows of vectors, limited to -2048..2047.75 samples across and MaxVmvR up and down."""
    limit = np.array([8192, vertical_range(h.sps, h.field_pic)], np.int16)
    return np.clip(motion[:, top:bottom], -limit, limit - 1).tolist()


@lru_cache(maxsize=512)
def _skipped(is_b: bool, qp: int, count: int, pairs: bool) -> bytes:
    """slice_data() of skipped macroblocks: every neighbour is skipped, so one context codes all flags."""
    skip: Symbol = (_SKIP_B if is_b else _SKIP_P, 1)
    step: Sequence[Symbol] = (skip, skip, (TERMINATE, 0)) if pairs else (skip, (TERMINATE, 0))
    symbols = [*step] * (count // 2 if pairs else count)
    symbols[-1] = (TERMINATE, 1)
    coder = SymbolCoder(list(contexts(False, qp)))
    coder.encode(symbols)
    return coder.finish()
