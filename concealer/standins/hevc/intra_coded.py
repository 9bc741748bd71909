"""HEVC intra slices with residual written in place of lost ones, of 16x16 blocks (7.3.8, 8.4.4.2)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from concealer.bitstream import NalUnit, escape, hevc
from concealer.standins.arrays import Array
from concealer.standins.cabac import TERMINATE_STATE, Symbol
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.contexts import initial_states
from concealer.standins.hevc.header import slice_header_rbsp
from concealer.standins.hevc.intra_rows import DC, IntraRows
from concealer.standins.hevc.residual import CONTEXTS, block_symbols
from concealer.standins.hevc.substreams import code_slice_data, coding_order

# Context indices, and initValue (9.3.2.2) for I slices (initType 0).
_SPLIT, _BYPASS_CU, _PART, _MOST_PROBABLE, _CHROMA, _SPLIT_TRANSFORM, _CBF_LUMA, _CBF_CHROMA, _TERMINATE = (
    0, 3, 4, 5, 6, 7, 10, 12, 17,
)  # fmt: skip
_QP_DELTA, _COEFFICIENTS = 18, 19
_INIT = (139, 141, 157, 154, 184, 184, 63, 153, 138, 138, 111, 141, 94, 138, 182, 154, 154)
_INIT_QP_DELTA = 154
_SCREEN_CONTENT_PROFILES = (9, 11)
_LOG2_CU = 4
"""Of the side of CUs that the picture's border does not cut."""


def intra_coded_standin(
    header: hevc.SliceHeader, first: int, end: int, planes: Sequence[Array], quick: bool = False
) -> NalUnit:
    """An intra slice of the CTBs at places `first`..`end` - 1 in coding order that shows `planes`.

    `header`: from `coded.coded_header`, of a picture without tiles; `planes`: luma, and Cb and Cr of 4:2:0, of the CTB
    rows that the range touches. Blocks that the picture's border cuts to less than 16x16 go on with what lies above or
    left of them. About 30 microseconds a block, and where none is above 600, or
    with `quick`, which leaves chroma flat there, 250. Raises UnsupportedStandInError, or ValueError for a range outside
    the picture.
    """
    sps, pps = header.sps, header.pps
    if sps.separate_colour_plane or pps.curr_pic_ref or sps.profile_idc in _SCREEN_CONTENT_PROFILES:
        raise UnsupportedStandInError("separately coded colour planes or screen content coding tools")
    if pps.tiles:
        raise UnsupportedStandInError("intra slices in tiles")
    header = copy.copy(header)
    header.dependent = header.sao_luma = header.sao_chroma = header.temporal_mvp = False
    header.slice_type, header.weights = hevc.I, None
    order = coding_order(sps, pps)
    order.check(first, end)
    header.first_slice_segment, header.address = first == 0, order.scan[first]
    qp = pps.init_qp + header.slice_qp_delta
    behind = (_INIT_QP_DELTA, *CONTEXTS["I"])
    contexts = [*initial_states(_INIT, qp), TERMINATE_STATE, *initial_states(behind, qp)]
    coder = _Coder(header, order.rows(first, end)[0], IntraRows(header, first, end, planes, quick))
    streams = order.substreams(first, end)
    data = code_slice_data(streams, contexts, _TERMINATE, coder.code_ctb, coder.start_tile)
    coded = [escape(part) for part in data]
    head = slice_header_rbsp(header, [len(part) for part in coded[:-1]])
    return NalUnit(escape(head) + b"".join(coded))


class _Coder:
    """Codes CTBs of CUs of 16x16, each of which is one block of prediction and transform."""

    def __init__(self, header: hevc.SliceHeader, top: int, rows: IntraRows) -> None:
        """top: row of CTBs that the slice begins in."""
        self._header, self._top = header, top << header.sps.log2_ctb
        self._modes = rows.modes
        self._depths: dict[tuple[int, int], int] = {}
        """By place in units of 8 luma samples: cqtDepth of what was coded there."""
        self._mode_at: dict[tuple[int, int], int] = {}
        """The same of IntraPredModeY."""
        pps = header.pps
        self._delta_size = header.sps.log2_ctb - pps.diff_cu_qp_delta_depth if pps.cu_qp_delta else 99
        self._delta_due = False
        self._symbols = [self._symbols_of(levels, index) for index, levels in enumerate(rows.levels)]

    def _symbols_of(self, levels: dict[tuple[int, int], Array], index: int) -> dict[tuple[int, int], list[Symbol]]:
        if not levels:
            return {}
        blocks = np.stack(list(levels.values()))
        contexts, values, starts = block_symbols(blocks, index > 0, self._header.pps.sign_data_hiding)
        contexts = np.where(contexts < 0, contexts, contexts + _COEFFICIENTS)
        pairs = list(zip(contexts.tolist(), values.tolist(), strict=True))
        bounds = starts.tolist()
        return {place: pairs[bounds[n] : bounds[n + 1]] for n, place in enumerate(levels)}

    def start_tile(self) -> None:
        """Forget the neighbours."""
        self._depths, self._mode_at = {}, {}

    def code_ctb(self, address: int, symbols: list[Symbol]) -> None:
        """Append the symbols of the CTB with this raster address."""
        sps = self._header.sps
        y, x = divmod(address, sps.width_ctbs)
        self._quadtree(x << sps.log2_ctb, y << sps.log2_ctb, sps.log2_ctb, 0, symbols)

    def _quadtree(self, x: int, y: int, log2_size: int, depth: int, symbols: list[Symbol]) -> None:
        sps, size = self._header.sps, 1 << log2_size
        if log2_size >= self._delta_size:
            # A quantisation group begins (7.3.8.4).
            self._delta_due = True
        split = x + size > sps.width or y + size > sps.height
        if log2_size > sps.log2_min_cb and not split:
            left = self._depths.get((x - 8 >> 3, y >> 3), 0) > depth
            above = self._depths.get((x >> 3, y - 8 >> 3), 0) > depth
            split = log2_size > _LOG2_CU
            symbols.append((_SPLIT + left + above, int(split)))
        if split:
            half = size >> 1
            for part_y in (y, y + half):
                for part_x in (x, x + half):
                    if part_x < sps.width and part_y < sps.height:
                        self._quadtree(part_x, part_y, log2_size - 1, depth + 1, symbols)
            return
        mode = self._modes[x, y - self._top]
        self._coding_unit(x, y, log2_size, mode, symbols)
        for row in range(y >> 3, y + size >> 3):
            for col in range(x >> 3, x + size >> 3):
                self._depths[col, row] = depth
                self._mode_at[col, row] = mode

    def _coding_unit(self, x: int, y: int, log2_size: int, mode: int, symbols: list[Symbol]) -> None:
        """A CU of one prediction and one transform block: it is no larger than the largest of these."""
        sps = self._header.sps
        if self._header.pps.transquant_bypass:
            symbols.append((_BYPASS_CU, 0))
        if log2_size == sps.log2_min_cb:
            symbols.append((_PART, 1))
        if sps.pcm is not None and sps.pcm[2] <= log2_size <= sps.pcm[3]:
            symbols.append((_TERMINATE, 0))
        symbols += self._mode(x, y, mode)
        if sps.chroma_array_type:
            symbols.append((_CHROMA, 0))
        (luma, *chroma), residual = self._residual(x, y)
        if log2_size > sps.log2_min_tb and sps.max_transform_hierarchy_depth[1] > 0:
            symbols.append((_SPLIT_TRANSFORM + 5 - log2_size, 0))
        if sps.chroma_array_type:
            symbols += [(_CBF_CHROMA, int(flag)) for flag in chroma]
        symbols.append((_CBF_LUMA + 1, int(luma)))
        symbols += residual

    def _mode(self, x: int, y: int, mode: int) -> list[Symbol]:
        """prev_intra_luma_pred_flag and what follows it (8.4.2)."""
        left = self._mode_at.get((x - 8 >> 3, y >> 3), DC)
        above = self._mode_at.get((x >> 3, y - 8 >> 3), DC) if y & (1 << self._header.sps.log2_ctb) - 1 else DC
        if left != above:
            probable = [left, above, 0]
        else:
            probable = [0, DC, 26] if left == DC else [left, 2 + (left + 29) % 32, 2 + (left - 1) % 32]
        if mode in probable:
            return [(_MOST_PROBABLE, 1), ((-1, 0), (-2, 0b10), (-2, 0b11))[probable.index(mode)]]
        return [(_MOST_PROBABLE, 0), (-5, mode - sum(other < mode for other in probable))]

    def _residual(self, x: int, y: int) -> tuple[list[bool], list[Symbol]]:
        """Coded block flags (luma, Cb, Cr) and symbols of the residual of a CU at luma (x, y)."""
        parts = [found.get((x, y - self._top), []) for found in self._symbols]
        symbols = [symbol for part in parts for symbol in part]
        if symbols and self._delta_due:
            symbols.insert(0, (_QP_DELTA, 0))
            self._delta_due = False
        return [bool(part) for part in parts], symbols
