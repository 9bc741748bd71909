"""Writing HEVC slices of skipped coding units (7.3.6.1, 7.3.8, 9.3)."""

from __future__ import annotations

from collections.abc import Sequence

from . import hevc
from .bits import BitWriter
from .cabac import CabacEncoder, Context
from .nal import NalUnit, escape

_TRAIL_R = 1
_SPLIT_CU, _SKIP, _BYPASS = 0, 3, 6
"""Indices of the contexts that skipped coding units need."""
_INITIAL_VALUES = (107, 139, 126, 197, 185, 201, 154)
"""initValue of P slices (initType 1) for split_cu_flag, cu_skip_flag, cu_transquant_bypass_flag (9.3.2.2)."""


def repeated_picture(like: hevc.SliceHeader, poc: int, references: Sequence[int]) -> NalUnit | None:
    """A P picture of skipped coding units: a copy of the picture among `references` nearest to `poc`.

    `like`: a header of a picture near by, for its parameter sets; `references`: POCs that stay in the
    decoded picture buffer. None without references, and with tiles.
    """
    sps = like.sps
    nearest = sorted(set(references) - {poc}, key=lambda other: abs(other - poc))
    if not nearest:
        return None
    w = BitWriter()
    # The decoded picture buffer must hold these and the picture itself (A.4.2).
    deltas = [other - poc for other in nearest[: max(1, sps.max_dec_pic_buffering - 1)]]
    _short_term_rps(w, deltas, {deltas[0]}, bool(sps.short_term_rps))
    if sps.long_term_present:
        _long_term(w, like, keep_used=False)
    return _skipped_slice(like, _TRAIL_R << 9 | 1, poc, w, sps.width_ctbs * sps.height_ctbs)


def first_slice(like: hevc.SliceHeader, end: int) -> NalUnit | None:
    """A first slice segment, of skipped coding units up to CTB `end`, for the picture `like` belongs to.

    None in IRAP pictures, which must be intra, and with tiles.
    """
    if like.is_irap:
        return None
    rps = like.short_term_rps
    w = BitWriter()
    used = {delta for delta, is_used in (*rps.negative, *rps.positive) if is_used}
    deltas = [delta for delta, _ in (*rps.negative, *rps.positive)]
    _short_term_rps(w, deltas, used, bool(like.sps.short_term_rps))
    if like.sps.long_term_present:
        _long_term(w, like, keep_used=True)
    return _skipped_slice(like, like.nal_unit_type << 9 | like.temporal_id + 1, like.poc_lsb, w, end)


def _short_term_rps(w: BitWriter, deltas: Sequence[int], used: set[int], sets_in_sps: bool) -> None:
    """An explicit short-term set; the pictures at `used` may be predicted from."""
    w.flag(False)
    if sets_in_sps:
        w.flag(False)
    negative = sorted((delta for delta in deltas if delta < 0), reverse=True)
    positive = sorted(delta for delta in deltas if delta > 0)
    w.ue(len(negative))
    w.ue(len(positive))
    for side in (negative, positive):
        last = 0
        for delta in side:
            w.ue(abs(delta - last) - 1)
            w.flag(delta in used)
            last = delta


def _long_term(w: BitWriter, like: hevc.SliceHeader, keep_used: bool) -> None:
    """The long-term pictures of `like`, without the candidates of the SPS."""
    if like.sps.long_term_candidates:
        w.ue(0)
    w.ue(len(like.long_term))
    previous = 0
    for lsb, used, cycle in like.long_term:
        w.u(lsb, like.sps.log2_max_poc_lsb)
        w.flag(used and keep_used)
        has_msb = keep_used and cycle is not None and cycle >= previous
        w.flag(has_msb)
        if has_msb and cycle is not None:
            w.ue(cycle - previous)
            previous = cycle


def _skipped_slice(
    like: hevc.SliceHeader, nal_header: int, poc: int, reference_sets: BitWriter, end: int
) -> NalUnit | None:
    """First slice segment of CTBs 0..end-1, all skipped, predicted from the first reference."""
    sps, pps = like.sps, like.pps
    if pps.tiles:
        return None
    w = BitWriter()
    w.u(nal_header, 16)
    w.flag(True)
    w.ue(pps.id)
    w.u(like.reserved_bits, pps.num_extra_slice_header_bits)
    w.ue(hevc.P)
    if pps.output_flag_present:
        w.flag(like.pic_output)
    if sps.separate_colour_plane:
        w.u(0, 2)
    w.u(poc, sps.log2_max_poc_lsb)
    w.bits(reference_sets.text())
    if sps.temporal_mvp:
        w.flag(False)
    if sps.sao:
        w.bits("00" if sps.chroma_array_type else "0")
    w.flag(True)
    w.ue(0)
    if pps.lists_modification_present and like.num_pic_total_curr > 1 and nal_header != _TRAIL_R << 9 | 1:
        w.flag(False)
    if pps.cabac_init_present:
        w.flag(False)
    if pps.weighted_pred:
        w.ue(0)
        if sps.chroma_array_type:
            w.se(0)
        w.bits("00" if sps.chroma_array_type else "0")
    # With one merge candidate its index is not coded, and it can only be the zero vector.
    w.ue(4)
    if sps.motion_vector_resolution_control_idc == 2:
        w.flag(False)
    _filters(w, like)
    substreams = _skipped_ctbs(like, end)
    if pps.entropy_coding_sync:
        sizes = [len(escape(part)) for part in substreams[:-1]]
        w.ue(len(sizes))
        if sizes:
            w.ue(31)
            for size in sizes:
                w.u(size - 1, 32)
    if pps.slice_header_extension:
        w.ue(0)
    return NalUnit(escape(w.aligned() + b"".join(substreams)))


def _filters(w: BitWriter, like: hevc.SliceHeader) -> None:
    """From slice_qp_delta to slice_loop_filter_across_slices_enabled_flag."""
    pps = like.pps
    w.se(like.slice_qp_delta)
    if pps.slice_chroma_qp_offsets_present:
        w.se(0)
        w.se(0)
    if pps.slice_act_qp_offsets_present:
        for _ in range(3):
            w.se(0)
    if pps.chroma_qp_offset_lists:
        w.flag(False)
    if pps.deblocking_override_enabled:
        w.flag(False)
    if pps.loop_filter_across_slices and not pps.deblocking_disabled:
        w.flag(like.loop_filter_across_slices)


def _initial_contexts(qp: int) -> list[Context]:
    """Contexts at the start of a P slice, (9-4) ff."""
    contexts: list[Context] = []
    for value in _INITIAL_VALUES:
        slope, offset = (value >> 4) * 5 - 45, ((value & 15) << 3) - 16
        state = min(max(1, (slope * min(max(qp, 0), 51) >> 4) + offset), 126)
        contexts.append([state - 64, 1] if state > 63 else [63 - state, 0])
    return contexts


def _skipped_ctbs(like: hevc.SliceHeader, end: int) -> list[bytes]:
    """slice_segment_data(): one substream, or with wavefronts one per CTB row."""
    sps, pps = like.sps, like.pps
    qp = pps.init_qp + like.slice_qp_delta
    contexts = _initial_contexts(qp)
    saved: list[Context] | None = None
    depths: dict[tuple[int, int], int] = {}
    encoder = CabacEncoder()
    substreams: list[bytes] = []
    cols = sps.width_ctbs
    for address in range(end):
        y, x = divmod(address, cols)
        if pps.entropy_coding_sync and x == 0 and y:
            # 9.3.1: contexts as after the second CTB of the row above, if there is one.
            contexts = [list(context) for context in saved] if saved is not None else _initial_contexts(qp)
        symbols: list[tuple[int, int]] = []
        _quadtree(symbols, like, x << sps.log2_ctb, y << sps.log2_ctb, sps.log2_ctb, 0, depths)
        for index, value in symbols:
            encoder.encode(contexts[index], value)
        if pps.entropy_coding_sync and x == 1:
            saved = [list(context) for context in contexts]
        last = address == end - 1
        encoder.terminate(int(last))
        row_ends = pps.entropy_coding_sync and x == cols - 1
        if row_ends and not last:
            encoder.terminate(1)
        if row_ends or last:
            w = BitWriter()
            w.bits(encoder.finish())
            substreams.append(w.aligned(stop=""))
            encoder = CabacEncoder()
    return substreams


def _quadtree(
    symbols: list[tuple[int, int]],
    like: hevc.SliceHeader,
    x: int,
    y: int,
    log2_size: int,
    depth: int,
    depths: dict[tuple[int, int], int],
) -> None:
    """coding_quadtree() split no further than the picture's border demands; coding_unit() skipped."""
    sps, step = like.sps, 1 << like.sps.log2_min_cb
    size = 1 << log2_size
    left, above = depths.get((x - step, y)), depths.get((x, y - step))
    if x + size <= sps.width and y + size <= sps.height:
        if log2_size > sps.log2_min_cb:
            deeper = (left is not None and left > depth) + (above is not None and above > depth)
            symbols.append((_SPLIT_CU + deeper, 0))
    elif log2_size > sps.log2_min_cb:
        half = size >> 1
        for part_y in (y, y + half):
            for part_x in (x, x + half):
                if part_x < sps.width and part_y < sps.height:
                    _quadtree(symbols, like, part_x, part_y, log2_size - 1, depth + 1, depths)
        return
    if like.pps.transquant_bypass:
        symbols.append((_BYPASS, 0))
    symbols.append((_SKIP + (left is not None) + (above is not None), 1))
    # Neighbours look only at the right column and the bottom row.
    for offset in range(0, size, step):
        depths[x + size - step, y + offset] = depths[x + offset, y + size - step] = depth
