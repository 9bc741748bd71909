"""Writing a HEVC slice segment header from its fields (7.3.6): the inverse of `hevc.parse_slice_header`."""

from __future__ import annotations

from collections.abc import Sequence

from concealer.bitstream import BitWriter, ceil_log2, hevc


def slice_header_rbsp(h: hevc.SliceHeader, entry_points: Sequence[int] = ()) -> bytes:
    """NAL header and slice segment header with byte_alignment(), emulation prevention not yet in.

    The segment is written as an independent one, without header extension. `entry_points`: sizes in bytes
    of the substreams without the last, emulation prevention included.
    """
    sps, pps = h.sps, h.pps
    w = BitWriter()
    w.u(h.nal_unit_type << 9 | h.temporal_id + 1, 16)
    w.flag(h.first_slice_segment)
    if h.is_irap:
        w.flag(h.no_output_of_prior_pics)
    w.ue(pps.id)
    if not h.first_slice_segment:
        if pps.dependent_slices:
            w.flag(False)
        w.u(h.address, ceil_log2(sps.width_ctbs * sps.height_ctbs))
    w.u(h.reserved_bits, pps.num_extra_slice_header_bits)
    w.ue(h.slice_type)
    if pps.output_flag_present:
        w.flag(h.pic_output)
    if sps.separate_colour_plane:
        w.u(h.colour_plane, 2)
    if not h.is_idr:
        w.u(h.poc_lsb, sps.log2_max_poc_lsb)
        _short_term_rps(w, h)
        if sps.long_term_present:
            _long_term(w, h)
        if sps.temporal_mvp:
            w.flag(h.temporal_mvp)
    if sps.sao:
        w.flag(h.sao_luma)
        if sps.chroma_array_type:
            w.flag(h.sao_chroma)
    if h.slice_type != hevc.I:
        _inter_fields(w, h)
    _quantiser_and_filters(w, h)
    if pps.tiles or pps.entropy_coding_sync:
        w.ue(len(entry_points))
        if entry_points:
            length = max(1, max(entry_points).bit_length())
            w.ue(length - 1)
            for size in entry_points:
                w.u(size - 1, length)
    if pps.slice_header_extension:
        w.ue(0)
    return w.aligned()


def _short_term_rps(w: BitWriter, h: hevc.SliceHeader) -> None:
    """short_term_ref_pic_set_sps_flag and the set, never predicted from another one."""
    sets = h.sps.short_term_rps
    if h.short_term_rps_idx is not None:
        w.flag(True)
        w.u(h.short_term_rps_idx, ceil_log2(len(sets)))
        return
    w.flag(False)
    if sets:
        w.flag(False)
    w.ue(len(h.short_term_rps.negative))
    w.ue(len(h.short_term_rps.positive))
    for entries in (h.short_term_rps.negative, h.short_term_rps.positive):
        last = 0
        for delta, used in entries:
            w.ue(abs(delta - last) - 1)
            w.flag(used)
            last = delta


def _long_term(w: BitWriter, h: hevc.SliceHeader) -> None:
    candidates = h.sps.long_term_candidates
    if candidates:
        w.ue(h.num_long_term_sps)
    w.ue(len(h.long_term) - h.num_long_term_sps)
    last = 0
    for index, (lsb, used, cycle) in enumerate(h.long_term):
        if index < h.num_long_term_sps:
            w.u(candidates.index((lsb, used)), ceil_log2(len(candidates)))
        else:
            w.u(lsb, h.sps.log2_max_poc_lsb)
            w.flag(used)
        if index in (0, h.num_long_term_sps):
            last = 0
        w.flag(cycle is not None)
        if cycle is not None:
            w.ue(cycle - last)
            last = cycle


def _inter_fields(w: BitWriter, h: hevc.SliceHeader) -> None:
    sps, pps = h.sps, h.pps
    is_b = h.slice_type == hevc.B
    w.flag(h.num_ref_idx_override)
    if h.num_ref_idx_override:
        w.ue(h.num_ref_idx[0] - 1)
        if is_b:
            w.ue(h.num_ref_idx[1] - 1)
    total = h.num_pic_total_curr
    if pps.lists_modification_present and total > 1:
        for entries in h.list_modification[: 1 + is_b]:
            w.flag(entries is not None)
            for entry in entries or ():
                w.u(entry, ceil_log2(total))
    if is_b:
        w.flag(h.mvd_l1_zero)
    if pps.cabac_init_present:
        w.flag(h.cabac_init)
    if h.temporal_mvp:
        if is_b:
            w.flag(h.collocated_from_l0)
        if h.num_ref_idx[0 if h.collocated_from_l0 else 1] > 1:
            w.ue(h.collocated_ref_idx)
    if h.weights is not None:
        w.ue(h.luma_log2_weight_denom)
        if sps.chroma_array_type:
            w.se(h.delta_chroma_log2_weight_denom)
        for table in h.weights[: 1 + is_b]:
            _weights(w, table, sps.chroma_array_type != 0)
    w.ue(5 - h.max_num_merge_cand)
    if sps.motion_vector_resolution_control_idc == 2:
        w.flag(h.use_integer_mv)


def _weights(w: BitWriter, table: hevc.WeightTable, chroma: bool) -> None:
    """One list of pred_weight_table (7.3.6.3)."""
    for entry in table:
        w.flag(entry[0] is not None)
    if chroma:
        for entry in table:
            w.flag(entry[1] is not None)
    for entry in table:
        for pair in entry:
            if pair is not None:
                w.se(pair[0])
                w.se(pair[1])


def _quantiser_and_filters(w: BitWriter, h: hevc.SliceHeader) -> None:
    """From slice_qp_delta to slice_loop_filter_across_slices_enabled_flag."""
    pps = h.pps
    w.se(h.slice_qp_delta)
    if pps.slice_chroma_qp_offsets_present:
        w.se(h.chroma_qp_offset[0])
        w.se(h.chroma_qp_offset[1])
    if pps.slice_act_qp_offsets_present:
        for offset in h.act_qp_offset:
            w.se(offset)
    if pps.chroma_qp_offset_lists:
        w.flag(h.cu_chroma_qp_offset_enabled)
    if pps.deblocking_override_enabled:
        w.flag(h.deblocking_override)
        if h.deblocking_override:
            w.flag(h.deblocking_disabled)
            if not h.deblocking_disabled:
                w.se(h.beta_offset_div2)
                w.se(h.tc_offset_div2)
    if pps.loop_filter_across_slices and (h.sao_luma or h.sao_chroma or not h.deblocking_disabled):
        w.flag(h.loop_filter_across_slices)
