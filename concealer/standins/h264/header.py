"""Writing a H.264 slice header from its fields (7.3.3): the inverse of `h264.parse_slice_header`."""

from __future__ import annotations

from concealer.bitstream import BitWriter, NalUnit, escape, h264, unescape


def write_slice_header(h: h264.SliceHeader) -> BitWriter:
    """NAL header and slice header, not aligned. Slice groups are not written."""
    sps, pps = h.sps, h.pps
    w = BitWriter()
    w.u(h.nal_ref_idc << 5 | h.nal_unit_type, 8)
    w.ue(h.first_mb)
    w.ue(h.slice_type + 5 * h.slice_type_is_picture_wide)
    w.ue(pps.id)
    if sps.separate_colour_plane:
        w.u(h.colour_plane, 2)
    w.u(h.frame_num, sps.log2_max_frame_num)
    if not sps.frame_mbs_only:
        w.flag(h.field_pic)
        if h.field_pic:
            w.flag(h.bottom_field)
    if h.is_idr:
        w.ue(h.idr_pic_id)
    both_fields = pps.bottom_field_pic_order_in_frame_present and not h.field_pic
    if sps.poc_type == 0:
        w.u(h.poc_lsb, sps.log2_max_poc_lsb)
        if both_fields:
            w.se(h.delta_poc_bottom)
    elif sps.poc_type == 1 and not sps.delta_pic_order_always_zero:
        w.se(h.delta_poc[0])
        if both_fields:
            w.se(h.delta_poc[1])
    if pps.redundant_pic_cnt_present:
        w.ue(h.redundant_pic_cnt)
    if h.slice_type in (h264.P, h264.B):
        _references(w, h)
    if h.nal_ref_idc:
        _reference_marking(w, h)
    if pps.cabac and h.slice_type != h264.I:
        w.ue(h.cabac_init_idc)
    w.se(h.slice_qp_delta)
    if pps.deblocking_filter_control_present:
        w.ue(h.disable_deblocking_filter_idc)
        if h.disable_deblocking_filter_idc != 1:
            w.se(h.slice_alpha_c0_offset_div2)
            w.se(h.slice_beta_offset_div2)
    return w


def with_header(header: h264.SliceHeader, own: h264.SliceHeader, nal: NalUnit, tail: bytes) -> NalUnit | None:
    """A slice with another header, and `tail` behind it; None for those of IDR pictures, which are no others', and in
    CAVLC, whose macroblocks do not begin at a byte border.

    own: the header of the slice in `nal`.
    """
    if own.is_idr or not own.pps.cabac:
        return None
    start = len(write_slice_header(own).aligned(stop="", fill="1"))
    head = write_slice_header(header).aligned(stop="", fill="1")
    return NalUnit(escape(head + unescape(nal.data)[start:] + tail))


def _references(w: BitWriter, h: h264.SliceHeader) -> None:
    is_b = h.slice_type == h264.B
    if is_b:
        w.flag(h.direct_spatial_mv_pred)
    w.flag(h.num_ref_idx_override)
    if h.num_ref_idx_override:
        for count in h.num_ref_idx[: 1 + is_b]:
            w.ue(count - 1)
    for commands in h.list_modification[: 1 + is_b]:
        w.flag(commands is not None)
        if commands is not None:
            for operation, value in commands:
                w.ue(operation)
                w.ue(value)
            w.ue(3)
    if h.weights is not None:
        w.ue(h.luma_log2_weight_denom)
        if h.sps.chroma_array_type:
            w.ue(h.chroma_log2_weight_denom)
        for table in h.weights[: 1 + is_b]:
            for luma, *chroma in table:
                _weights(w, [luma])
                if h.sps.chroma_array_type:
                    _weights(w, chroma)


def _weights(w: BitWriter, pairs: list[tuple[int, int] | None]) -> None:
    """The flag and the (weight, offset) pairs it announces, all of them or none."""
    w.flag(pairs[0] is not None)
    for pair in pairs:
        if pair is not None:
            w.se(pair[0])
            w.se(pair[1])


def _reference_marking(w: BitWriter, h: h264.SliceHeader) -> None:
    if h.is_idr:
        w.flag(h.no_output_of_prior_pics)
        w.flag(h.long_term_reference)
        return
    w.flag(h.marking is not None)
    if h.marking is not None:
        for command in h.marking:
            for value in command:
                w.ue(value)
        w.ue(0)
