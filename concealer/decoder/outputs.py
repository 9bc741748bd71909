"""From access units to output pictures: nothing lost, nothing twice, every timestamp kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, PicStruct, pic_struct_of
from concealer.damage import DamageMap
from concealer.decoder.fields import bottom_first
from concealer.decoder.roots import NO_REFERENCES
from concealer.outcome import KnownVectors, Promise, RepairOutcome

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """One access unit (or one picture known to be missing) on its way through the decoder."""

    index: int
    """Position in decode order; the tag its frame comes back with."""
    order: int
    """Position in output order."""
    pts: int | None
    duration: int | None
    kind: str
    synthesised: bool = False
    """The stream held nothing of this picture."""
    damage: DamageMap | None = None
    outcome: RepairOutcome | None = None
    in_loop: bool = False
    """Its picture lies in the decoder's reference memory, and can be repaired there."""
    repairable: bool = False
    """The hole is still unpainted: repair it on the output frame."""
    scene: int = 0
    hidden: bool = False
    """It is not put out: nothing but a reference for those that are."""
    moved: bool = False
    """Its access unit came one place too early or too late."""
    unreadable_sets: int = 0
    """Of its access unit, left out."""
    tag: int | None = None
    """That of its access unit."""
    layered: bool = False
    """Its access unit has HEVC layers above the base layer."""
    place_guessed: bool = False
    """`order` is what the pictures around suggest, not what the stream says."""
    bottom_first: bool | None = None
    """The bottom field is shown first; None if the stream has no fields."""
    pic_struct: PicStruct | None = None
    motion: tuple[KnownVectors, ...] = ()
    """What an observer is told."""
    real: float = 0.0
    """Of a picture that lacks references: share of its samples that do not hang on them, or hardly."""
    leading: bool = False
    """It comes behind the first picture that lacks nothing, and is shown before it."""
    promise: Promise | None = None
    """None: no damage touches it."""
    inherited: npt.NDArray[np.float32] | None = None
    """(2, rows, cols): mean squared error expected of what its blocks are predicted from, and how much changed where it
    was repaired; None: none."""

    def describe_whole(self, au: AccessUnit) -> None:
        """Take over what its access unit tells, one of a progressive stream without layers."""
        self.moved, self.tag, self.pic_struct = au.moved, au.tag, pic_struct_of(au)
        self.unreadable_sets = au.unreadable_sets

    def describe(self, au: AccessUnit) -> None:
        """Take over what its access unit tells."""
        self.moved, self.tag, self.layered = au.moved, au.tag, au.base_nals is not au.nals
        self.bottom_first, self.pic_struct = bottom_first(au), pic_struct_of(au)
        self.unreadable_sets = au.unreadable_sets


@dataclass(slots=True)
class DecodedPicture:
    """One picture in output order. Do not write to `frame`: the decoder may still predict from it."""

    frame: av.VideoFrame
    """Its `pts` is `pts` below."""
    damage: DamageMap
    outcome: RepairOutcome | None
    """What the repair returned; None where it was not called."""
    pts: int | None
    duration: int | None
    kind: str
    order: int
    index: int
    """Position in decode order, counted with synthesised pictures."""
    synthesised: bool
    """True if the stream held nothing of it, or the decoder could make no picture of what it held."""
    in_loop: bool
    """False if it could not be repaired in the decoder's reference memory."""
    moved: bool = False
    """Its access unit came one place too early or too late; it was decoded in its own."""
    tag: int | None = None
    """What its payload was given as its tag."""
    scene: int = 0
    """Counts the IRAP pictures before it in decode order."""
    layered: bool = False
    """Its access unit has HEVC layers above the base layer, which are not decoded."""
    promise: Promise | None = None
    """What it is held to be worth, if damage touches it or what it is predicted from."""
    real: float = 0.0
    """Of a picture that lacks what it is predicted from: share of its samples that do not hang on that, or hardly."""
    leading: bool = False
    """If it lacks what it is predicted from: decoding had begun, and players show it."""
    repeated: bool = False
    """Whoever shows it shows an earlier picture in its place; `frame` is that one's."""
    bottom_first: bool | None = None
    """Of the fields of a picture of an interlaced stream the bottom one is shown first; None: such there are none."""
    pic_struct: PicStruct | None = None
    """How often its fields are shown, as H.264 picture timing tells, such as 3:2 pulldown; None: nothing tells."""
    unreadable_sets: int = 0
    """Parameter sets of its access unit that arrived damaged, and were left out as those before hold on."""

    @property
    def confidence(self) -> float:
        """0 to 1: how sure it is that the picture is worth what a repair promises; 1 where no damage touches it."""
        if self.lacks_references:
            return 0.0
        if self.promise is not None:
            return self.promise.confidence
        return 0.0 if self.synthesised or self.damage.any_hole else 1.0

    @property
    def lacks_references(self) -> bool:
        """Decoding began after what it is predicted from: it holds guesses where nothing of it was coded anew."""
        return NO_REFERENCES in self.damage.causes


@dataclass(frozen=True)
class Due:
    """One picture whose turn in output order has come."""

    record: Record
    frame: av.VideoFrame | None
    """None if the decoder has none: it is to be made from its neighbours."""
    following: tuple[Record, av.VideoFrame] | None = None
    """The next picture with a frame, for one without."""


class OutputQueue:
    """Pairs the decoder's frames with their records, in output order.

    A record is *absent* once it is known that the decoder will not put out its frame. Its turn comes at its place in
    output order, when the first frame behind it comes out.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, Record] = {}
        self._absent: list[Record] = []
        self._guessed = False
        """Places of pictures were guessed."""

    def expect(self, record: Record) -> None:
        """The decoder has begun this record's picture."""
        if self._absent and record in self._absent:
            self._absent.remove(record)
        self._guessed |= record.place_guessed
        self._waiting[record.index] = record

    def absent(self, record: Record) -> None:
        """The decoder has no picture for this record."""
        self._guessed |= record.place_guessed
        self._waiting.pop(record.index, None)
        if record not in self._absent:
            self._absent.append(record)
            self._absent.sort(key=_place)

    def take(self, frame: av.VideoFrame) -> Record | None:
        """The record of a frame that is due as it is, with nothing to be shown before it; None: `put` it."""
        if self._absent or self._guessed or frame.pts is None:
            return None
        record = self._waiting.get(frame.pts)
        if record is None or record.hidden or record.repairable or record.damage is None:
            return None
        del self._waiting[record.index]
        return record

    def put(self, frame: av.VideoFrame) -> Iterator[Due]:
        """Pictures that are due now that the decoder put out `frame` (its pts is the record's index)."""
        record = self._waiting.pop(frame.pts, None) if frame.pts is not None else None
        if record is None:
            log.debug("frame without a record (tag %s) left out", frame.pts)
            return
        while self._absent and self._absent[0].order < record.order:
            yield Due(self._absent.pop(0), None, (record, frame))
        self._keep_times_in_order(record)
        yield Due(record, frame)

    def flush(self) -> Iterator[Due]:
        """All records that are still without a frame, after the decoder's last one."""
        rest = sorted([*self._absent, *self._waiting.values()], key=_place)
        self._absent, self._waiting = [], {}
        return (Due(record, None) for record in rest)

    def _keep_times_in_order(self, record: Record) -> None:
        """Where the place of a lost picture was guessed wrong, let it and `record` change times."""
        if record.pts is None or not self._guessed:
            return
        pending = [*self._absent, *self._waiting.values()]
        earlier = [
            (other.pts, other)
            for other in pending
            if other.pts is not None
            and other.pts < record.pts
            and other.scene == record.scene
            and (other.place_guessed or record.place_guessed)
        ]
        if earlier:
            first = min(earlier, key=lambda entry: entry[0])[1]
            record.pts, first.pts = first.pts, record.pts


def _place(record: Record) -> tuple[int, int]:
    return record.order, record.index
