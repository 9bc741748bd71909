"""What pictures that were lost as a whole are written from, told by those that left before."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol

from concealer.bitstream import AccessUnit, Codec, MissingPicture, SliceHeader, h264, hevc
from concealer.splice.open_unit import Run
from concealer.splice.pieces import Pieces
from concealer.standins import UnsupportedStandInError
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins


@dataclass(frozen=True)
class WholePicture:
    """A picture all of whose slices are to be written."""

    runs: list[Run]
    """Of a frame, or of one field and then the other."""
    is_reference: bool

    @property
    def header(self) -> SliceHeader:
        """Of its first slice."""
        return self.runs[0].header


class LostHeaders(Protocol):
    """Must be told of every picture that leaves."""

    def passed(self, au: AccessUnit) -> None:
        """An access unit leaves, spliced or not."""

    def reference(self, missing: MissingPicture) -> WholePicture:
        """A reference picture. Raises UnsupportedStandInError if there can be none."""

    def other(self, order: int) -> WholePicture | None:
        """A picture at `order` that no other refers to; None if there can be none."""


def open_lost_headers(codec: Codec, pieces: Pieces) -> LostHeaders:
    """Those of a codec; pieces: of the same stream, told of every picture before."""
    return H264LostHeaders(pieces) if codec == "h264" else HevcLostHeaders()


class H264LostHeaders:
    """See `LostHeaders`."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
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
        whole = self._picture(header, like.field_pic)
        assert isinstance(whole.header, h264.SliceHeader)
        self._remember(whole.header, missing.order, 0 if header.is_idr else missing.poc)
        return whole

    def other(self, order: int) -> WholePicture | None:
        """See `LostHeaders`."""
        like = self._last
        if like is None or self._frame_num is None:
            return None
        following = (self._frame_num + 1) % (1 << like.sps.log2_max_frame_num)
        header = h264_standins.lost_picture_header(like, following, self._poc + order - self._order, False)
        return self._picture(header, like.field_pic)

    def _picture(self, header: h264.SliceHeader, in_fields: bool) -> WholePicture:
        """In one slice, or one a field where the pictures around are coded so."""
        kind, size = "I" if header.is_idr else "P", header.sps.width_mbs * header.sps.height_mbs
        if not (header.field_pic or in_fields):
            return WholePicture([Run(header, 0, size, kind)], header.nal_ref_idc > 0)
        first = copy.copy(header)
        first.field_pic, first.bottom_field = True, self._pieces.begins_with_bottom
        runs = [Run(first, 0, size // 2, kind)]
        kind = kind if self._pieces.keeps_references(first, kind) else "I"
        runs.append(Run(h264_standins.lost_field_header(first, True), 0, size // 2, kind))
        return WholePicture(runs, header.nal_ref_idc > 0)

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
        return WholePicture([Run(made, *part, "P") for part in order.legal_ranges(0, order.size)], True)

    def other(self, order: int) -> WholePicture | None:
        """None: which pictures must be kept over it is not known."""
        return None
