"""Headers for H.264 pictures that were lost as a whole; the stand-in writers turn them into slices."""

from __future__ import annotations

import copy

from concealer.bitstream import h264

_NO_WEIGHTS = (((None, None, None),), ())


def lost_picture_header(like: h264.SliceHeader, frame_num: int, poc: int, is_reference: bool) -> h264.SliceHeader:
    """Header of a P frame with one reference, the latest one, for `inter_standin`.

    `like`: a header of a picture near by, for parameter sets, QP, filters, and of a frame for the order of its fields.
    `poc` is PicOrderCnt; with POC type 1 it is what frame_num leads to.
    """
    h = copy.copy(like)
    h.nal_unit_type, h.nal_ref_idc = h264.NAL_SLICE, (like.nal_ref_idc or 2) if is_reference else 0
    h.slice_type, h.slice_type_is_picture_wide = h264.P, False
    h.first_mb = h.colour_plane = h.idr_pic_id = h.redundant_pic_cnt = h.cabac_init_idc = 0
    h.field_pic = h.bottom_field = False
    h.frame_num = frame_num % (1 << h.sps.log2_max_frame_num)
    if like.field_pic:
        h.delta_poc_bottom = 0
    h.poc_lsb = (poc - min(h.delta_poc_bottom, 0)) % (1 << h.sps.log2_max_poc_lsb)
    h.delta_poc = 0, 0 if like.field_pic else like.delta_poc[1]
    h.num_ref_idx_override, h.num_ref_idx, h.list_modification = True, (1, 0), (None, None)
    h.luma_log2_weight_denom = h.chroma_log2_weight_denom = 0
    h.weights = _NO_WEIGHTS if h.pps.weighted_pred else None
    h.marking = None
    return h


def lost_idr_header(like: h264.SliceHeader) -> h264.SliceHeader:
    """Header of an IDR picture, for writers of intra slices; `like`: as for other pictures, of one before.

    In a stream that may have fields it is that of the top field, whose slices are simpler than those of MBAFF frames.
    """
    h = lost_picture_header(like, 0, 0, True)
    h.slice_type = h264.I
    h.nal_unit_type, h.nal_ref_idc = h264.NAL_IDR, 3
    h.idr_pic_id = (like.idr_pic_id + 1) % 2 if like.is_idr else 1
    h.field_pic = not like.sps.frame_mbs_only
    h.no_output_of_prior_pics = h.long_term_reference = False
    return h


def lost_field_header(like: h264.SliceHeader, second: bool) -> h264.SliceHeader:
    """Header of a P field in place of the lost one of the frame whose other field `like` is of.

    second: the lost one is the second field in decoding order.
    """
    own = lost_picture_header(like, like.frame_num, 0, like.nal_ref_idc != 0)
    own.field_pic, own.bottom_field = True, not like.bottom_field
    step = 1 if second else -1
    own.poc_lsb = (like.poc_lsb + step) % (1 << own.sps.log2_max_poc_lsb)
    return own
