"""H.264 slice headers (ITU-T H.264 7.3.3)."""

from __future__ import annotations

from collections.abc import Mapping

from concealer.bitstream.bits import BitReader, BitstreamError, ceil_log2
from concealer.bitstream.h264.header import NAL_IDR, SI, SP, B, I, P, SliceHeader, WeightTable, copied
from concealer.bitstream.h264.sets import Pps, Sps
from concealer.bitstream.nal import NalUnit, unescape

_HEADER_BYTES = 96
"""Enough for nearly every slice header; longer ones are read again whole."""


def parse_slice_header(
    nal: NalUnit, sps: Mapping[int, Sps], pps: Mapping[int, Pps], like: SliceHeader | None = None
) -> SliceHeader:
    """Header of a slice or slice data partition A; raises BitstreamError.

    `like`: a header read before. Where this one begins with the same bits, or with those of another picture's number
    and order in between, their fields are copied, which is several times faster than reading reference lists and
    weights again.
    """
    try:
        return _slice_header(nal.data[0], BitReader(unescape(nal.data[:_HEADER_BYTES])), sps, pps, like)
    except BitstreamError:
        if len(nal.data) <= _HEADER_BYTES:
            raise
    return _slice_header(nal.data[0], BitReader(unescape(nal.data[:4096])), sps, pps, like)


def _slice_header(
    nal_header: int,
    r: BitReader,
    sps_by_id: Mapping[int, Sps],
    pps_by_id: Mapping[int, Pps],
    like: SliceHeader | None,
) -> SliceHeader:
    r.pos = 8
    first_mb = r.ue()
    if (
        like is not None
        and like.nal_unit_type == nal_header & 31
        and like.nal_ref_idc == nal_header >> 5 & 3
        and pps_by_id.get(like.pps_id) is like.pps
        and sps_by_id.get(like.sps.id) is like.sps
        and r.bits.startswith(like.common_bits, r.pos)
    ):
        h = copied(like)
        h.first_mb = first_mb
        r.pos += len(like.common_bits)
    else:
        kin = like if like is not None and like.kind_bits else None
        h = (None if kin is None else _similar(nal_header, first_mb, r, sps_by_id, pps_by_id, kin)) or _common_fields(
            nal_header, first_mb, r, sps_by_id, pps_by_id
        )
    size_mbs = h.sps.width_mbs * h.sps.height_mbs
    if first_mb >= (size_mbs >> 1 if h.field_pic or h.sps.mb_adaptive_frame_field else size_mbs):
        raise BitstreamError(f"first_mb_in_slice {first_mb} is outside the picture")
    _own_fields(r, h)
    return h


def _similar(
    nal_header: int,
    first_mb: int,
    r: BitReader,
    sps_by_id: Mapping[int, Sps],
    pps_by_id: Mapping[int, Pps],
    like: SliceHeader,
) -> SliceHeader | None:
    """`like` with the number and order of another picture, if all other bits are the same; None if they are not."""
    sps, bits, start = like.sps, r.bits, r.pos
    if (
        like.nal_unit_type != nal_header & 31
        or like.nal_ref_idc != nal_header >> 5 & 3
        or pps_by_id.get(like.pps_id) is not like.pps
        or sps_by_id.get(sps.id) is not sps
        or not bits.startswith(like.kind_bits, start)
    ):
        return None
    number = start + len(like.kind_bits)
    order = number + sps.log2_max_frame_num
    tail = order + (sps.log2_max_poc_lsb if sps.poc_type == 0 else 0)
    end = tail + len(like.tail_bits)
    if end > len(bits) or not bits.startswith(like.tail_bits, tail):
        return None
    h = copied(like)
    h.first_mb, h.frame_num = first_mb, int(bits[number:order], 2)
    if tail > order:
        h.poc_lsb = int(bits[order:tail], 2)
    h.common_bits, r.pos = bits[start:end], end
    return h


def _common_fields(
    nal_header: int, first_mb: int, r: BitReader, sps_by_id: Mapping[int, Sps], pps_by_id: Mapping[int, Pps]
) -> SliceHeader:
    """From slice_type to dec_ref_pic_marking()."""
    start = r.pos
    slice_type = r.ue_max(9, "slice_type")
    pps = pps_by_id.get(pps_id := r.ue())
    if pps is None:
        raise BitstreamError(f"picture parameter set {pps_id} was never received")
    sps = sps_by_id.get(pps.sps_id)
    if sps is None:
        raise BitstreamError(f"sequence parameter set {pps.sps_id} was never received")

    h = SliceHeader(sps, pps)
    h.nal_unit_type, h.nal_ref_idc = nal_header & 31, nal_header >> 5 & 3
    h.first_mb, h.pps_id = first_mb, pps_id
    kind = h.slice_type = slice_type % 5
    h.slice_type_is_picture_wide = slice_type > 4
    if h.nal_unit_type == NAL_IDR and kind not in (I, SI):
        raise BitstreamError(f"IDR picture with slice_type {slice_type}")
    if sps.separate_colour_plane:
        h.colour_plane = r.u(2)
        if h.colour_plane > 2:
            raise BitstreamError("colour_plane_id must be at most 2")
    number = r.pos
    h.frame_num = r.u(sps.log2_max_frame_num)
    if not sps.frame_mbs_only:
        h.field_pic = r.flag()
        if h.field_pic:
            h.bottom_field = r.flag()
    if h.nal_unit_type == NAL_IDR:
        h.idr_pic_id = r.ue_max(65535, "idr_pic_id")
    if sps.poc_type == 0:
        h.poc_lsb = r.u(sps.log2_max_poc_lsb)
        if pps.bottom_field_pic_order_in_frame_present and not h.field_pic:
            h.delta_poc_bottom = r.se()
    elif sps.poc_type == 1 and not sps.delta_pic_order_always_zero:
        first = r.se()
        both = pps.bottom_field_pic_order_in_frame_present and not h.field_pic
        h.delta_poc = (first, r.se() if both else 0)
    if pps.redundant_pic_cnt_present:
        h.redundant_pic_cnt = r.ue_max(127, "redundant_pic_cnt")
    tail, only = r.pos, number + sps.log2_max_frame_num + (sps.log2_max_poc_lsb if sps.poc_type == 0 else 0)
    if kind in (P, SP, B):
        _references(r, h)
    if h.nal_ref_idc:
        _reference_marking(r, h)
    h.common_bits = r.bits[start : r.pos]
    if tail == only:
        h.kind_bits, h.tail_bits = r.bits[start:number], r.bits[tail : r.pos]
    return h


def _own_fields(r: BitReader, h: SliceHeader) -> None:
    """From cabac_init_idc to the end."""
    sps, pps, kind = h.sps, h.pps, h.slice_type
    if pps.cabac and kind not in (I, SI):
        h.cabac_init_idc = r.ue_max(2, "cabac_init_idc")
    h.slice_qp_delta = r.se()
    if not -6 * (sps.bit_depth_luma - 8) <= pps.pic_init_qp + h.slice_qp_delta <= 51:
        raise BitstreamError(f"slice_qp_delta {h.slice_qp_delta} leads outside the QP range")
    if kind in (SP, SI):
        if kind == SP:
            h.sp_for_switch = r.flag()
        h.slice_qs_delta = r.se_within(-51, 51, "slice_qs_delta")
    if pps.deblocking_filter_control_present:
        h.disable_deblocking_filter_idc = r.ue_max(2, "disable_deblocking_filter_idc")
        h.slice_alpha_c0_offset_div2 = h.slice_beta_offset_div2 = 0
        if h.disable_deblocking_filter_idc != 1:
            h.slice_alpha_c0_offset_div2 = r.se_within(-6, 6, "slice_alpha_c0_offset_div2")
            h.slice_beta_offset_div2 = r.se_within(-6, 6, "slice_beta_offset_div2")
    if pps.num_slice_groups > 1 and 3 <= pps.slice_group_map_type <= 5:
        units = sps.width_mbs * sps.height_map_units
        h.slice_group_change_cycle = r.u(ceil_log2(-(-units // pps.slice_group_change_rate) + 1))


def _references(r: BitReader, h: SliceHeader) -> None:
    """Reference counts, list modification (7.3.3.1) and weights (7.3.3.2) of a P, SP or B slice."""
    is_b = h.slice_type == B
    if is_b:
        h.direct_spatial_mv_pred = r.flag()
    h.num_ref_idx_override = r.flag()
    if h.num_ref_idx_override:
        first = 1 + r.ue_max(31, "num_ref_idx_l0_active_minus1")
        h.num_ref_idx = (first, 1 + r.ue_max(31, "num_ref_idx_l1_active_minus1") if is_b else 0)
    else:
        first, second = h.pps.num_ref_idx_default
        h.num_ref_idx = (first, second if is_b else 0)
    modification = _list_modification(r) if r.flag() else None
    h.list_modification = (modification, _list_modification(r) if is_b and r.flag() else None)
    if h.pps.weighted_bipred_idc == 1 if is_b else h.pps.weighted_pred:
        h.luma_log2_weight_denom = r.ue_max(7, "luma_log2_weight_denom")
        if h.sps.chroma_array_type:
            h.chroma_log2_weight_denom = r.ue_max(7, "chroma_log2_weight_denom")
        first_table = _weights(r, h.num_ref_idx[0], h.sps.chroma_array_type != 0)
        h.weights = (first_table, _weights(r, h.num_ref_idx[1], h.sps.chroma_array_type != 0))


def _list_modification(r: BitReader) -> tuple[tuple[int, int], ...]:
    commands = []
    while (idc := r.ue_max(3, "modification_of_pic_nums_idc")) != 3:
        commands.append((idc, r.ue()))
        if len(commands) > 66:
            raise BitstreamError("reference list modification without end")
    return tuple(commands)


def _weights(r: BitReader, count: int, chroma: bool) -> WeightTable:
    table: list[tuple[tuple[int, int] | None, ...]] = []
    for _ in range(count):
        luma = (_weight(r), _weight(r)) if r.flag() else None
        if chroma and r.flag():
            table.append((luma, (_weight(r), _weight(r)), (_weight(r), _weight(r))))
        else:
            table.append((luma, None, None))
    return tuple(table)


def _weight(r: BitReader) -> int:
    return r.se_within(-128, 127, "prediction weight")


def _reference_marking(r: BitReader, h: SliceHeader) -> None:
    """dec_ref_pic_marking (7.3.3.3)."""
    if h.nal_unit_type == NAL_IDR:
        h.no_output_of_prior_pics, h.long_term_reference = r.flag(), r.flag()
    elif r.flag():
        commands = []
        while operation := r.ue_max(6, "memory_management_control_operation"):
            operands = (0, 1, 1, 2, 1, 0, 1)[operation]
            commands.append((operation, *(r.ue() for _ in range(operands))))
            if len(commands) > 66:
                raise BitstreamError("reference marking without end")
        h.marking = tuple(commands)
