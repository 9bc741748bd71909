"""Slices that carry repaired samples, in H.264."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from concealer.bitstream import h264
from concealer.bitstream.access_unit import AccessUnit, MissingPicture
from concealer.bitstream.h264_inter_standin import h264_inter_standin
from concealer.bitstream.h264_pcm_standin import h264_pcm_standin
from concealer.bitstream.lost_picture_header import h264_lost_picture_header
from concealer.bitstream.nal import NalUnit
from concealer.bitstream.standin_error import UnsupportedStandInError
from concealer.splice.plan import Plan
from concealer.splice.unit import Target, Written


class H264Writer:
    """Writes stand-ins; told of every access unit that leaves (`passed`), because references count."""

    def __init__(self) -> None:
        self._header: h264.SliceHeader | None = None
        """Of the last picture that left."""
        self._order = 0
        self._poc = 0
        self._frame_num: int | None = None
        """Of the last reference picture that left."""

    def passed(self, nals: Sequence[NalUnit], au: AccessUnit) -> None:
        """An access unit leaves with these NAL units."""
        header = next((s.header for s in au.slices if isinstance(s.header, h264.SliceHeader)), None)
        if header is not None:
            self._remember(header, au.order, au.poc or 0)

    def _remember(self, header: h264.SliceHeader, order: int, poc: int) -> None:
        self._header, self._order, self._poc = header, order, poc
        if header.nal_ref_idc:
            self._frame_num = 0 if header.has_mmco5 else header.frame_num

    def write(self, au: AccessUnit, plan: Plan, target: Target) -> list[Written]:
        """Slices for the runs of `plan`, ascending."""
        sibling = _sibling(plan)
        return [self._carry(sibling, first, end, target) for first, end in plan.runs]

    def write_picture(self, missing: MissingPicture, target: Target) -> list[Written]:
        """A whole picture that was lost."""
        header = self._lost_header(missing)
        end = header.sps.width_mbs * header.sps.height_mbs
        self._remember(header, missing.order, missing.poc)
        return [self._carry(header, 0, end, target)]

    def repeat(self, order: int) -> list[Written]:
        """A picture no other refers to, that repeats the last reference picture; nothing before the first."""
        like = self._header
        if like is None or self._frame_num is None:
            return []
        following = (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        header = h264_lost_picture_header(like, following, self._poc + order - self._order, False)
        end = header.sps.width_mbs * header.sps.height_mbs
        return [Written(h264_inter_standin(header, 0, end), 0, end, "skip")]

    def _lost_header(self, missing: MissingPicture) -> h264.SliceHeader:
        like = self._header
        if like is None or missing.frame_num is None:
            raise UnsupportedStandInError("a lost picture with nothing before it")
        header = h264_lost_picture_header(like, missing.frame_num, missing.poc, missing.is_reference)
        header.slice_type = h264.I
        expected = None if self._frame_num is None else (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        if missing.frame_num == 0 and expected != 0:
            # Counting starts anew: this was an IDR picture.
            header.nal_unit_type, header.nal_ref_idc = h264.NAL_IDR, 3
            header.idr_pic_id = (like.idr_pic_id + 1) % 2 if like.is_idr else 1
            header.no_output_of_prior_pics = header.long_term_reference = False
        return header

    def _carry(self, sibling: h264.SliceHeader, first: int, end: int, target: Target) -> Written:
        return Written(h264_pcm_standin(sibling, first, end, target.planes), first, end, "pcm")


def _sibling(plan: Plan) -> h264.SliceHeader:
    """A header to go by: of a slice that arrived whole, else of any."""
    for slice_ in (*plan.kept, *plan.removed):
        if isinstance(slice_.header, h264.SliceHeader) and not slice_.header.redundant_pic_cnt:
            return copy.copy(slice_.header)
    raise UnsupportedStandInError("no slice header of the picture is readable")
