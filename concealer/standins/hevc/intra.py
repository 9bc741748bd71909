"""HEVC intra slices written in place of lost ones: DC prediction without residual, a flat grey (7.3.8)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from concealer.bitstream import NalUnit, escape, hevc
from concealer.bitstream.hevc import Pps, Sps
from concealer.standins.cabac import TERMINATE_STATE, State, Symbol, initial_state
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.header import slice_header_rbsp
from concealer.standins.hevc.substreams import code_slice_data, coding_order

# Context indices and initValue (9.3.2.2, initType 0).
_SPLIT, _BYPASS_CU, _PART, _MOST_PROBABLE, _CHROMA, _SPLIT_TRANSFORM, _CBF_LUMA, _CBF_CHROMA = (
    0, 3, 4, 5, 6, 7, 10, 12,
)  # fmt: skip
_INIT = (139, 141, 157, 154, 184, 184, 63, 153, 138, 138, 111, 141, 94, 138, 182, 154, 154)
_TERMINATE = len(_INIT)
CONTEXT_COUNT = _TERMINATE + 1
"""Contexts of `intra_contexts`; the last is that of terminating bins."""
_SCREEN_CONTENT_PROFILES = (9, 11)


def intra_standin(sibling: hevc.SliceHeader, first: int, end: int) -> NalUnit:
    """An intra slice of middle grey for the CTBs at places `first`..`end` - 1 in coding order.

    `sibling`: header of any slice of the same picture, IRAP or not. About 20 bytes, for pixels that are
    repaired afterwards. Raises UnsupportedStandInError if the stream has no such slice, ValueError for a
    range outside the picture.
    """
    sps, pps = sibling.sps, sibling.pps
    if sps.separate_colour_plane:
        raise UnsupportedStandInError("separately coded colour planes")
    if pps.curr_pic_ref or sps.profile_idc in _SCREEN_CONTENT_PROFILES:
        raise UnsupportedStandInError("screen content coding tools")
    header = copy.copy(sibling)
    header.dependent = header.sao_luma = header.sao_chroma = header.temporal_mvp = False
    header.slice_type, header.weights = hevc.I, None
    order = coding_order(sps, pps)
    order.check(first, end)
    header.first_slice_segment, header.address = first == 0, order.scan[first]
    qp = pps.init_qp + header.slice_qp_delta
    coder = IntraCoder(sps, pps)
    streams = order.substreams(first, end)
    data = code_slice_data(streams, intra_contexts(qp), _TERMINATE, coder.code_ctb, coder.start_tile)
    coded = [escape(part) for part in data]
    head = slice_header_rbsp(header, [len(part) for part in coded[:-1]])
    return NalUnit(escape(head) + b"".join(coded))


def intra_contexts(qp: int) -> list[State]:
    """States at the start of a slice."""
    return [*(initial_state((v >> 4) * 5 - 45, ((v & 15) << 3) - 16, qp) for v in _INIT), TERMINATE_STATE]


class IntraCoder:
    """Codes CTBs of CUs as large as they can be, predicted by DC mode, without residual."""

    def __init__(self, sps: Sps, pps: Pps, log2_largest: int = 6) -> None:
        """`log2_largest`: of the side of the largest CU wanted; streams may have none that small."""
        self._sps, self._lossless = sps, pps.transquant_bypass
        self._log2_largest = log2_largest
        self._depths: dict[tuple[int, int], int] = {}

    def begins(self, log2_size: int) -> None:
        """A coding quadtree begins."""

    def residual(self, x: int, y: int, log2_size: int) -> tuple[list[bool], list[Symbol]]:
        """Coded block flags (luma, Cb, Cr) and symbols of the residual of a CU at luma (x, y)."""
        return [False] * 3, []

    def start_tile(self) -> None:
        """Forget the neighbours."""
        self._depths = {}

    def code_ctb(self, address: int, symbols: list[Symbol]) -> None:
        """Append the symbols of the CTB with this raster address."""
        log2_ctb = self._sps.log2_ctb
        y, x = divmod(address, self._sps.width_ctbs)
        self._quadtree(x << log2_ctb, y << log2_ctb, log2_ctb, 0, symbols)

    def _quadtree(self, x: int, y: int, log2_size: int, depth: int, symbols: list[Symbol]) -> None:
        sps, size = self._sps, 1 << log2_size
        self.begins(log2_size)
        split = x + size > sps.width or y + size > sps.height
        if log2_size > sps.log2_min_cb and not split:
            left = self._depths.get((x - 8 >> 3, y >> 3), 0) > depth
            above = self._depths.get((x >> 3, y - 8 >> 3), 0) > depth
            split = log2_size > self._log2_largest
            symbols.append((_SPLIT + left + above, int(split)))
        if split:
            half = size >> 1
            for part_y in (y, y + half):
                for part_x in (x, x + half):
                    if part_x < sps.width and part_y < sps.height:
                        self._quadtree(part_x, part_y, log2_size - 1, depth + 1, symbols)
            return
        if self._lossless:
            symbols.append((_BYPASS_CU, 0))
        if log2_size == sps.log2_min_cb:
            symbols.append((_PART, 1))
        if sps.pcm is not None and sps.pcm[2] <= log2_size <= sps.pcm[3]:
            symbols.append((_TERMINATE, 0))
        # Both neighbours have or are taken to have DC mode, which is then most probable mode 1 (8.4.2).
        symbols += [(_MOST_PROBABLE, 1), (-2, 0b10)]
        if sps.chroma_array_type:
            symbols.append((_CHROMA, 0))
        flags, residual = self.residual(x, y, log2_size)
        self._transform_tree(log2_size, 0, flags, symbols)
        symbols += residual
        for row in range(y >> 3, y + size >> 3):
            for col in range(x >> 3, x + size >> 3):
                self._depths[col, row] = depth

    def _transform_tree(self, log2_size: int, depth: int, coded: Sequence[bool], symbols: list[Symbol]) -> None:
        """Transform units as large as they can be; `coded`: flags of luma, Cb, Cr, all False if there are several."""
        sps = self._sps
        split = log2_size > sps.log2_max_tb
        if not split and log2_size > sps.log2_min_tb and depth < sps.max_transform_hierarchy_depth[1]:
            symbols.append((_SPLIT_TRANSFORM + 5 - log2_size, 0))
        if depth == 0 and sps.chroma_array_type:
            # 4:2:2 has two square blocks of each chroma plane, and a flag for each.
            flags = 2 if sps.chroma_array_type == 2 and not split else 1
            symbols += [(_CBF_CHROMA, int(flag)) for flag in coded[1:] for _ in range(flags)]
        if split:
            for _ in range(4):
                self._transform_tree(log2_size - 1, depth + 1, coded, symbols)
        else:
            symbols.append((_CBF_LUMA + (depth == 0), int(coded[0])))
