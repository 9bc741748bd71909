"""Writing HEVC slice segment headers (7.3.6.1)."""

from __future__ import annotations

from . import hevc
from .bits import BitWriter

_TRAIL_R = 1


def trailing_p_header(like: hevc.SliceHeader, like_poc: int, poc: int) -> bytes | None:
    """NAL header and header of a one-slice P picture (TRAIL_R), byte aligned, emulation bytes not yet in.

    `like`: header of the picture before in decoding order, with POC `like_poc`. All its short-term
    references and the picture itself stay in the reference picture set; the one nearest in POC is used.
    None if the set would be empty.
    """
    sps, pps = like.sps, like.pps
    kept = {like_poc + delta for delta, _ in (*like.short_term_rps.negative, *like.short_term_rps.positive)}
    if like.is_idr:
        kept = set()
    kept = (kept | {like_poc}) - {poc}
    if not kept:
        return None
    # The decoded picture buffer must hold these and the picture itself (A.4.2).
    nearest = sorted(kept, key=lambda other: abs(other - poc))[: max(1, sps.max_dec_pic_buffering - 1)]
    w = BitWriter()
    w.u(_TRAIL_R << 9 | 1, 16)
    w.flag(True)
    w.ue(pps.id)
    w.u(0, pps.num_extra_slice_header_bits)
    w.ue(hevc.P)
    if pps.output_flag_present:
        w.flag(True)
    if sps.separate_colour_plane:
        w.u(0, 2)
    w.u(poc, sps.log2_max_poc_lsb)
    _short_term_rps(w, [other - poc for other in nearest], nearest[0] - poc, bool(sps.short_term_rps))
    if sps.long_term_present:
        _long_term(w, like)
    if sps.temporal_mvp:
        w.flag(False)
    if sps.sao:
        w.flag(False)
        if sps.chroma_array_type:
            w.flag(False)
    w.flag(True)
    w.ue(0)
    used = 1 + pps.curr_pic_ref
    if pps.lists_modification_present and used > 1:
        w.flag(False)
    if pps.cabac_init_present:
        w.flag(False)
    if pps.weighted_pred:
        w.ue(0)
        if sps.chroma_array_type:
            w.se(0)
        w.bits("00" if sps.chroma_array_type else "0")
    w.ue(5 - like.max_num_merge_cand)
    if sps.motion_vector_resolution_control_idc == 2:
        w.flag(False)
    _filters(w, like)
    if pps.tiles or pps.entropy_coding_sync:
        w.ue(0)
    if pps.slice_header_extension:
        w.ue(0)
    return w.aligned()


def _short_term_rps(w: BitWriter, deltas: list[int], used: int, sets_in_sps: bool) -> None:
    """An explicit short-term set; only the picture at `used` may be predicted from."""
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
            w.flag(delta == used)
            last = delta


def _long_term(w: BitWriter, like: hevc.SliceHeader) -> None:
    """The long-term pictures of `like`, kept but not used."""
    candidates = like.sps.long_term_candidates
    if candidates:
        w.ue(0)
    w.ue(len(like.long_term))
    for lsb, _, _ in like.long_term:
        w.u(lsb, like.sps.log2_max_poc_lsb)
        w.flag(False)
        w.flag(False)


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
        w.flag(True)
