"""Frames coded in two fields, and MBAFF frames: decoded, judged and repaired in their own geometry.

A second field may be predicted from the first, so each field is decoded, and repaired, by itself; only where nothing
refers to either are both decoded before they are repaired, each then with the other one to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import av
import numpy as np

from concealer.bitstream import AccessUnit, NalUnit, h264, join_annexb
from concealer.damage import Damage, DamageMap
from concealer.decoder.fields import Part, field_orders, mark_part, parts_of
from concealer.decoder.history import History, Painted, Step
from concealer.decoder.hook import Buffer, Coding, Decoded, DecoderCore, PlainCore
from concealer.decoder.painting import Painter
from concealer.decoder.shadow import Shadows
from concealer.decoder.turn import Held
from concealer.outcome import RepairOutcome, of_both_fields
from concealer.picture import Picture
from concealer.standins import lost_field_standin

_MOST_SHARED = 0.5
"""Part of a field's hole that may be one in its sister too, for that to be looked at."""


@dataclass
class Whole:
    """What came of one access unit."""

    frames: list[av.VideoFrame] = field(default_factory=list)
    """Whose turn in output order has come."""
    buffer: Buffer | None = None
    picture: Picture | None = None
    damage: DamageMap | None = None
    """None where nothing could be decoded."""
    outcome: RepairOutcome | None = None


@dataclass
class _Field:
    """A field, or a frame, on its way."""

    part: Part
    stands_in: bool = False
    """It never came; what the decoder gets is written."""
    payload: bytes = b""
    repaired: bool = False
    outcome: RepairOutcome | None = None
    damage: DamageMap | None = None
    """None before it is decoded, and where the decoder had no picture for it."""


class InterlacedTurns:
    """The access units of one stream that are no progressive frames."""

    def __init__(self, core: DecoderCore | PlainCore, painter: Painter, shadows: Shadows, history: History) -> None:
        """shadows, history: of all access units of the stream."""
        self._core = core
        self._painter = painter
        self._shadows = shadows
        self._history = history
        self._starts: dict[tuple[Coding, str], tuple[int, ...]] = {}
        self._begin_with_bottom: bool | None = None
        """Of the pairs of fields seen so far."""

    def decode(
        self, au: AccessUnit, headers: Sequence[NalUnit], tag: int, scene: int, references: Sequence[Held]
    ) -> Whole:
        """Decode `au`, find its damage and have it repaired.

        headers: parameter sets that go before it. references: the latest pictures before it.
        """
        whole = Whole()
        fields = self._fields(au)
        if not fields:
            return whole
        fields[0].part.nals[:0] = headers
        orders = field_orders(au)
        for one in fields:
            one.payload = join_annexb(one.part.nals)
            decoded = self._core.decode(one.payload, tag, conceal=False, coding=one.part.coding)
            whole.frames += decoded.frames
            if decoded.buffer is None:
                continue
            if whole.buffer is not decoded.buffer:
                for other in fields:  # no pair for the decoder
                    other.damage = None
                whole.buffer = decoded.buffer
                whole.picture = _picture(au, decoded.buffer, scene, orders)
            one.damage = self._known_damage(au, one, decoded)
            if au.is_reference:
                self._settle(whole, [one], fields, references)
        if whole.picture is not None:
            if not au.is_reference:
                self._settle(whole, fields, fields, references)
            absent = self._absent(fields, whole.picture)
            self._repair(whole, absent, fields, references)
            fields += absent
            whole.damage = _joined(fields, whole.picture)
            outcomes = [one.outcome for one in fields]
            whole.outcome = of_both_fields(outcomes) if fields[0].part.coding.is_field else outcomes[0]
        return whole

    def _absent(self, fields: list[_Field], picture: Picture) -> list[_Field]:
        """The field that the decoder has nothing of, in a stream whose fields come in pairs."""
        first = fields[0].part
        decoded = {one.part.coding.parity for one in fields if one.damage is not None}
        if not first.coding.is_field or self._begin_with_bottom is None or len(decoded) == 2:
            return []
        damage = DamageMap(picture.width, picture.height // 2)
        damage.mark(damage.state >= 0, Damage.LOST, "field lost")
        part = Part(Coding("field", 1 - decoded.pop(), second=True), first.header)
        return [_Field(part, stands_in=True, damage=damage)]

    def _settle(self, whole: Whole, now: list[_Field], fields: list[_Field], references: Sequence[Held]) -> None:
        """Have the fields `now`, or the frame, repaired, and keep the other decoders in step."""
        assert whole.picture is not None and whole.buffer is not None
        self._repair(whole, now, fields, references)
        for one in now:
            painted = None
            if one.damage is not None and one.damage.any_hole:
                painted = Painted.of(whole.buffer.planes, _joined([one], whole.picture))
            step = Step(one.payload, False, painted, one.part.coding)
            if one.damage is not None:
                self._shadows.follow(one.damage, whole.buffer, step, self._history)
            self._history.add(step)

    def _fields(self, au: AccessUnit) -> list[_Field]:
        """What arrived of `au`, a written field in place of one that did not."""
        parts = parts_of(au)
        fields = [_Field(part) for part in parts]
        if au.interlaced != "field" or not parts:
            return fields
        first = parts[0].header
        if len(parts) > 1:
            self._begin_with_bottom = first.bottom_field
        elif self._begin_with_bottom is not None:
            second = first.bottom_field == self._begin_with_bottom
            nal = lost_field_standin(first, second)
            if nal is not None:
                parts[0].coding = Coding("field", parts[0].coding.parity, not second)
                made = Part(Coding("field", 1 - parts[0].coding.parity, second), first, [nal])
                fields.insert(int(second), _Field(made, stands_in=True))
        return fields

    def _known_damage(self, au: AccessUnit, one: _Field, decoded: Decoded) -> DamageMap:
        assert decoded.buffer is not None
        height, width = decoded.buffer.planes[0].shape
        coding = one.part.coding
        damage = DamageMap(width, height // 2 if coding.is_field else height)
        if one.stands_in:
            damage.mark(damage.state >= 0, Damage.LOST, "field lost")
            return damage
        kind = coding, au.kind
        mark_part(damage, one.part, decoded.errors, self._starts.get(kind, ()))
        if decoded.errors is None:
            self._starts[kind] = tuple(
                h.first_mb for s in one.part.slices if isinstance(h := s.header, h264.SliceHeader)
            )
        return damage

    def _repair(self, whole: Whole, now: list[_Field], fields: list[_Field], references: Sequence[Held]) -> None:
        """Repair the fields `now`, or the frame; those of `fields` that are decoded and whole may serve."""
        assert whole.picture is not None
        earlier = [held.picture for held in references]
        for one in now:
            if one.damage is None or not one.damage.any_hole:
                continue
            parity = one.part.coding.parity
            if not one.part.coding.is_field:
                one.outcome = self._painter.paint(whole.picture, one.damage, earlier)
            else:
                others = [whole.picture.field(1 - parity) for other in fields if _serves(other, one)]
                seen = [frame.field(which) for frame in earlier for which in range(2)]
                one.outcome = self._painter.paint(whole.picture.field(parity), one.damage, [*others, *seen])
            one.repaired = True


def _serves(other: _Field, one: _Field) -> bool:
    """Whether the other field of the frame tells something of the hole of `one` that this one's repair does not."""
    if other is one or other.damage is None or one.damage is None or other.stands_in:
        return False
    if not other.damage.any_hole:
        return True
    hole = one.damage.hole
    shared = int(np.count_nonzero(other.damage.hole & hole))
    return other.repaired and shared <= _MOST_SHARED * int(np.count_nonzero(hole))


def _picture(au: AccessUnit, buffer: Buffer, scene: int, orders: tuple[int, int]) -> Picture:
    depth = buffer.layout.bit_depth
    return Picture(buffer.planes, depth, au.order, au.pts, au.kind, scene, field_orders=orders)


def _joined(fields: list[_Field], picture: Picture) -> DamageMap:
    """The map of the frame."""
    if not fields[0].part.coding.is_field:
        return fields[0].damage or DamageMap(picture.width, picture.height)
    maps = [DamageMap(picture.width, picture.height // 2) for _ in range(2)]
    for parity in range(2):
        for one in fields:
            if one.part.coding.parity == parity and one.damage is not None:
                maps[parity] = one.damage
    return DamageMap.of_fields(maps[0], maps[1])
