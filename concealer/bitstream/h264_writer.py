"""Writing H.264 slices: pictures that repeat their reference (7.3.3, 7.3.4, 9.3.4)."""

from __future__ import annotations

from . import h264
from .bits import BitWriter
from .cabac import RANGE_LPS
from .nal import NalUnit, escape

_SKIP_QP = 40
"""At this QP the context of mb_skip_flag starts with 1 as its most probable symbol (9.3.1.1)."""

_FIRST_STATE = 26
_RANGE_LPS = RANGE_LPS[_FIRST_STATE:63]
"""The states that a run of most probable symbols passes."""


def repeated_picture(
    like: h264.SliceHeader, frame_num: int, poc: int, is_reference: bool
) -> list[NalUnit] | None:
    """A frame of skipped macroblocks: an exact copy of the latest reference picture.

    `like`: a header of a picture near by, for its parameter sets. One unit, three with separate colour
    planes. None with slice groups.
    """
    if like.pps.num_slice_groups > 1:
        return None
    planes: tuple[int | None, ...] = (0, 1, 2) if like.sps.separate_colour_plane else (None,)
    return [_skipped_slice(like, frame_num, poc, is_reference, plane) for plane in planes]


def _skipped_slice(
    like: h264.SliceHeader, frame_num: int, poc: int, is_reference: bool, plane: int | None
) -> NalUnit:
    sps, pps = like.sps, like.pps
    w = BitWriter()
    w.u((like.nal_ref_idc or 2 if is_reference else 0) << 5 | h264.NAL_SLICE, 8)
    w.ue(0)
    w.ue(h264.P)
    w.ue(pps.id)
    if plane is not None:
        w.u(plane, 2)
    w.u(frame_num, sps.log2_max_frame_num)
    if not sps.frame_mbs_only:
        w.flag(False)
    if sps.poc_type == 0:
        w.u(poc, sps.log2_max_poc_lsb)
        if pps.bottom_field_pic_order_in_frame_present:
            w.se(0)
    elif sps.poc_type == 1 and not sps.delta_pic_order_always_zero:
        w.se(0)
        if pps.bottom_field_pic_order_in_frame_present:
            w.se(0)
    if pps.redundant_pic_cnt_present:
        w.ue(0)
    w.flag(True)
    w.ue(0)
    w.flag(False)
    if pps.weighted_pred:
        w.ue(0)
        if sps.chroma_array_type:
            w.ue(0)
        w.bits("00" if sps.chroma_array_type else "0")
    if is_reference:
        w.flag(False)
    if pps.cabac:
        w.ue(0)
    w.se(_SKIP_QP - pps.pic_init_qp)
    if pps.deblocking_filter_control_present:
        w.ue(1)
    count = sps.width_mbs * sps.height_mbs
    if pps.cabac:
        return NalUnit(escape(w.aligned(stop="", fill="1") + _cabac_skip_run(count)))
    w.ue(count)
    return NalUnit(escape(w.aligned()))


def _cabac_skip_run(count: int) -> bytes:
    """slice_data() of `count` skipped macroblocks.

    All neighbours are skipped, so one context codes every mb_skip_flag, and every flag is its most
    probable symbol: the coder's low stays 0 up to the final end_of_slice_flag, and only the number of
    renormalising shifts has to be known.
    """
    code_range, state, shifts = 510, 0, 0
    for macroblock in range(count):
        code_range -= _RANGE_LPS[state][code_range >> 6 & 3]
        state = min(state + 1, len(_RANGE_LPS) - 1)
        if code_range < 256:
            code_range <<= 1
            shifts += 1
        if macroblock < count - 1:
            code_range -= 2
            if code_range < 256:
                code_range <<= 1
                shifts += 1
    # EncodeFlush (9.3.4.5): low = range - 2, then ten more bits of it follow; the first bit of all is
    # dropped (firstBitFlag) and the last is rbsp_stop_one_bit.
    bits = format((code_range - 2) << 7, f"0{shifts + 17}b")[1 : shifts + 9] + "1"
    w = BitWriter()
    w.bits(bits)
    return w.aligned(stop="")
