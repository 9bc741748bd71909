"""H.264 P and B slices with motion and residual written in place of lost ones (7.3.4, 7.3.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from . import h264
from .h264_cavlc_tables import PATTERN_CODE, PATTERN_CODE_GREY
from .h264_contexts import TERMINATE, TRANSFORM_SIZE, contexts
from .h264_header_writer import write_slice_header
from .h264_inter_standin import standin_header
from .h264_macroblocks import cabac_residual, cavlc_residual
from .h264_motion import Span, component_symbols, se_bits, ue_bits
from .h264_transform import Residual
from .nal import NalUnit, escape
from .standin_error import UnsupportedStandInError
from .symbol_coder import Symbol, SymbolCoder

Difference = tuple[int, int]
FIRST, SECOND, BOTH = range(3)
"""How a macroblock is predicted: from list 0, from list 1, from the mean of both."""

_SKIP_P, _TYPE_P, _TYPE_B, _MVD_X, _MVD_Y = 11, 14, 27, 40, 47
_QP_DELTA, _PATTERN_LUMA, _PATTERN_CHROMA = 60, 73, 77


@dataclass
class InterBlocks:
    """n macroblocks of a slice in coding order, predicted from index 0 of each list."""

    modes: npt.NDArray[np.int64]
    """(n,) FIRST, SECOND or BOTH; in P slices FIRST only."""
    vectors: npt.NDArray[np.int16]
    """(2, n, 2): (x, y) in quarter luma samples for each list; what a mode does not use is not looked at."""
    residual: Residual | None = None
    """None: none anywhere."""
    _coded: tuple[Span, bool, list[list[Difference]], list[bool]] | None = field(default=None, repr=False)

    def differences(self, span: Span, is_b: bool) -> tuple[list[list[Difference]], list[bool]]:
        """Vectors minus predictions for each list, and where P_Skip gives the vector; remembered."""
        if self._coded is None or self._coded[:2] != (span, is_b):
            found = [_differences(self.modes, self.vectors[which], which, span) for which in range(1 + is_b)]
            at_rest = [False] * len(self.modes) if is_b else found[0][1]
            self._coded = (span, is_b, [differences for differences, _ in found], at_rest)
        return self._coded[2], self._coded[3]


def coded_header(sibling: h264.SliceHeader, first: int, end: int, slice_type: int, qp: int) -> h264.SliceHeader:
    """Header of a slice with one reference a list and QP `qp` that is not deblocked where the stream allows it.

    The reference is the first in the initial order of each list: in P slices the reference picture decoded last.
    Raises UnsupportedStandInError where coded stand-ins aren't written.
    """
    header = standin_header(sibling, first, end)
    sps, pps = header.sps, header.pps
    if not sps.frame_mbs_only:
        raise UnsupportedStandInError("coded stand-ins in streams with fields")
    if sps.chroma_array_type > 1:
        raise UnsupportedStandInError("coded stand-ins in 4:2:2 or 4:4:4")
    if max(sps.bit_depth_luma, sps.bit_depth_chroma) > 10:
        raise UnsupportedStandInError("coded stand-ins of more than 10 bits")
    header.slice_type, header.slice_type_is_picture_wide = slice_type, False
    is_b = slice_type == h264.B
    if slice_type == h264.I:
        header.num_ref_idx, header.list_modification, header.weights = (0, 0), (None, None), None
    else:
        header.direct_spatial_mv_pred = True
        header.num_ref_idx_override, header.num_ref_idx = True, (1, int(is_b))
        header.list_modification = (None, None)
        header.luma_log2_weight_denom = header.chroma_log2_weight_denom = 0
        plain = ((None, None, None),)
        explicit = pps.weighted_bipred_idc == 1 if is_b else pps.weighted_pred
        header.weights = (plain, plain if is_b else ()) if explicit else None
    header.slice_qp_delta = qp - pps.pic_init_qp
    if pps.deblocking_filter_control_present:
        header.disable_deblocking_filter_idc = 1
    return header


def h264_coded_standin(header: h264.SliceHeader, first: int, end: int, blocks: InterBlocks) -> NalUnit:
    """A P or B slice of macroblocks `first`..`end` - 1; `header`: from `coded_header`."""
    span = Span(first, end, header.sps.width_mbs)
    is_b = header.slice_type == h264.B
    differences, skippable = blocks.differences(span, is_b)
    w = write_slice_header(header)
    if not header.pps.cabac:
        w.bits(_bits(blocks, differences, skippable, span, header))
        return NalUnit(escape(w.aligned()))
    symbols = _symbols(blocks, differences, skippable, span, header)
    coder = SymbolCoder(list(contexts(False, header.pps.pic_init_qp + header.slice_qp_delta)))
    coder.encode(symbols)
    return NalUnit(escape(w.aligned(stop="", fill="1") + coder.finish()))


def _symbols(
    blocks: InterBlocks,
    differences: list[list[Difference]],
    skippable: list[bool],
    span: Span,
    header: h264.SliceHeader,
) -> list[Symbol]:
    is_b, chroma = header.slice_type == h264.B, header.sps.chroma_array_type == 1
    size_flag = header.pps.transform_8x8_mode
    count = span.end - span.first
    if blocks.residual is None:
        patterns = starts = [0] * (count + 1)
        coded: list[Symbol] = []
    else:
        patterns = blocks.residual.pattern.tolist()
        coded, places = cabac_residual(blocks.residual, span)
        starts = places.tolist()
    modes = blocks.modes.tolist()
    stride = span.width + 2
    size = (span.rows[1] - span.rows[0] + 2) * stride
    # With a margin of 1. Present: 1 where a macroblock of the slice is; patterns of those that are not: as if full.
    live, pattern_of = [0] * size, [15] * size
    sizes = [([0] * size, [0] * size) for _ in differences]
    symbols: list[Symbol] = []
    for number, (x, y) in enumerate(span.places()):
        place = (y + 1) * stride + x + 1
        left, above = place - 1, place - stride
        pattern, mode = patterns[number], modes[number]
        near = live[left] + live[above]
        if not pattern and skippable[number]:
            symbols += ((_SKIP_P + near, 1), (TERMINATE, 0))
            pattern_of[place] = 0
            continue
        live[place] = 1
        symbols += _heads(is_b, near, mode)
        for which, (difference, (sizes_x, sizes_y)) in enumerate(zip(differences, sizes, strict=True)):
            if mode in (which, BOTH):
                dx, dy = difference[number]
                symbols += component_symbols(_MVD_X, sizes_x[left] + sizes_x[above], dx)
                symbols += component_symbols(_MVD_Y, sizes_y[left] + sizes_y[above], dy)
                sizes_x[place], sizes_y[place] = abs(dx), abs(dy)
        symbols += _pattern(pattern, pattern_of[left], pattern_of[above], chroma)
        pattern_of[place] = pattern
        if pattern:
            if size_flag and pattern & 15:
                symbols.append((TRANSFORM_SIZE, 0))
            symbols.append((_QP_DELTA, 0))
            symbols += coded[starts[number] : starts[number + 1]]
        symbols.append((TERMINATE, 0))
    symbols[-1] = (TERMINATE, 1)
    return symbols


def _bits(
    blocks: InterBlocks,
    differences: list[list[Difference]],
    skippable: list[bool],
    span: Span,
    header: h264.SliceHeader,
) -> str:
    """The macroblocks in CAVLC, as "0" and "1" without trailing bits."""
    is_b = header.slice_type == h264.B
    pattern_code = PATTERN_CODE if header.sps.chroma_array_type == 1 else PATTERN_CODE_GREY
    size_flag = header.pps.transform_8x8_mode
    count = span.end - span.first
    if blocks.residual is None:
        patterns, coded, starts = [0] * count, "", [0] * (count + 1)
    else:
        patterns = blocks.residual.pattern.tolist()
        coded, places = cavlc_residual(blocks.residual, span)
        starts = places.tolist()
    bits: list[str] = []
    run = 0
    for number, (pattern, mode) in enumerate(zip(patterns, blocks.modes.tolist(), strict=True)):
        if not pattern and skippable[number]:
            run += 1
            continue
        bits += (ue_bits(run), ue_bits(1 + mode if is_b else 0))
        run = 0
        for which, difference in enumerate(differences):
            if mode in (which, BOTH):
                dx, dy = difference[number]
                bits += (se_bits(dx), se_bits(dy))
        bits.append(ue_bits(pattern_code[pattern]))
        if pattern:
            # transform_size_8x8_flag 0, mb_qp_delta 0.
            bits.append("01" if size_flag and pattern & 15 else "1")
            bits.append(coded[starts[number] : starts[number + 1]])
    if run:
        bits.append(ue_bits(run))
    return "".join(bits)


def _heads(is_b: bool, near: int, mode: int) -> tuple[Symbol, ...]:
    """mb_skip_flag and mb_type; `near`: how many of the neighbours are coded, not skipped."""
    if not is_b:
        return (_SKIP_P + near, 0), (_TYPE_P, 0), (_TYPE_P + 1, 0), (_TYPE_P + 2, 0)
    # No macroblock of a B slice is skipped, so both counts are the same.
    head: tuple[Symbol, ...] = ((24 + near, 0), (_TYPE_B + near, 1))
    if mode == BOTH:
        return (*head, (_TYPE_B + 3, 1), (_TYPE_B + 4, 0), *[(_TYPE_B + 5, 0)] * 3)
    return (*head, (_TYPE_B + 3, 0), (_TYPE_B + 5, mode))


def _pattern(pattern: int, left: int, above: int, chroma: bool) -> list[Symbol]:
    """coded_block_pattern (9.3.3.1.1.4)."""
    bits = [pattern >> i & 1 for i in range(4)]
    symbols = [
        (_PATTERN_LUMA + (not left & 2) + 2 * (not above & 4), bits[0]),
        (_PATTERN_LUMA + (not bits[0]) + 2 * (not above & 8), bits[1]),
        (_PATTERN_LUMA + (not left & 8) + 2 * (not bits[0]), bits[2]),
        (_PATTERN_LUMA + (not bits[2]) + 2 * (not bits[1]), bits[3]),
    ]
    if chroma:
        symbols.append((_PATTERN_CHROMA + (left >= 16) + 2 * (above >= 16), int(pattern >= 16)))
        if pattern >= 16:
            symbols.append((_PATTERN_CHROMA + 4 + (left >= 32) + 2 * (above >= 32), int(pattern >= 32)))
    return symbols


def _differences(
    modes: npt.NDArray[np.int64], vectors: npt.NDArray[np.int16], which: int, span: Span
) -> tuple[list[Difference], list[bool]]:
    """Vector minus prediction (8.4.1.3) in one list of each macroblock, and where P_Skip gives that vector (8.4.1.1).

    For macroblocks that do not use the list, what is returned means nothing.
    """
    used = ((modes == which) | (modes == BOTH)).tolist()
    rows = vectors.tolist()
    stride = span.width + 2
    # None: not in the slice; False: there, but without the list.
    grid: list[list[int] | bool | None] = [None] * ((span.rows[1] - span.rows[0] + 1) * stride)
    found: list[Difference] = []
    skippable: list[bool] = []
    for number, (x, y) in enumerate(span.places()):
        place = (y + 1) * stride + x + 1
        a, b, c = grid[place - 1], grid[place - stride], grid[place + 1 - stride]
        if c is None:
            c = grid[place - 1 - stride]
        if not used[number]:
            grid[place] = False
            found.append((0, 0))
            skippable.append(False)
            continue
        vector = grid[place] = rows[number]
        px, py = _predicted(a, b, c)
        vx, vy = vector
        found.append((vx - px, vy - py))
        still = not a or not b or not any(a) or not any(b)  # type: ignore[arg-type]
        skippable.append(not (vx or vy) if still else vx == px and vy == py)
    return found, skippable


def _predicted(a: list[int] | bool | None, b: list[int] | bool | None, c: list[int] | bool | None) -> list[int]:
    """Median prediction from neighbours A, B, C that refer to the same picture if they use the list at all."""
    if b is None and c is None and a is not None:
        return a or [0, 0]  # type: ignore[return-value]
    with_list = [v for v in (a, b, c) if v]
    if len(with_list) == 1:
        return with_list[0]  # type: ignore[return-value]
    ax, ay = a or (0, 0)  # type: ignore[misc]
    bx, by = b or (0, 0)  # type: ignore[misc]
    cx, cy = c or (0, 0)  # type: ignore[misc]
    return [max(min(ax, bx), min(max(ax, bx), cx)), max(min(ay, by), min(max(ay, by), cy))]
