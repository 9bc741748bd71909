"""What pictures that were lost as a whole are written from, told by those that left before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from concealer.bitstream import AccessUnit, Codec, MissingPicture, SliceHeader, h264, hevc
from concealer.standins import UnsupportedStandInError
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins


@dataclass(frozen=True)
class WholePicture:
    """A picture all of whose slices are to be written."""

    header: SliceHeader
    ranges: list[tuple[int, int]]
    """Macroblocks or CTBs [first, end) of each slice."""
    is_reference: bool


class LostHeaders(Protocol):
    """Must be told of every picture that leaves."""

    def passed(self, au: AccessUnit) -> None:
        """An access unit leaves, spliced or not."""

    def reference(self, missing: MissingPicture) -> WholePicture:
        """A reference picture. Raises UnsupportedStandInError if there can be none."""

    def other(self, order: int) -> WholePicture | None:
        """A picture at `order` that no other refers to; None if there can be none."""


def open_lost_headers(codec: Codec) -> LostHeaders:
    """Those of a codec."""
    return H264LostHeaders() if codec == "h264" else HevcLostHeaders()


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

    def reference(self, missing: MissingPicture) -> WholePicture:
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
        return _h264_picture(header)

    def other(self, order: int) -> WholePicture | None:
        """See `LostHeaders`."""
        like = self._last
        if like is None or self._frame_num is None:
            return None
        following = (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        header = h264_standins.lost_picture_header(like, following, self._poc + order - self._order, False)
        return _h264_picture(header)

    def _remember(self, header: h264.SliceHeader, order: int, poc: int) -> None:
        self._last, self._order, self._poc = header, order, poc
        if header.nal_ref_idc:
            self._frame_num = 0 if header.has_mmco5 else header.frame_num


def _h264_picture(header: h264.SliceHeader) -> WholePicture:
    """In one slice."""
    return WholePicture(header, [(0, header.sps.width_mbs * header.sps.height_mbs)], header.nal_ref_idc > 0)


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

    def reference(self, missing: MissingPicture) -> WholePicture:
        """See `LostHeaders`."""
        like = self._last
        made = None
        if like is not None:
            made = hevc_standins.lost_picture_header(like, missing.poc, missing.references or (self._poc,))
        if made is None:
            raise UnsupportedStandInError("a lost picture with nothing before it")
        self._last, self._poc = made, missing.poc
        order = hevc_standins.coding_order(made.sps, made.pps)
        return WholePicture(made, order.legal_ranges(0, order.size), True)

    def other(self, order: int) -> WholePicture | None:
        """None: which pictures must be kept over it is not known."""
        return None
