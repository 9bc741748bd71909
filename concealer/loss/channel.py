"""The lossy channel: access units in, what arrives of them out, and a record of the difference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from concealer.bitstream import PARAMETER_SETS, START_CODE, AccessUnit, NalUnit, hevc, nal_type
from concealer.loss.record import AccessUnitDamage, DamageRecord, Layout, NalDamage
from concealer.loss.slice_blocks import slice_blocks

_DELIMITER = {"h264": 9, "hevc": 35}


@dataclass(slots=True)
class Sent:
    """What a model decided for one NAL unit."""

    data: bytes
    """What is left of it; empty = nothing."""
    removed: list[tuple[int, int]] = field(default_factory=list)
    """See `NalDamage.removed`."""
    flipped: list[tuple[int, int]] = field(default_factory=list)
    """See `NalDamage.flipped`."""


@dataclass(slots=True)
class Received:
    """What arrives of one access unit."""

    index: int
    """Position in the stream as sent."""
    payload: bytes
    """Annex B; empty if no slice is left."""
    nals: list[NalUnit]
    """The same as units; `offset` counts in the payload, `damaged_at` is where bytes are missing or wrong."""
    gaps: list[int]
    """Offsets in the payload before which bytes are missing, as a transport with sequence numbers knows them:
    bytes taken out, not bits flipped. Where a unit's end is missing the offset is that of its last byte, so
    that the gap is seen to lie in this unit and not between units. 0 also if the unit before was dropped."""
    damage: AccessUnitDamage | None
    """None if it arrived as it was sent."""
    pts: int | None = None
    dts: int | None = None
    duration: int | None = None


class Channel(ABC):
    """A seeded channel that works on the NAL units of one access unit after the other.

    Parameter sets always arrive: in practice they are repeated or signalled out of band, and without them
    nothing can be said about a stream. If no slice of an access unit is left, the whole access unit goes, and
    its parameter sets travel with the next that arrives. `spare_first` keeps the first access unit whole,
    because a stream that begins with a loss has nothing to be repaired from.
    """

    name: str

    def __init__(self, parameters: dict[str, Any], spare_first: bool) -> None:
        self._spare_first = spare_first
        self._carried: list[NalUnit] = []
        self._gap = False
        self.record = DamageRecord("", {"name": self.name} | parameters | {"spare_first": spare_first})

    @abstractmethod
    def _damage(self, unit: AccessUnit, index: int) -> dict[int, Sent]:
        """By index in `unit.nals`, what becomes of those that do not arrive as they were sent.

        What it says of spared NAL units is not used.
        """

    def send(self, unit: AccessUnit) -> Received:
        """Let one access unit through; it must be whole. Keeps the record."""
        index = self.record.access_units
        note(self.record, unit)
        changes = self._damage(unit, index)
        changes = {n: sent for n, sent in changes.items() if not self._spares(unit, index, unit.nals[n])}
        damage = describe(unit, index, changes) if changes else None
        if damage is not None and damage.dropped:
            kept = [nal for nal in unit.nals if nal_type(unit.codec, nal) in PARAMETER_SETS[unit.codec]]
            gone = {n: whole_loss(nal) for n, nal in enumerate(unit.nals) if nal not in kept}
            damage = describe(unit, index, changes | gone)
            self._carried += kept
            self._gap = True
        if damage is not None:
            self.record.damaged.append(damage)
            if damage.dropped:
                return Received(index, b"", [], [], damage, unit.pts, unit.dts, unit.duration)
        return self._receive(unit, index, changes, damage)

    def _spares(self, unit: AccessUnit, index: int, nal: NalUnit) -> bool:
        """Whether this NAL unit arrives whatever the model says."""
        return (self._spare_first and index == 0) or nal_type(unit.codec, nal) in PARAMETER_SETS[unit.codec]

    def _receive(
        self,
        unit: AccessUnit,
        index: int,
        changes: dict[int, Sent],
        damage: AccessUnitDamage | None,
    ) -> Received:
        received = Received(index, b"", [], [], damage, unit.pts, unit.dts, unit.duration)
        if self._gap:
            received.gaps.append(0)
        size = 0
        pieces: list[bytes] = []
        arriving = list(enumerate(unit.nals))
        at = 1 if unit.nals and nal_type(unit.codec, unit.nals[0]) == _DELIMITER[unit.codec] else 0
        arriving[at:at] = [(-1, nal) for nal in self._carried]
        for n, nal in arriving:
            sent = changes.get(n, Sent(nal.data))
            if sent.data:
                offset = size + len(START_CODE)
                whole = replace(nal, data=sent.data, offset=offset)
                received.nals.append(replace(whole, damaged_at=_damaged_at(sent)))
                pieces += (START_CODE, sent.data)
                received.gaps += [offset + place for place in _gap_places(sent)]
                size = offset + len(sent.data)
            else:
                received.gaps.append(size)
        received.payload = b"".join(pieces)
        received.gaps = sorted(set(received.gaps))
        self._carried, self._gap = [], False
        return received


def transmit(units: Iterable[AccessUnit], channel: Channel) -> tuple[list[Received], DamageRecord]:
    """Send all of `units` through `channel`; returns what arrives of each, and the channel's record."""
    return [channel.send(unit) for unit in units], channel.record


def note(record: DamageRecord, unit: AccessUnit) -> None:
    """Count an access unit, and remember its size where it changes."""
    record.codec = unit.codec
    if unit.width:
        last = record.layout[-1] if record.layout else None
        if last is None or (last.width, last.height, last.unit) != (unit.width, unit.height, unit.unit):
            record.layout.append(Layout(record.access_units, unit.width, unit.height, unit.unit))
    record.access_units += 1
    record.slices += len(unit.slices)


def describe(unit: AccessUnit, index: int, changes: Mapping[int, Sent]) -> AccessUnitDamage:
    """The record's entry for a unit whose NAL units arrive as `changes` say."""
    slices = slice_numbers(unit)
    blocks = dict(zip(slices, slice_blocks(unit), strict=True))
    damage = AccessUnitDamage(index, unit.pts)
    damage.dropped = bool(slices) and all(n in changes and not changes[n].data for n in slices)
    orphans = set() if damage.dropped else _orphans(unit, slices, changes)
    for n in sorted(changes.keys() | orphans):
        nal, sent = unit.nals[n], changes.get(n)
        entry = NalDamage(n, nal_type(unit.codec, nal), len(nal.data), blocks.get(n), orphaned=sent is None)
        if sent is not None:
            entry.removed, entry.flipped = sent.removed, sent.flipped
        damage.nals.append(entry)
    return damage


def whole_loss(nal: NalUnit) -> Sent:
    """Nothing of it arrives."""
    return Sent(b"", [(0, len(nal.data))])


def _gap_places(sent: Sent) -> list[int]:
    """Where bytes are missing, as offsets into what is left."""
    places, gone = [], 0
    for offset, count in sent.removed:
        places.append(min(offset - gone, len(sent.data) - 1))
        gone += count
    return places


def _damaged_at(sent: Sent) -> int | None:
    gone = [min(sent.removed[0][0], len(sent.data))] if sent.removed else []
    return min(gone + [offset for offset, _ in sent.flipped[:1]], default=None)


def slice_numbers(unit: AccessUnit) -> list[int]:
    """For each of `unit.slices` its index in `unit.nals`."""
    places = {id(nal): number for number, nal in enumerate(unit.nals)}
    return [places[id(piece.nal)] for piece in unit.slices]


def _orphans(unit: AccessUnit, numbers: Iterable[int], damaged: Container[int]) -> set[int]:
    """Dependent slice segments whose independent segment, or one between, is damaged (HEVC 7.4.7.1)."""
    orphans: set[int] = set()
    broken = False
    for n, piece in zip(numbers, unit.slices, strict=True):
        if not (isinstance(piece.header, hevc.SliceHeader) and piece.header.dependent):
            broken = n in damaged
        elif n in damaged:
            broken = True
        elif broken:
            orphans.add(n)
    return orphans
