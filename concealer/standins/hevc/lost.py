"""Headers for HEVC pictures that were lost as a whole; the stand-in writers turn them into slices."""

from __future__ import annotations

import copy
from collections.abc import Collection

from concealer.bitstream import hevc
from concealer.bitstream.hevc import ShortTermRps

_NO_WEIGHTS = (((None, None, None),), ())
_TRAIL_R = 1


def lost_picture_reference(poc: int, references: Collection[int]) -> int | None:
    """POC of the one reference that `lost_picture_header` uses; None if there is none."""
    kept = _by_distance(poc, references)
    return poc + kept[0] if kept else None


def _by_distance(poc: int, references: Collection[int]) -> list[int]:
    return sorted({other - poc for other in references} - {0}, key=abs)


def lost_picture_header(like: hevc.SliceHeader, poc: int, references: Collection[int]) -> hevc.SliceHeader | None:
    """Header of a P picture (TRAIL_R) that uses one reference, for `inter_standin`.

    `like`: a header of a picture near by, for parameter sets, QP and filters. `references`: POCs of the
    pictures to keep, of which the nearest to `poc` is used; the farthest are dropped if the decoded picture
    buffer cannot hold them. None if there is none.
    """
    kept = _by_distance(poc, references)
    # The picture itself takes a place too (A.4.2).
    kept = kept[: max(1, like.sps.max_dec_pic_buffering - 1)]
    if not kept:
        return None
    h = copy.copy(like)
    h.nal_unit_type, h.temporal_id, h.first_slice_segment, h.address = _TRAIL_R, 0, True, 0
    h.dependent, h.reserved_bits, h.slice_type, h.pic_output = False, 0, hevc.P, True
    h.poc_lsb = poc % (1 << h.sps.log2_max_poc_lsb)
    h.short_term_rps_idx = None
    h.short_term_rps = ShortTermRps(
        tuple((delta, delta == kept[0]) for delta in sorted(kept, reverse=True) if delta < 0),
        tuple((delta, delta == kept[0]) for delta in sorted(kept) if delta > 0),
    )
    h.long_term, h.num_long_term_sps = tuple((lsb, False, None) for lsb, _, _ in like.long_term), 0
    h.num_ref_idx_override, h.num_ref_idx, h.list_modification = True, (1, 0), (None, None)
    h.luma_log2_weight_denom = h.delta_chroma_log2_weight_denom = 0
    h.weights = _NO_WEIGHTS if h.pps.weighted_pred else None
    h.deblocking_override, h.deblocking_disabled = False, h.pps.deblocking_disabled
    h.loop_filter_across_slices = h.pps.loop_filter_across_slices
    return h
