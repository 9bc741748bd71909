"""H.264 access units: boundaries (7.4.1.2.4), field pairs, order, coverage, lost pictures."""

from __future__ import annotations

import logging
from collections.abc import Hashable

from concealer.bitstream import h264
from concealer.bitstream.access_unit import AccessUnit, Coverage, Grid, Interlaced, Kind, MissingPicture, Slice
from concealer.bitstream.assembly.assembler import Draft, PictureAssembler, Role
from concealer.bitstream.assembly.coverage import Segment
from concealer.bitstream.assembly.gaps import FrameNumGaps
from concealer.bitstream.assembly.poc import H264Poc, OutputOrder
from concealer.bitstream.bits import BitstreamError
from concealer.bitstream.nal import NalUnit

log = logging.getLogger(__name__)

_ARBITRARY_ORDER_PROFILES = (66, 88)
"""Baseline and Extended allow slices in any order (A.2.1, A.2.3)."""

_KIND, _MOST_KINDS = 2, 16
"""Bytes that tell first slices of one kind from others, and kinds that are remembered."""
_MOST_BACK = 3
"""Access units by which one may come too late."""

_ROLES = {
    h264.NAL_SLICE: Role.SLICE,
    h264.NAL_PARTITION_A: Role.SLICE,
    h264.NAL_IDR: Role.SLICE,
    h264.NAL_SEI: Role.DELIMITER,
    h264.NAL_SPS: Role.PARAMETER_SET,
    h264.NAL_PPS: Role.PARAMETER_SET,
    h264.NAL_AUD: Role.DELIMITER,
    10: Role.END_OF_SEQUENCE,
    11: Role.END_OF_SEQUENCE,
    # Prefix NAL unit and subset SPS: before the slice they describe.
    14: Role.DELIMITER,
    15: Role.DELIMITER,
}


class H264Assembler(PictureAssembler):
    """Gathers H.264 access units."""

    def __init__(self, framed: bool) -> None:
        super().__init__(framed)
        self._sps: dict[int, h264.Sps] = {}
        self._pps: dict[int, h264.Pps] = {}
        self._active: h264.Sps | None = None
        self._grids: dict[Interlaced, Grid] = {}
        self._poc = H264Poc()
        self._order = OutputOrder(step=2)
        self._gaps = FrameNumGaps()
        self._kinds: dict[bytes, h264.SliceHeader] = {}
        """Headers of first slices, by how they begin."""
        self._fields_come_in_pairs = False
        self._pairs_begin_with_bottom = False

    def _usable(self, nal: NalUnit) -> bool:
        return bool(nal.data) and not nal.data[0] & 0x80

    def _role(self, nal: NalUnit) -> Role:
        return _ROLES.get(nal.data[0] & 31, Role.OTHER)

    def _remember(self, nal: NalUnit) -> bool:
        if nal.damaged_at is not None:
            return False
        try:
            if nal.data[0] & 31 == h264.NAL_SPS:
                self._remember_sps(nal)
            else:
                pps = h264.parse_pps(nal, self._sps)
                known = self._pps.get(pps.id)
                if known is None or known.nal.data != nal.data:
                    self._pps[pps.id] = pps
        except BitstreamError as error:
            log.debug("parameter set passed over: %s", error)
            return False
        return True

    def _has_alike(self, nal: NalUnit) -> bool:
        return bool(self._sps if nal.data[0] & 31 == h264.NAL_SPS else self._pps)

    def _remember_sps(self, nal: NalUnit) -> None:
        if any(known.nal.data == nal.data for known in self._sps.values()):
            return
        sps = h264.parse_sps(nal)
        self._sps[sps.id] = sps
        for pps in [pps for pps in self._pps.values() if pps.sps_id == sps.id]:
            # The number of scaling lists depends on the SPS's chroma format.
            self._pps[pps.id] = h264.parse_pps(pps.nal, self._sps)

    def _parse(self, nal: NalUnit, previous: object) -> h264.SliceHeader:
        like = previous if isinstance(previous, h264.SliceHeader) else self._kinds.get(nal.data[:_KIND])
        header = h264.parse_slice_header(nal, self._sps, self._pps, like)
        if like is None or (previous is None and header.tail_bits != like.tail_bits):
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[nal.data[:_KIND]] = header
        return header

    def _goes_on(self, last: object, header: object) -> bool:
        assert isinstance(last, h264.SliceHeader) and isinstance(header, h264.SliceHeader)
        if header.common_bits is not last.common_bits or header.first_mb <= last.first_mb:
            return False
        return header.sps.profile_idc not in _ARBITRARY_ORDER_PROFILES

    def _is_new_picture(self, draft: Draft, header: object) -> bool:
        h, last = header, draft.last
        assert isinstance(h, h264.SliceHeader)
        if not isinstance(last, h264.SliceHeader) or h.redundant_pic_cnt:
            return False
        if h.common_bits is not last.common_bits and (
            h.frame_num != last.frame_num
            or h.sps is not last.sps
            or h.field_pic != last.field_pic
            or h.bottom_field != last.bottom_field
            or h.is_idr != last.is_idr
            or (h.nal_ref_idc == 0) != (last.nal_ref_idc == 0)
            or h.poc_lsb != last.poc_lsb
            or h.delta_poc_bottom != last.delta_poc_bottom
            or h.delta_poc != last.delta_poc
            or h.idr_pic_id != last.idr_pic_id
        ):
            return True
        # All else equal, an address that does not increase tells. A PPS of its own does not: encoders
        # give slices of one picture different ones in spite of 7.4.1.2.4.
        segments = draft.lanes.get(self._lane(h), [])
        if h.sps.profile_idc in _ARBITRARY_ORDER_PROFILES:
            return any(segment.index == h.first_mb for segment in segments)
        return any(segment.index is not None and segment.index >= h.first_mb for segment in segments[-1:])

    def _is_second_field(self, draft: Draft, header: object) -> bool:
        h = header
        assert isinstance(h, h264.SliceHeader)
        if not self._waits_for_field(draft):
            return False
        first = draft.pictures[0]
        assert isinstance(first, h264.SliceHeader)
        return (
            h.field_pic
            and h.bottom_field != first.bottom_field
            and h.frame_num == first.frame_num
            and h.sps is first.sps
            and (first.is_idr or not h.is_idr)
        )

    def _waits_for_field(self, draft: Draft) -> bool:
        first = draft.pictures[0] if len(draft.pictures) == 1 else None
        if not isinstance(first, h264.SliceHeader) or not first.field_pic:
            return False
        # A field of the other parity than pairs begin with lost its first field: the next one is another frame's.
        return not self._fields_come_in_pairs or first.bottom_field == self._pairs_begin_with_bottom

    def _came_early(self, draft: Draft) -> bool:
        return draft.room == 0 and self._ahead(draft) == 1

    def _came_late(self, early: Draft, draft: Draft) -> bool:
        first = draft.pictures[0] if draft.pictures else None
        is_reference = isinstance(first, h264.SliceHeader) and first.nal_ref_idc != 0
        return draft.room == 0 and is_reference and self._ahead(draft) == 0

    def _ahead(self, draft: Draft) -> int | None:
        """Reference frames between the last one and the draft, by frame_num; None if that does not tell."""
        first, before = (draft.pictures[0] if draft.pictures else None), self._gaps.reference_frame_num
        if not isinstance(first, h264.SliceHeader) or before is None or first.is_idr:
            return None
        if first.field_pic or first.sps.gaps_in_frame_num_allowed:
            return None
        return (first.frame_num - before - 1) % (1 << first.sps.log2_max_frame_num)

    def _lane(self, header: object) -> Hashable:
        assert isinstance(header, h264.SliceHeader)
        return header.bottom_field, header.colour_plane

    def _place(self, draft: Draft, piece: Slice, header: object, segment: Segment) -> None:
        h = header
        assert isinstance(h, h264.SliceHeader)
        piece.first = self._grid(h).raster(h.first_mb)
        if h.redundant_pic_cnt:
            return
        last = draft.pictures[-1] if draft.pictures else None
        if not isinstance(last, h264.SliceHeader) or h.bottom_field != last.bottom_field:
            draft.pictures.append(h)
        segment.index = h.first_mb
        draft.lanes.setdefault(self._lane(h), []).append(segment)

    def _grid(self, h: h264.SliceHeader) -> Grid:
        if h.sps is not self._active:
            self._active = h.sps
            self._grids = {}
        kind: Interlaced = "field" if h.field_pic else "mbaff" if h.mbaff else "progressive"
        grid = self._grids.get(kind)
        if grid is None:
            grid = self._grids[kind] = Grid(h.sps.height_mbs, h.sps.width_mbs, kind)
        return grid

    def _finish(self, draft: Draft) -> AccessUnit:
        au = AccessUnit("h264", draft.nals, draft.slices, Coverage.intact(0, 0), *draft.stamp)
        pictures = [h for h in draft.pictures if isinstance(h, h264.SliceHeader)]
        sps = au.sps = pictures[0].sps if pictures else self._active
        if sps is not None:
            au.cols, au.rows = sps.width_mbs, sps.height_mbs
            au.width, au.height = 16 * au.cols, 16 * au.rows
        if pictures:
            self._describe(au, draft, pictures)
        else:
            au.order = self._order.unknown()
            if sps is not None:
                au.coverage = self._coverage.coverage(Grid(au.rows, au.cols), draft.lanes, draft.gap_after)
        return au

    def _describe(self, au: AccessUnit, draft: Draft, pictures: list[h264.SliceHeader]) -> None:
        first = pictures[0]
        au.pps, au.frame_num = first.pps, first.frame_num
        au.is_idr = au.is_irap = first.is_idr
        au.is_reference = any(h.nal_ref_idc for h in pictures)
        au.kind = _kind(draft.slices)
        grid = self._grid(first)
        au.interlaced = grid.interlaced
        # frame_num a little lower is no loss of nearly all numbers where time leaves no room for one.
        turn = 1 << first.sps.log2_max_frame_num
        back = draft.room == 0 and (self._ahead(draft) or 0) in range(max(turn - 1 - _MOST_BACK, 1), turn - 1)
        poc = self._poc.decode(first, back)
        # The gap is looked for before the second field's POC changes the state it is judged by.
        # Two reference pictures in a row never count the same, but for the fields of one frame.
        repeated = au.is_reference and not first.field_pic and first.frame_num == self._gaps.reference_frame_num
        lost = [] if back else self._gaps.missing(first, poc, self._order.step)
        pocs = [poc, *(self._poc.decode(h) for h in pictures[1:])]
        au.poc = min(pocs)
        restart = first.is_idr or any(h.has_mmco5 for h in pictures)
        counts_anew = not restart and draft.room != 0 and self._order.precedes_all_recent(poc)
        if (lost or repeated) and counts_anew:
            # An IDR picture was lost with all that followed it: frame_num and POC count from it.
            step = self._order.step
            lost = [(n, max(0, poc - step * (first.frame_num - n)) if n else 0) for n in range(first.frame_num)[-16:]]
            restart = True
            leading = max(len(lost), poc // step)
        else:
            leading = 0
        base = 0 if any(h.has_mmco5 for h in pictures) else au.poc
        au.order = self._order.place(base, restart, leading)
        au.missing_before = [MissingPicture("h264", p, self._order.of(p), n, is_idr=restart and not n) for n, p in lost]
        if first.pps.num_slice_groups > 1:
            au.coverage = Coverage.intact(au.rows, au.cols, reliable=False)
            return
        lone_field = first.field_pic and len(pictures) == 1
        if first.field_pic and not lone_field:
            self._fields_come_in_pairs = True
            self._pairs_begin_with_bottom = first.bottom_field
        lane_lost = (lone_field and self._fields_come_in_pairs) or (
            first.sps.separate_colour_plane and len(draft.lanes) % 3 != 0
        )
        au.coverage = self._coverage.coverage(grid, draft.lanes, draft.gap_after, lane_lost)


def _kind(slices: list[Slice]) -> Kind:
    types = {piece.header.slice_type for piece in slices if piece.header is not None}
    if not types:
        return "?"
    if h264.B in types:
        return "B"
    return "I" if types <= {h264.I, h264.SI} else "P"
