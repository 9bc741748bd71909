"""HEVC access units: boundaries, also where first slices were lost, order, coverage, lost pictures."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from copy import copy
from dataclasses import replace

from concealer.bitstream import hevc
from concealer.bitstream.access_unit import AccessUnit, Coverage, Grid, Kind, MissingPicture, Slice
from concealer.bitstream.assembly.assembler import Draft, PictureAssembler, Role
from concealer.bitstream.assembly.coverage import Segment
from concealer.bitstream.assembly.gaps import ReferenceSetGaps
from concealer.bitstream.assembly.poc import HevcPoc, OutputOrder
from concealer.bitstream.bits import BitstreamError
from concealer.bitstream.nal import NalUnit

log = logging.getLogger(__name__)

_KIND, _MOST_KINDS = 3, 16
"""Bytes that tell first slices of one kind from others, and kinds that are remembered."""


class HevcAssembler(PictureAssembler):
    """Gathers HEVC access units; layers above the base layer are passed over."""

    def __init__(self, framed: bool) -> None:
        super().__init__(framed)
        self._sps: dict[int, hevc.Sps] = {}
        self._pps: dict[int, hevc.Pps] = {}
        self._active: hevc.Sps | None = None
        self._grid_of: tuple[hevc.Sps, hevc.Pps, Grid] | None = None
        self._poc = HevcPoc()
        self._order = OutputOrder(step=1)
        self._gaps = ReferenceSetGaps()
        self._kinds: dict[bytes, hevc.SliceHeader] = {}
        """Headers of first slices, by how they begin."""
        self._sequence_starts = True
        """The next picture is the first, or follows an end of sequence."""
        self._skip_rasl = False
        """NoRaslOutputFlag of the last IRAP picture."""
        self._leading = False
        """Leading pictures of the last IRAP picture may still come: no trailing one has."""

    def _usable(self, nal: NalUnit) -> bool:
        return len(nal.data) >= 2 and not nal.data[0] & 0x80

    def _role(self, nal: NalUnit) -> Role:
        kind = nal.data[0] >> 1 & 63
        if nal.data[0] & 1 or nal.data[1] >> 3:
            return Role.OTHER
        if kind <= 9 or 16 <= kind <= 21:
            return Role.SLICE
        if hevc.NAL_VPS <= kind <= hevc.NAL_PPS:
            return Role.PARAMETER_SET
        if kind in (hevc.NAL_AUD, hevc.NAL_PREFIX_SEI) or 41 <= kind <= 44 or 48 <= kind <= 55:
            return Role.DELIMITER
        return Role.END_OF_SEQUENCE if kind in (hevc.NAL_EOS, hevc.NAL_EOB) else Role.OTHER

    def _remember(self, nal: NalUnit) -> bool:
        if nal.damaged_at is not None:
            return False
        try:
            match nal.data[0] >> 1 & 63:
                case hevc.NAL_VPS:
                    hevc.parse_vps(nal)
                case hevc.NAL_SPS:
                    if not any(known.nal.data == nal.data for known in self._sps.values()):
                        sps = hevc.parse_sps(nal)
                        self._sps[sps.id] = sps
                        self._grid_of = None
                case hevc.NAL_PPS:
                    if not any(known.nal.data == nal.data for known in self._pps.values()):
                        pps = hevc.parse_pps(nal)
                        self._pps[pps.id] = pps
        except BitstreamError as error:
            log.debug("parameter set passed over: %s", error)
            return False
        return True

    def _has_alike(self, nal: NalUnit) -> bool:
        kind = nal.data[0] >> 1 & 63
        return bool(self._sps if kind == hevc.NAL_SPS else self._pps if kind == hevc.NAL_PPS else self._sps)

    def _parse(self, nal: NalUnit, previous: object) -> hevc.SliceHeader:
        continued = previous if isinstance(previous, hevc.SliceHeader) else None
        if continued is not None:
            return hevc.parse_slice_header(nal, self._sps, self._pps, continued)
        like = self._kinds.get(nal.data[:_KIND])
        header = hevc.parse_slice_header(nal, self._sps, self._pps, None, like)
        if like is None or header.tail_bits != like.tail_bits:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[nal.data[:_KIND]] = header
        return header

    def _goes_on(self, last: object, header: object) -> bool:
        assert isinstance(last, hevc.SliceHeader) and isinstance(header, hevc.SliceHeader)
        return header.common_bits is last.common_bits and header.address > last.address and not header.dependent

    def _is_new_picture(self, draft: Draft, header: object) -> bool:
        h, last = header, draft.last
        assert isinstance(h, hevc.SliceHeader)
        if h.first_slice_segment:
            return True
        if not isinstance(last, hevc.SliceHeader):
            return False
        return (
            h.address <= last.address
            or h.nal_unit_type != last.nal_unit_type
            or h.temporal_id != last.temporal_id
            or h.pps_id != last.pps_id
            or h.sps is not last.sps
            or h.poc_lsb != last.poc_lsb
        )

    def _is_second_field(self, draft: Draft, header: object) -> bool:
        return False

    def _waits_for_field(self, draft: Draft) -> bool:
        return False

    def _came_early(self, draft: Draft) -> bool:
        return draft.room == 0 and len(self._lacks(draft)) == 1

    def _came_late(self, early: Draft, draft: Draft) -> bool:
        first = draft.pictures[0] if draft.pictures else None
        if draft.room != 0 or not isinstance(first, hevc.SliceHeader) or first.is_irap:
            return False
        return [copy(self._poc).decode(first, False)] == self._lacks(early)

    def _lacks(self, draft: Draft) -> list[int]:
        """POCs that the draft refers to and that are not there."""
        first = draft.pictures[0] if draft.pictures else None
        if not isinstance(first, hevc.SliceHeader) or first.is_irap or (first.is_rasl and self._skip_rasl):
            return []
        return copy(self._gaps).missing(first, copy(self._poc).decode(first, False), False, False)

    def _lane(self, header: object) -> Hashable:
        assert isinstance(header, hevc.SliceHeader)
        return header.colour_plane

    def _place(self, draft: Draft, piece: Slice, header: object, segment: Segment) -> None:
        h = header
        assert isinstance(h, hevc.SliceHeader)
        piece.first = h.address
        if not draft.pictures:
            draft.pictures.append(h)
        segment.index = self._grid(h).index(h.address)
        segment.dependent = h.dependent
        draft.lanes.setdefault(self._lane(h), []).append(segment)

    def _grid(self, h: hevc.SliceHeader) -> Grid:
        if self._grid_of is None or self._grid_of[0] is not h.sps or self._grid_of[1] is not h.pps:
            self._active = h.sps
            grid = Grid(h.sps.height_ctbs, h.sps.width_ctbs, tile_scan=h.pps.tile_scan(h.sps))
            self._grid_of = (h.sps, h.pps, grid)
        return self._grid_of[2]

    def _finish(self, draft: Draft) -> AccessUnit:
        au = AccessUnit("hevc", draft.nals, draft.slices, Coverage.intact(0, 0), *draft.stamp)
        first = draft.pictures[0] if draft.pictures else None
        h = first if isinstance(first, hevc.SliceHeader) else None
        sps = au.sps = h.sps if h is not None else self._active
        if sps is not None:
            au.width, au.height, au.unit = sps.width, sps.height, 1 << sps.log2_ctb
            au.cols, au.rows = sps.width_ctbs, sps.height_ctbs
        if h is not None:
            self._describe(au, draft, h)
        else:
            au.order = self._order.unknown()
            if sps is not None:
                au.coverage = self._coverage.coverage(Grid(au.rows, au.cols), draft.lanes, draft.gap_after)
        if draft.end_of_sequence:
            self._sequence_starts = True
        return au

    def _describe(self, au: AccessUnit, draft: Draft, h: hevc.SliceHeader) -> None:
        au.pps = h.pps
        au.is_idr, au.is_irap, au.is_rasl = h.is_idr, h.is_irap, h.is_rasl
        au.is_reference = h.is_sub_layer_reference
        au.temporal_id = h.temporal_id
        au.kind = _kind(draft.slices)
        starts = h.is_irap and (h.nal_unit_type <= hevc.NAL_IDR_N_LP or self._sequence_starts)
        self._sequence_starts = False
        if h.is_irap:
            self._skip_rasl = starts
        self._leading = h.is_irap or (h.is_leading and self._leading)
        au.rasl_skipped = h.is_rasl and self._skip_rasl and self._leading
        if h.is_rasl and self._skip_rasl and not self._leading:
            _make_trailing(au)
        au.poc = poc = self._poc.decode(h, starts)
        lost = self._gaps.missing(h, poc, starts, au.rasl_skipped)
        restart = starts
        leading = 0
        if starts and h.nal_unit_type not in (hevc.NAL_IDR_N_LP, hevc.NAL_BLA_N_LP):
            leading = h.sps.max_num_reorder
        elif lost and not starts and self._order.precedes_all_recent(poc):
            # An IRAP picture was lost, and POCs count from it.
            restart, leading = True, (poc - lost[0]) // max(1, self._order.step)
        au.order = self._order.place(poc, restart, leading)
        au.missing_before = [
            MissingPicture("hevc", p, self._order.of(p), references=(*self._gaps.kept, *lost[:index]))
            for index, p in enumerate(lost)
        ]
        au.coverage = self._coverage.coverage(
            self._grid(h),
            draft.lanes,
            draft.gap_after,
            h.sps.separate_colour_plane and len(draft.lanes) < 3,
        )


def _make_trailing(au: AccessUnit) -> None:
    """Give the slices of RASL_N and RASL_R pictures the types TRAIL_N and TRAIL_R; all else in them is alike."""
    made = {id(one.nal): _trailing(one.nal) for one in au.slices}
    au.nals = [made.get(id(nal), nal) for nal in au.nals]
    for one in au.slices:
        one.nal = made[id(one.nal)]
    au.altered = True


def _trailing(nal: NalUnit) -> NalUnit:
    kind = (nal.data[0] >> 1 & 63) - hevc.NAL_RASL_N
    return replace(nal, data=bytes([nal.data[0] & 0x81 | kind << 1]) + nal.data[1:]) if kind in (0, 1) else nal


def _kind(slices: list[Slice]) -> Kind:
    types = {piece.header.slice_type for piece in slices if piece.header is not None}
    if not types:
        return "?"
    return "B" if hevc.B in types else "P" if hevc.P in types else "I"
