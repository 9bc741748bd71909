"""Gathers NAL units into access units; what differs between codecs is in `h264` and `hevc`."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import NamedTuple

from concealer.bitstream.access_unit import AccessUnit, Slice, SliceHeader
from concealer.bitstream.assembly.coverage import CoverageTracker, Segment
from concealer.bitstream.assembly.room import Room
from concealer.bitstream.bits import BitstreamError
from concealer.bitstream.nal import NalUnit

log = logging.getLogger(__name__)


class Stamp(NamedTuple):
    """Times of one payload, in the container's time base."""

    pts: int | None = None
    dts: int | None = None
    duration: int | None = None
    tag: int | None = None
    """Whatever the caller knows the payload by."""


class Role(Enum):
    """What a NAL unit does to picture boundaries (H.264 7.4.1.2.3, HEVC 7.4.2.4.4)."""

    SLICE = auto()
    DELIMITER = auto()
    """After a slice, it begins the next access unit."""
    PARAMETER_SET = auto()
    """A delimiter that is also remembered."""
    END_OF_SEQUENCE = auto()
    OTHER = auto()
    """Belongs to the access unit it stands in."""


@dataclass(slots=True)
class Draft:
    """An access unit in the making."""

    nals: list[NalUnit] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    lanes: dict[Hashable, list[Segment]] = field(default_factory=dict)
    """Segments per lane, see `CoverageTracker.coverage`."""
    pictures: list[SliceHeader] = field(default_factory=list)
    """Header of the first readable slice of each field, or of the frame."""
    last: SliceHeader | None = None
    """Header of the last readable slice."""
    stamp: Stamp = Stamp()
    closed: bool = False
    """A delimiter followed: only a second field may still be added."""
    gap_after: bool = False
    room: int | None = None
    """Access units that its time leaves room for behind the one before."""
    moved: bool = False
    unreadable: int = 0
    """Parameter sets left out."""
    end_of_sequence: bool = False


class PictureAssembler(ABC):
    """Turns NAL units in decoding order into access units. Never raises on garbage."""

    _MOST_NALS = 8192
    """Of one access unit; more is garbage, and must not pile up."""

    def __init__(self, framed: bool) -> None:
        self._framed = framed
        self._draft = Draft()
        self._next: list[NalUnit] = []
        """Units after a delimiter: they belong to the access unit that has not begun yet."""
        self._next_stamp: Stamp | None = None
        self._next_unreadable = 0
        self._given_stamp: Stamp | None = None
        self._gap = False
        """Bytes are missing since the last slice."""
        self._coverage = CoverageTracker()
        self._room = Room()
        self._early: Draft | None = None
        """Seems to have come before the one that belongs before it."""
        self._samples = self._empty_samples = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of the NAL units gathered so far."""
        return sum(len(nal.data) for nal in (*self._draft.nals, *self._next))

    def load(self, parameter_sets: Iterable[NalUnit]) -> None:
        """Take in parameter sets from the container's header."""
        for nal in parameter_sets:
            if self._usable(nal) and self._role(nal) is Role.PARAMETER_SET:
                self._remember(nal)

    def push(self, nal: NalUnit, gap_before: bool, stamp: Stamp) -> list[AccessUnit]:
        """Take in one unit; returns access units that are now known to be complete."""
        self._gap |= gap_before
        if not self._usable(nal):
            self._gap = True
            return []
        match self._role(nal):
            case Role.SLICE:
                return self._slice(nal, stamp)
            case Role.END_OF_SEQUENCE:
                self._draft.nals.append(nal)
                self._draft.end_of_sequence = True
                return []
            case Role.PARAMETER_SET:
                if self._remember(nal) or not self._has_alike(nal):
                    self._delimit(nal, stamp)
                else:
                    self._leave_out(nal)
            case Role.DELIMITER:
                self._delimit(nal, stamp)
            case Role.OTHER:
                (self._next if self._draft.closed else self._draft.nals).append(nal)
        if len(self._next) + len(self._draft.nals) > self._MOST_NALS:
            self._next.clear()
            done = self._emit()
            self._draft.nals.clear()
            return done
        return []

    def push_sample(self, nals: list[NalUnit], stamp: Stamp) -> list[AccessUnit]:
        """Take in all units of a sample of which nothing is missing."""
        done: list[AccessUnit] = []
        for nal in nals:
            known = self.push(nal, False, stamp)
            if known:
                done += known
        return done + self.end_of_payload(stamp, False)

    def end_of_payload(self, stamp: Stamp, gap_after: bool) -> list[AccessUnit]:
        """The payload ended an access unit: return it, unless it is a first field that waits for its pair."""
        self._gap |= gap_after
        draft = self._draft
        if self._framed:
            self._samples += 1
            self._empty_samples += not draft.slices
        often_empty = 4 * self._empty_samples > self._samples + 4
        if not draft.slices and (self._gap or (self._framed and not often_empty)):
            # A picture was sent here, even if no slice of it can be recognised. But some muxers give SEI
            # and delimiters samples of their own.
            draft.stamp = stamp
            return self._emit(keep_empty=True)
        if not draft.slices or (self._waits_for_field(draft) and not draft.end_of_sequence):
            draft.closed = bool(draft.slices)
            return []
        if self._framed and not self._waits_for_field(draft):
            # What stands behind the slices of a sample is of the same access unit, whatever the order ought to be.
            self._reopen(draft)
        return self._emit()

    def flush(self) -> list[AccessUnit]:
        """The stream ended."""
        done = self._emit()
        early, self._early = self._early, None
        return done if early is None else [*done, self._complete(early)]

    def _leave_out(self, nal: NalUnit) -> None:
        """A repetition that arrived damaged: decoders would forget the set that holds on."""
        log.debug("%d bytes of a parameter set left out", len(nal.data))
        if self._draft.slices:
            self._draft.closed = True
            self._next_unreadable += 1
        else:
            self._draft.unreadable += 1

    def _delimit(self, nal: NalUnit, stamp: Stamp) -> None:
        if self._draft.slices:
            self._draft.closed = True
            if not self._next:
                self._next_stamp = stamp
            self._next.append(nal)
        else:
            if not self._draft.nals:
                self._draft.stamp = stamp
            self._draft.nals.append(nal)

    def _slice(self, nal: NalUnit, stamp: Stamp) -> list[AccessUnit]:
        draft = self._draft
        if draft.slices and not draft.closed and nal.data == draft.slices[-1].nal.data:
            # Sent twice, as some networks do.
            return []
        try:
            # Bits behind missing bytes are those of something else.
            whole = nal if nal.damaged_at is None else replace(nal, data=nal.data[: nal.damaged_at])
            header = self._parse(whole, None if draft.closed else draft.last)
        except BitstreamError as error:
            log.debug("slice header of %d-byte unit not readable: %s", len(nal.data), error)
            header = None
        if header is not None and draft.last is not None and not draft.closed and self._goes_on(draft.last, header):
            draft.nals.append(nal)
            self._add_slice(draft, nal, header)
            return self._emit() if len(draft.nals) > self._MOST_NALS else []
        done: list[AccessUnit] = []
        if draft.slices and header is not None:
            if self._is_second_field(draft, header):
                self._reopen(draft)
            elif draft.closed or self._is_new_picture(draft, header):
                if self._framed and not draft.closed:
                    header = None
                elif draft.last is not None or draft.closed:
                    done = self._emit()
        elif draft.closed:
            done = self._emit()
        draft = self._draft
        if not draft.nals:
            draft.stamp = stamp
        draft.nals.append(nal)
        self._add_slice(draft, nal, header)
        if len(draft.nals) > self._MOST_NALS:
            done += self._emit()
        return done

    def _reopen(self, draft: Draft) -> None:
        draft.nals += self._next
        draft.unreadable += self._next_unreadable
        self._next, self._next_stamp, self._next_unreadable = [], None, 0
        draft.closed = False

    def _add_slice(self, draft: Draft, nal: NalUnit, header: SliceHeader | None) -> None:
        piece = Slice(nal, header)
        draft.slices.append(piece)
        damaged = nal.damaged_at is not None
        if header is None:
            lane = next(reversed(draft.lanes.values())) if draft.lanes else draft.lanes.setdefault((), [])
            lane.append(Segment(None, damaged, self._gap))
        else:
            if draft.lanes.keys() == {()}:
                # Unreadable slices came before it is known which lane they belong to.
                draft.lanes[self._lane(header)] = draft.lanes.pop(())
            self._place(draft, piece, header, Segment(0, damaged, self._gap))
            draft.last = header
        self._gap = False

    def _emit(self, keep_empty: bool = False) -> list[AccessUnit]:
        draft = self._draft
        if not draft.slices and not keep_empty:
            return []
        draft.gap_after |= self._gap
        # Between pictures a gap may have taken the start of the next as well as the end of this.
        if draft.stamp is self._given_stamp:
            # Times belong to the first access unit that begins in a payload, not to those after it.
            draft.stamp = Stamp()
        else:
            self._given_stamp = draft.stamp
        self._draft = Draft(nals=self._next, stamp=self._next_stamp or Stamp(), unreadable=self._next_unreadable)
        self._next, self._next_stamp, self._next_unreadable = [], None, 0
        draft.room = self._room.before(draft.stamp.pts, draft.stamp.dts)
        early, self._early = self._early, None
        if early is None and self._came_early(draft):
            self._early = draft
            return []
        if early is None:
            return [self._complete(draft)]
        if self._came_late(early, draft):
            if early.stamp.dts is not None and draft.stamp.dts is not None and early.stamp.dts < draft.stamp.dts:
                # The container's times stand by the place, not by what came in it.
                early.stamp, draft.stamp = draft.stamp, early.stamp
            early.moved = draft.moved = True
            early, draft = draft, early
        return [self._complete(early), self._complete(draft)]

    def _complete(self, draft: Draft) -> AccessUnit:
        au = self._finish(draft)
        au.room_before, au.moved, au.gap_after = draft.room, draft.moved, draft.gap_after
        au.unreadable_sets = draft.unreadable
        au.altered |= draft.unreadable > 0
        return au

    @abstractmethod
    def _usable(self, nal: NalUnit) -> bool:
        """Whether the unit has a whole, sane header."""

    @abstractmethod
    def _role(self, nal: NalUnit) -> Role: ...

    @abstractmethod
    def _remember(self, nal: NalUnit) -> bool:
        """Take in a parameter set; False: it does not parse."""

    @abstractmethod
    def _has_alike(self, nal: NalUnit) -> bool:
        """Whether a parameter set of its type is known."""

    @abstractmethod
    def _parse(self, nal: NalUnit, previous: SliceHeader | None) -> SliceHeader:
        """Slice header; raises BitstreamError."""

    @abstractmethod
    def _goes_on(self, last: SliceHeader, header: SliceHeader) -> bool:
        """Whether the slice of `header` is sure to follow that of `last` in the same picture; False: look closer."""

    @abstractmethod
    def _is_new_picture(self, draft: Draft, header: SliceHeader) -> bool: ...

    @abstractmethod
    def _is_second_field(self, draft: Draft, header: SliceHeader) -> bool: ...

    @abstractmethod
    def _waits_for_field(self, draft: Draft) -> bool:
        """Whether the draft is one field, whose pair may follow."""

    @abstractmethod
    def _came_early(self, draft: Draft) -> bool:
        """Whether exactly one picture is missing before the draft, though there is no time for it."""

    @abstractmethod
    def _came_late(self, early: Draft, draft: Draft) -> bool:
        """Whether the draft is the picture that was missing before the early one."""

    @abstractmethod
    def _lane(self, header: SliceHeader) -> Hashable: ...

    @abstractmethod
    def _place(self, draft: Draft, piece: Slice, header: SliceHeader, segment: Segment) -> None:
        """Set the slice's address and add its segment to its lane."""

    @abstractmethod
    def _finish(self, draft: Draft) -> AccessUnit: ...
