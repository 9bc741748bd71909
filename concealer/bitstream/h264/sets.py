"""H.264 parameter sets (ITU-T H.264 7.3.2.1, 7.3.2.2)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from concealer.bitstream.bits import BitReader, BitstreamError, ceil_log2
from concealer.bitstream.h264.vui import read_pic_timing
from concealer.bitstream.nal import NalUnit, unescape

_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))


@dataclass
class Sps:
    """Sequence parameter set."""

    nal: NalUnit = field(repr=False)
    profile_idc: int = 0
    constraint_flags: int = 0
    level_idc: int = 0
    id: int = 0
    chroma_format_idc: int = 1
    separate_colour_plane: bool = False
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    lossless_bypass: bool = False
    scaling_lists: tuple[tuple[int, ...] | None, ...] | None = None
    """Up to 12 lists in zig-zag order; an empty tuple = default list, None = fall-back rule."""
    log2_max_frame_num: int = 4
    poc_type: int = 0
    log2_max_poc_lsb: int = 4
    delta_pic_order_always_zero: bool = False
    offset_for_non_ref_pic: int = 0
    offset_for_top_to_bottom_field: int = 0
    offset_for_ref_frame: tuple[int, ...] = ()
    max_num_ref_frames: int = 0
    gaps_in_frame_num_allowed: bool = False
    width_mbs: int = 0
    height_map_units: int = 0
    frame_mbs_only: bool = True
    mb_adaptive_frame_field: bool = False
    direct_8x8_inference: bool = False
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    """left, right, top, bottom in cropping units."""
    pic_struct_present: bool = False
    """Picture timing messages tell pic_struct."""
    delay_bits: int = 0
    """Of the delays before it."""

    @property
    def height_mbs(self) -> int:
        """FrameHeightInMbs."""
        return self.height_map_units * (1 if self.frame_mbs_only else 2)

    @property
    def chroma_array_type(self) -> int:
        return 0 if self.separate_colour_plane else self.chroma_format_idc


@dataclass
class Pps:
    """Picture parameter set."""

    nal: NalUnit = field(repr=False)
    id: int = 0
    sps_id: int = 0
    cabac: bool = False
    bottom_field_pic_order_in_frame_present: bool = False
    num_slice_groups: int = 1
    slice_group_map_type: int = 0
    slice_group_change_rate: int = 1
    num_ref_idx_default: tuple[int, int] = (1, 1)
    weighted_pred: bool = False
    weighted_bipred_idc: int = 0
    pic_init_qp: int = 26
    pic_init_qs: int = 26
    chroma_qp_index_offset: tuple[int, int] = (0, 0)
    deblocking_filter_control_present: bool = False
    constrained_intra_pred: bool = False
    redundant_pic_cnt_present: bool = False
    transform_8x8_mode: bool = False
    scaling_lists: tuple[tuple[int, ...] | None, ...] | None = None


def parse_sps(nal: NalUnit) -> Sps:
    """Sequence parameter set; raises BitstreamError, but not for the VUI at its end, which decoding does not need."""
    r = BitReader(unescape(nal.data))
    r.skip(8)
    sps = Sps(nal, r.u(8), r.u(8), r.u(8), r.ue_max(31, "seq_parameter_set_id"))
    if sps.profile_idc in _HIGH_PROFILES:
        sps.chroma_format_idc = r.ue_max(3, "chroma_format_idc")
        if sps.chroma_format_idc == 3:
            sps.separate_colour_plane = r.flag()
        sps.bit_depth_luma = 8 + r.ue_max(6, "bit_depth_luma_minus8")
        sps.bit_depth_chroma = 8 + r.ue_max(6, "bit_depth_chroma_minus8")
        sps.lossless_bypass = r.flag()
        if r.flag():
            sps.scaling_lists = _scaling_lists(r, 12 if sps.chroma_format_idc == 3 else 8)
    sps.log2_max_frame_num = 4 + r.ue_max(12, "log2_max_frame_num_minus4")
    sps.poc_type = r.ue_max(2, "pic_order_cnt_type")
    if sps.poc_type == 0:
        sps.log2_max_poc_lsb = 4 + r.ue_max(12, "log2_max_pic_order_cnt_lsb_minus4")
    elif sps.poc_type == 1:
        sps.delta_pic_order_always_zero = r.flag()
        sps.offset_for_non_ref_pic = r.se()
        sps.offset_for_top_to_bottom_field = r.se()
        cycle = r.ue_max(255, "num_ref_frames_in_pic_order_cnt_cycle")
        sps.offset_for_ref_frame = tuple(r.se() for _ in range(cycle))
    sps.max_num_ref_frames = r.ue_max(16, "max_num_ref_frames")
    sps.gaps_in_frame_num_allowed = r.flag()
    # 1055 macroblocks a side is the limit of level 6.2 (A.3.1).
    sps.width_mbs = 1 + r.ue_max(1054, "pic_width_in_mbs_minus1")
    sps.height_map_units = 1 + r.ue_max(1054, "pic_height_in_map_units_minus1")
    sps.frame_mbs_only = r.flag()
    if not sps.frame_mbs_only:
        sps.mb_adaptive_frame_field = r.flag()
    sps.direct_8x8_inference = r.flag()
    if sps.width_mbs * sps.height_mbs > 139264:
        raise BitstreamError(f"picture of {sps.width_mbs}x{sps.height_mbs} macroblocks is beyond level 6.2")
    if r.flag():
        sps.crop = (r.ue(), r.ue(), r.ue(), r.ue())
    if r.flag():
        with contextlib.suppress(BitstreamError):
            sps.pic_struct_present, sps.delay_bits = read_pic_timing(r)
    return sps


def _scaling_lists(r: BitReader, count: int) -> tuple[tuple[int, ...] | None, ...]:
    """7.3.2.1.1.1."""
    lists: list[tuple[int, ...] | None] = []
    for index in range(count):
        if not r.flag():
            lists.append(None)
            continue
        values: list[int] = []
        last = step = 8
        for _ in range(16 if index < 6 else 64):
            if step:
                step = (last + r.se_within(-128, 127, "delta_scale")) & 255
                if not values and step == 0:
                    break
            last = step or last
            values.append(last)
        lists.append(tuple(values))
    return tuple(lists)


def parse_pps(nal: NalUnit, sps: Mapping[int, Sps]) -> Pps:
    """Picture parameter set; raises BitstreamError.

    `sps`: known sets by id; only the chroma format of the one referred to matters (number of scaling
    lists), 4:2:0 is assumed if it is not there.
    """
    r = BitReader(unescape(nal.data))
    r.skip(8)
    pps = Pps(nal, r.ue_max(255, "pic_parameter_set_id"), r.ue_max(31, "seq_parameter_set_id"))
    pps.cabac = r.flag()
    pps.bottom_field_pic_order_in_frame_present = r.flag()
    pps.num_slice_groups = 1 + r.ue_max(7, "num_slice_groups_minus1")
    if pps.num_slice_groups > 1:
        _slice_groups(r, pps)
    pps.num_ref_idx_default = (1 + r.ue_max(31, "num_ref_idx_l0"), 1 + r.ue_max(31, "num_ref_idx_l1"))
    pps.weighted_pred = r.flag()
    pps.weighted_bipred_idc = r.u(2)
    pps.pic_init_qp = 26 + r.se_within(-62, 25, "pic_init_qp_minus26")
    pps.pic_init_qs = 26 + r.se_within(-26, 25, "pic_init_qs_minus26")
    offset = r.se_within(-12, 12, "chroma_qp_index_offset")
    pps.chroma_qp_index_offset = (offset, offset)
    pps.deblocking_filter_control_present = r.flag()
    pps.constrained_intra_pred = r.flag()
    pps.redundant_pic_cnt_present = r.flag()
    if r.more_rbsp_data():
        pps.transform_8x8_mode = r.flag()
        if r.flag():
            known = sps.get(pps.sps_id)
            per_size = 6 if known is not None and known.chroma_format_idc == 3 else 2
            pps.scaling_lists = _scaling_lists(r, 6 + per_size * pps.transform_8x8_mode)
        pps.chroma_qp_index_offset = (offset, r.se_within(-12, 12, "second_chroma_qp_index_offset"))
    return pps


def _slice_groups(r: BitReader, pps: Pps) -> None:
    pps.slice_group_map_type = r.ue_max(6, "slice_group_map_type")
    match pps.slice_group_map_type:
        case 0:
            for _ in range(pps.num_slice_groups):
                r.ue()
        case 2:
            for _ in range(2 * (pps.num_slice_groups - 1)):
                r.ue()
        case 3 | 4 | 5:
            r.skip(1)
            pps.slice_group_change_rate = 1 + r.ue_max(139263, "slice_group_change_rate_minus1")
        case 6:
            r.skip((1 + r.ue_max(139263, "pic_size_in_map_units_minus1")) * ceil_log2(pps.num_slice_groups))
