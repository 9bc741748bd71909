"""Headers of pictures that were lost as a whole, from those that left before."""

from __future__ import annotations

from typing import Protocol

from concealer.bitstream import AccessUnit, MissingPicture, SliceHeader, h264, hevc
from concealer.standins import UnsupportedStandInError
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins


class LostHeaders(Protocol):
    """Must be told of every picture that leaves."""

    def passed(self, au: AccessUnit) -> None:
        """An access unit leaves, spliced or not."""

    def reference(self, missing: MissingPicture) -> SliceHeader:
        """Header of a reference picture. Raises UnsupportedStandInError if there can be none."""

    def other(self, order: int) -> SliceHeader | None:
        """Header of a picture at `order` that no other refers to; None if there can be none."""


class H264LostHeaders:
    """See `LostHeaders`."""

    def __init__(self) -> None:
        self._last: h264.SliceHeader | None = None
        self._order = self._poc = 0
        self._frame_num: int | None = None
        """Of the last reference picture."""

    def passed(self, au: AccessUnit) -> None:
        """See `LostHeaders`."""
        header = next((s.header for s in au.slices if isinstance(s.header, h264.SliceHeader)), None)
        if header is not None:
            self._remember(header, au.order, au.poc or 0)

    def reference(self, missing: MissingPicture) -> h264.SliceHeader:
        """See `LostHeaders`; an IDR picture's where the counting starts anew."""
        like = self._last
        if like is None or missing.frame_num is None:
            raise UnsupportedStandInError("a lost picture with nothing before it")
        expected = None if self._frame_num is None else (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        if missing.is_idr or (missing.frame_num == 0 and expected != 0):
            header = h264_standins.lost_idr_header(like)
        else:
            header = h264_standins.lost_picture_header(like, missing.frame_num, missing.poc, missing.is_reference)
        self._remember(header, missing.order, 0 if header.is_idr else missing.poc)
        return header

    def other(self, order: int) -> h264.SliceHeader | None:
        """See `LostHeaders`."""
        like = self._last
        if like is None or self._frame_num is None:
            return None
        following = (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        return h264_standins.lost_picture_header(like, following, self._poc + order - self._order, False)

    def _remember(self, header: h264.SliceHeader, order: int, poc: int) -> None:
        self._last, self._order, self._poc = header, order, poc
        if header.nal_ref_idc:
            self._frame_num = 0 if header.has_mmco5 else header.frame_num


class HevcLostHeaders:
    """See `LostHeaders`."""

    def __init__(self) -> None:
        self._last: hevc.SliceHeader | None = None
        self._poc = 0

    def passed(self, au: AccessUnit) -> None:
        """See `LostHeaders`."""
        header = next((s.header for s in au.slices if isinstance(s.header, hevc.SliceHeader)), None)
        if header is not None and au.poc is not None:
            self._last, self._poc = header, au.poc

    def reference(self, missing: MissingPicture) -> hevc.SliceHeader:
        """See `LostHeaders`."""
        like = self._last
        made = None
        if like is not None:
            made = hevc_standins.lost_picture_header(like, missing.poc, missing.references or (self._poc,))
        if made is None:
            raise UnsupportedStandInError("a lost picture with nothing before it")
        self._last, self._poc = made, missing.poc
        return made

    def other(self, order: int) -> hevc.SliceHeader | None:
        """None: which pictures must be kept over it is not known."""
        return None
