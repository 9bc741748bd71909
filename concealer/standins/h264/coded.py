"""H.264 P and B slices with motion and residual written in place of lost ones (7.3.4, 7.3.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from concealer.bitstream import NalUnit, escape, h264
from concealer.standins.arrays import Array
from concealer.standins.cabac import SymbolCoder
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.h264.cavlc_tables import PATTERN_CODE, PATTERN_CODE_GREY
from concealer.standins.h264.contexts import contexts
from concealer.standins.h264.header import write_slice_header
from concealer.standins.h264.inter import standin_header
from concealer.standins.h264.macroblocks import cabac_residual, cavlc_residual
from concealer.standins.h264.motion import Span, se_bits, ue_bits
from concealer.standins.h264.symbols import BOTH, inter_symbols, predictions, skip_gives
from concealer.standins.h264.transform import Residual


@dataclass
class InterBlocks:
    """n macroblocks of a slice in coding order, predicted from index 0 of each list."""

    modes: npt.NDArray[np.int64]
    """(n,) 0 or 1, the list that a macroblock is predicted from, or `BOTH`, the mean of both; in P slices 0 only."""
    vectors: npt.NDArray[np.int16]
    """(2, n, 2): (x, y) in quarter luma samples for each list; what a mode does not use is not looked at."""
    residual: Residual | None = None
    """None: none anywhere."""
    field_pairs: bool = False
    """MBAFF: all pairs are field pairs, predicted from fields of their own parity; else all are frame pairs."""
    _coded: tuple[Span, bool, list[Array], Array] | None = field(default=None, repr=False)

    def differences(self, span: Span, is_b: bool) -> tuple[list[Array], Array]:
        """Vectors minus predictions (n, 2) for each list, and (n,) where P_Skip gives the vector; remembered."""
        if self._coded is None or self._coded[:2] != (span, is_b):
            predicted = [predictions(self.modes, self.vectors[which], which, span) for which in range(1 + is_b)]
            found = [vectors - guess for vectors, guess in zip(self.vectors.astype(np.int64), predicted, strict=False)]
            at_rest = np.zeros(len(self.modes), np.bool_)
            if not is_b:
                at_rest = skip_gives(self.vectors[0], predicted[0], span)
            self._coded = (span, is_b, found, at_rest)
        return self._coded[2], self._coded[3]


def coded_header(sibling: h264.SliceHeader, first: int, end: int, slice_type: int, qp: int) -> h264.SliceHeader:
    """Header of a slice with one reference a list and QP `qp` that is not deblocked where the stream allows it.

    The reference is the first in the initial order of each list: in P slices the reference picture decoded last, in
    fields its field of the same parity.
    Raises UnsupportedStandInError where coded stand-ins aren't written.
    """
    header = standin_header(sibling, first, end)
    sps, pps = header.sps, header.pps
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


def slice_span(header: h264.SliceHeader, first: int, end: int, field_pairs: bool = False) -> Span:
    """The macroblocks of a slice; `field_pairs`: see `InterBlocks`."""
    return Span(first, end, header.sps.width_mbs, header.mbaff, header.field_pic or (header.mbaff and field_pairs))


def coded_standin(header: h264.SliceHeader, first: int, end: int, blocks: InterBlocks) -> NalUnit:
    """A P or B slice of macroblocks `first`..`end` - 1; `header`: from `coded_header`."""
    span = slice_span(header, first, end, blocks.field_pairs)
    is_b = header.slice_type == h264.B
    differences, skippable = blocks.differences(span, is_b)
    w = write_slice_header(header)
    if not header.pps.cabac:
        w.bits(_bits(blocks, differences, skippable, span, header))
        return NalUnit(escape(w.aligned()))
    symbols = _symbols(blocks, differences, skippable, span, header)
    coder = SymbolCoder(list(contexts(False, header.pps.pic_init_qp + header.slice_qp_delta)))
    coder.encode(zip(*(part.tolist() for part in symbols), strict=True))
    return NalUnit(escape(w.aligned(stop="", fill="1") + coder.finish()))


def _symbols(
    blocks: InterBlocks,
    differences: list[Array],
    skippable: Array,
    span: Span,
    header: h264.SliceHeader,
) -> tuple[Array, Array]:
    count = span.end - span.first
    if blocks.residual is None:
        patterns, none = np.zeros(count, np.int64), np.zeros(0, np.int64)
        residual = (none, none, np.zeros(count + 1, np.int64))
    else:
        patterns, residual = blocks.residual.pattern, cabac_residual(blocks.residual, span)
    return inter_symbols(
        blocks.modes,
        differences,
        skippable,
        patterns,
        residual,
        span,
        is_b=header.slice_type == h264.B,
        chroma=header.sps.chroma_array_type == 1,
        size_flag=header.pps.transform_8x8_mode,
    )


def _bits(
    blocks: InterBlocks,
    differences: list[Array],
    skippable: Array,
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
    vectors, at_rest = [difference.tolist() for difference in differences], skippable.tolist()
    field_flag = str(int(span.field_coded))
    reference = "1" if span.pairs and span.field_coded else ""
    bits: list[str] = []
    run = 0
    for number, (pattern, mode) in enumerate(zip(patterns, blocks.modes.tolist(), strict=True)):
        if not pattern and at_rest[number]:
            run += 1
            continue
        bits.append(ue_bits(run))
        if span.pairs and (not number & 1 or run):
            bits.append(field_flag)
        # ref_idx 0 of two fields, of each list that is used.
        bits += (ue_bits(1 + mode if is_b else 0), reference * (1 + (mode == BOTH)))
        run = 0
        for which, difference in enumerate(vectors):
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
