"""HEVC slice segment headers (ITU-T H.265 7.3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from concealer.bitstream.bits import BitReader, BitstreamError, ceil_log2
from concealer.bitstream.hevc.header import B, I, SliceHeader, WeightTable, copied
from concealer.bitstream.hevc.reference_sets import parse_short_term_rps
from concealer.bitstream.hevc.sets import Pps, Sps
from concealer.bitstream.nal import NalUnit, unescape

_HEADER_BYTES = 96
"""Enough for nearly every header; longer ones (many entry points) are read again whole."""
_ESCAPED = b"\x00\x00\x03"


def substream_starts(nal: NalUnit, header: SliceHeader) -> tuple[int, ...]:
    """Places in the data of `nal` where its substreams were sent to begin, by the entry points of its `header`.

    Bytes that went missing are not accounted for.
    """
    first, removed = header.data_byte, 0
    found = nal.data.find(_ESCAPED)
    while found >= 0 and found + 2 - removed < first:
        removed += 1
        found = nal.data.find(_ESCAPED, found + 3)
    return tuple(accumulate(header.entry_points, initial=first + removed))


def reference_deltas(header: SliceHeader, which: int) -> list[int | None]:
    """POC differences of the entries of reference list `which` (8.3.4); None for a long-term picture."""
    past = [delta for delta, used in header.short_term_rps.negative if used]
    future = [delta for delta, used in header.short_term_rps.positive if used]
    candidates = [*past, *future] if which == 0 else [*future, *past]
    if not candidates:
        return []
    total = len(candidates) + sum(used for _, used, _ in header.long_term)
    entries = header.list_modification[which] or tuple(index % total for index in range(header.num_ref_idx[which]))
    return [candidates[index] if index < len(candidates) else None for index in entries]


def first_reference(header: SliceHeader, which: int) -> int | None:
    """POC difference of entry 0 of reference list `which` (8.3.4); None for a long-term picture or none."""
    deltas = reference_deltas(header, which)
    return deltas[0] if deltas else None


def parse_slice_header(
    nal: NalUnit,
    sps: Mapping[int, Sps],
    pps: Mapping[int, Pps],
    previous: SliceHeader | None = None,
    like: SliceHeader | None = None,
) -> SliceHeader:
    """Slice segment header; raises BitstreamError.

    `previous`: header of the segment before in the same picture, which a dependent segment continues.
    Where an independent one begins with the same bits their fields are copied, which is several times
    faster than reading them again. `like`: header of another picture; with its bits, but for the order, the same is
    done.
    """
    if len(nal.data) < 3:
        raise BitstreamError("slice segment of less than 3 bytes")
    try:
        return _slice_header(nal.data, BitReader(unescape(nal.data[:_HEADER_BYTES])), sps, pps, previous, like)
    except BitstreamError:
        if len(nal.data) <= _HEADER_BYTES:
            raise
    return _slice_header(nal.data, BitReader(unescape(nal.data[:8192])), sps, pps, previous, like)


def _slice_header(
    data: bytes,
    r: BitReader,
    sps_by_id: Mapping[int, Sps],
    pps_by_id: Mapping[int, Pps],
    previous: SliceHeader | None,
    like: SliceHeader | None,
) -> SliceHeader:
    r.pos = 16
    nal_unit_type = data[0] >> 1 & 63
    first = r.flag()
    no_output = r.flag() if 16 <= nal_unit_type <= 23 else False
    pps = pps_by_id.get(pps_id := r.ue())
    if pps is None:
        raise BitstreamError(f"picture parameter set {pps_id} was never received")
    sps = sps_by_id.get(pps.sps_id)
    if sps is None:
        raise BitstreamError(f"sequence parameter set {pps.sps_id} was never received")
    address_bit = r.pos
    address, dependent, same = 0, False, False
    if not first:
        dependent = pps.dependent_slices and r.flag()
        size = sps.width_ctbs * sps.height_ctbs
        address = r.u(ceil_log2(size))
        if not 0 < address < size:
            raise BitstreamError(f"slice_segment_address {address} is outside 1..{size - 1}")
    if dependent:
        if previous is None or previous.pps is not pps or previous.nal_unit_type != nal_unit_type:
            raise BitstreamError("dependent slice segment without the one it continues")
        h = copied(previous)
    elif (known := _taken_over(data, r, sps, pps, previous, like)) is not None:
        h = known
        same = True
    else:
        h = SliceHeader(sps, pps)
        h.nal_unit_type, h.temporal_id = nal_unit_type, (data[1] & 7) - 1
        if h.temporal_id < 0:
            raise BitstreamError("nuh_temporal_id_plus1 is 0")
    h.first_slice_segment, h.no_output_of_prior_pics, h.pps_id = first, no_output, pps_id
    h.dependent, h.address, h.address_bit, h.body_bit = dependent, address, address_bit, r.pos
    if not dependent:
        if same:
            r.pos += len(h.common_bits)
        else:
            _common_fields(r, h)
            h.common_bits = r.bits[h.body_bit : r.pos]
        _own_fields(r, h)
    _end(r, h)
    return h


def _taken_over(
    data: bytes, r: BitReader, sps: Sps, pps: Pps, previous: SliceHeader | None, like: SliceHeader | None
) -> SliceHeader | None:
    """A copy of one of both headers with `common_bits` as they stand here; None if neither says the same."""
    known = previous if previous is not None else like
    if (
        known is None
        or known.pps is not pps
        or known.sps is not sps
        or known.nal_unit_type != data[0] >> 1 & 63
        or known.temporal_id != (data[1] & 7) - 1
    ):
        return None
    if previous is not None:
        return copied(previous) if r.bits.startswith(previous.common_bits, r.pos) else None
    return _similar(r, known) if known.kind_bits else None


def _similar(r: BitReader, like: SliceHeader) -> SliceHeader | None:
    """`like` with the order of another picture, if all other bits from here on are the same; None if they are not."""
    bits, start = r.bits, r.pos
    order = start + len(like.kind_bits)
    tail = order + like.sps.log2_max_poc_lsb
    end = tail + len(like.tail_bits)
    if end > len(bits) or not (bits.startswith(like.kind_bits, start) and bits.startswith(like.tail_bits, tail)):
        return None
    h = copied(like)
    h.poc_lsb, h.common_bits = int(bits[order:tail], 2), bits[start:end]
    return h


def _end(r: BitReader, h: SliceHeader) -> None:
    """Entry points, extension and alignment, which every segment has."""
    h.entry_bit = r.pos
    h.entry_points = ()
    if h.pps.tiles or h.pps.entropy_coding_sync:
        count = r.ue_max(440 * h.sps.height_ctbs, "num_entry_point_offsets")
        if count:
            length = 1 + r.ue_max(31, "offset_len_minus1")
            h.entry_points = tuple([1 + r.u(length) for _ in range(count)])
    if h.pps.slice_header_extension:
        r.skip(8 * r.ue_max(256, "slice_segment_header_extension_length"))
    if not r.flag():
        raise BitstreamError("byte_alignment() does not begin with a one")
    h.data_byte = -(-r.pos // 8)


def _common_fields(r: BitReader, h: SliceHeader) -> None:
    """Fields of an independent segment up to slice_qp_delta."""
    sps, pps = h.sps, h.pps
    h.reserved_bits = r.u(pps.num_extra_slice_header_bits)
    h.slice_type = r.ue_max(2, "slice_type")
    if h.is_irap and h.slice_type != I and not pps.curr_pic_ref:
        raise BitstreamError("IRAP picture with an inter slice")
    if pps.output_flag_present:
        h.pic_output = r.flag()
    if sps.separate_colour_plane:
        h.colour_plane = r.u(2)
    order = r.pos
    if not h.is_idr:
        _reference_picture_set(r, h)
    if sps.sao:
        h.sao_luma = r.flag()
        if sps.chroma_array_type:
            h.sao_chroma = r.flag()
    if h.slice_type != I:
        _inter_fields(r, h)
    if not h.is_idr:
        h.kind_bits, h.tail_bits = r.bits[h.body_bit : order], r.bits[order + sps.log2_max_poc_lsb : r.pos]


def _own_fields(r: BitReader, h: SliceHeader) -> None:
    """Fields of an independent segment from slice_qp_delta on."""
    sps, pps = h.sps, h.pps
    h.slice_qp_delta = r.se()
    if not -6 * (sps.bit_depth_luma - 8) <= pps.init_qp + h.slice_qp_delta <= 51:
        raise BitstreamError(f"slice_qp_delta {h.slice_qp_delta} leads outside the QP range")
    if pps.slice_chroma_qp_offsets_present:
        h.chroma_qp_offset = (r.se_within(-12, 12, "cb offset"), r.se_within(-12, 12, "cr offset"))
    if pps.slice_act_qp_offsets_present:
        h.act_qp_offset = (r.se(), r.se(), r.se())
    if pps.chroma_qp_offset_lists:
        h.cu_chroma_qp_offset_enabled = r.flag()
    if pps.deblocking_override_enabled:
        h.deblocking_override = r.flag()
    h.deblocking_disabled = pps.deblocking_disabled
    h.beta_offset_div2, h.tc_offset_div2 = pps.beta_offset_div2, pps.tc_offset_div2
    if h.deblocking_override:
        h.deblocking_disabled = r.flag()
        if not h.deblocking_disabled:
            h.beta_offset_div2 = r.se_within(-6, 6, "slice_beta_offset_div2")
            h.tc_offset_div2 = r.se_within(-6, 6, "slice_tc_offset_div2")
    h.loop_filter_across_slices = pps.loop_filter_across_slices
    if pps.loop_filter_across_slices and (h.sao_luma or h.sao_chroma or not h.deblocking_disabled):
        h.loop_filter_across_slices = r.flag()


def _reference_picture_set(r: BitReader, h: SliceHeader) -> None:
    sps = h.sps
    h.poc_lsb = r.u(sps.log2_max_poc_lsb)
    if r.flag():
        if not sps.short_term_rps:
            raise BitstreamError("reference picture set of an SPS that has none")
        index = r.u(ceil_log2(len(sps.short_term_rps)))
        if index >= len(sps.short_term_rps):
            raise BitstreamError(f"short_term_ref_pic_set_idx {index} is out of range")
        h.short_term_rps_idx, h.short_term_rps = index, sps.short_term_rps[index]
    else:
        h.short_term_rps = parse_short_term_rps(r, sps.short_term_rps, in_slice_header=True)
    if sps.long_term_present:
        _long_term(r, h)
    if sps.temporal_mvp:
        h.temporal_mvp = r.flag()


def _long_term(r: BitReader, h: SliceHeader) -> None:
    """Long-term pictures of the slice header (7.4.7.1, (7-51), (7-52))."""
    candidates = h.sps.long_term_candidates
    if candidates:
        h.num_long_term_sps = r.ue_max(len(candidates), "num_long_term_sps")
    count = h.num_long_term_sps + r.ue_max(16, "num_long_term_pics")
    entries: list[tuple[int, bool, int | None]] = []
    cycle = 0
    for index in range(count):
        if index < h.num_long_term_sps:
            chosen = r.u(ceil_log2(len(candidates)))
            if chosen >= len(candidates):
                raise BitstreamError(f"lt_idx_sps {chosen} is out of range")
            lsb, used = candidates[chosen]
        else:
            lsb, used = r.u(h.sps.log2_max_poc_lsb), r.flag()
        if index in (0, h.num_long_term_sps):
            cycle = 0
        has_msb = r.flag()
        if has_msb:
            cycle += r.ue()
        entries.append((lsb, used, cycle if has_msb else None))
    h.long_term = tuple(entries)


def _inter_fields(r: BitReader, h: SliceHeader) -> None:
    sps, pps = h.sps, h.pps
    is_b = h.slice_type == B
    h.num_ref_idx_override = r.flag()
    first, second = pps.num_ref_idx_default
    if h.num_ref_idx_override:
        first = 1 + r.ue_max(14, "num_ref_idx_l0_active_minus1")
        if is_b:
            second = 1 + r.ue_max(14, "num_ref_idx_l1_active_minus1")
    h.num_ref_idx = (first, second if is_b else 0)
    total = h.num_pic_total_curr
    if total == 0:
        raise BitstreamError("inter slice without reference pictures")
    if pps.lists_modification_present and total > 1:
        first_list = _list_entries(r, first, total) if r.flag() else None
        h.list_modification = (first_list, _list_entries(r, second, total) if is_b and r.flag() else None)
    if is_b:
        h.mvd_l1_zero = r.flag()
    if pps.cabac_init_present:
        h.cabac_init = r.flag()
    if h.temporal_mvp:
        if is_b:
            h.collocated_from_l0 = r.flag()
        choices = first if h.collocated_from_l0 else second
        if choices > 1:
            h.collocated_ref_idx = r.ue_max(choices - 1, "collocated_ref_idx")
    if pps.weighted_bipred if is_b else pps.weighted_pred:
        h.luma_log2_weight_denom = r.ue_max(7, "luma_log2_weight_denom")
        if sps.chroma_array_type:
            h.delta_chroma_log2_weight_denom = r.se_within(-7, 7, "delta_chroma_log2_weight_denom")
        h.weights = (_weights(r, first, sps), _weights(r, second, sps) if is_b else ())
    h.max_num_merge_cand = 5 - r.ue_max(4, "five_minus_max_num_merge_cand")
    if sps.motion_vector_resolution_control_idc == 2:
        h.use_integer_mv = r.flag()


def _list_entries(r: BitReader, count: int, total: int) -> tuple[int, ...]:
    entries = tuple([r.u(ceil_log2(total)) for _ in range(count)])
    if max(entries) >= total:
        raise BitstreamError("list_entry out of range")
    return entries


def _weights(r: BitReader, count: int, sps: Sps) -> WeightTable:
    """One list of pred_weight_table (7.3.6.3)."""
    luma_flags = [r.flag() for _ in range(count)]
    chroma_flags = [r.flag() if sps.chroma_array_type else False for _ in range(count)]
    luma_low = -(1 << (sps.bit_depth_luma - 1 if sps.high_precision_offsets else 7))
    chroma_low = -(4 << (sps.bit_depth_chroma - 1 if sps.high_precision_offsets else 7))
    table = []
    for has_luma, has_chroma in zip(luma_flags, chroma_flags, strict=True):
        entry: list[tuple[int, int] | None] = [None, None, None]
        if has_luma:
            delta = r.se_within(-128, 127, "delta_luma_weight")
            entry[0] = (delta, r.se_within(luma_low, -luma_low - 1, "luma_offset"))
        if has_chroma:
            for plane in (1, 2):
                delta = r.se_within(-128, 127, "delta_chroma_weight")
                entry[plane] = (delta, r.se_within(chroma_low, -chroma_low - 1, "delta_chroma_offset"))
        table.append(tuple(entry))
    return tuple(table)
