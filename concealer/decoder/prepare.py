"""What of an access unit goes to the decoder: unusable slices left out, cut ones given a tail, stand-ins put in."""

from __future__ import annotations

from dataclasses import dataclass, field

from concealer.bitstream import AccessUnit, NalUnit, Slice
from concealer.decoder.extent import in_order, place_of
from concealer.decoder.rules import FieldFn, Rules

_MIN_SLICE_BYTES = 12
"""A slice cut shorter holds no decodable block."""


@dataclass
class Prepared:
    """NAL units for the decoder, in order."""

    nals: list[NalUnit] = field(default_factory=list)
    other_nals: list[NalUnit] | None = None
    """The same with other junk behind damaged bytes; None if no slice has a junk tail."""
    orphans: list[Slice] = field(default_factory=list)
    """Slices that arrived but can't be decoded: unreadable, cut to nothing, or dependent on one that is lost."""
    slices: int = 0
    """Received slices among `nals`."""


@dataclass
class _Entry:
    nal: NalUnit
    other: NalUnit
    first: int | None
    """Place of a slice's first unit; None for other NAL units."""


def prepare(au: AccessUnit, rules: Rules, motion: FieldFn | None = None, write_lost: bool = True) -> Prepared:
    """Decide for every NAL unit of `au`. `motion`: that of lost slices; None = they repeat their reference.

    `write_lost` False leaves lost slices out but for a first one, without which the decoder would drop the picture.
    """
    rules.take_apart(au)
    if au.coverage.is_intact and all(s.header is not None and s.nal.damaged_at is None for s in au.slices):
        return Prepared(au.base_nals, slices=len(au.slices))
    out = Prepared()
    by_nal = {id(slice_.nal): slice_ for slice_ in au.slices}
    entries: list[_Entry] = []
    junk = False
    parent_arrived = True
    for nal in au.base_nals:
        slice_ = by_nal.get(id(nal))
        if slice_ is None:
            entries.append(_Entry(nal, nal, None))
            continue
        dependent = bool(getattr(slice_.header, "dependent", False))
        parent_arrived = (parent_arrived and _follows_arrived(au, slice_)) if dependent else slice_.header is not None
        cut = nal.damaged_at
        if slice_.header is None or not parent_arrived or (cut is not None and cut < _MIN_SLICE_BYTES):
            out.orphans.append(slice_)
            continue
        out.slices += 1
        if cut is None:
            entries.append(_Entry(nal, nal, _place(au, slice_)))
        else:
            short, other = rules.cut(slice_, cut, au.interlaced)
            junk |= other is not None
            entries.append(_Entry(short, other or short, _place(au, slice_)))
    if out.slices:
        arrived = {entry.first for entry in entries if entry.first is not None}
        for first, stand_in in rules.stand_ins(au, motion, arrived, write_lost):
            _insert(entries, first, stand_in)
    out.nals = [entry.nal for entry in entries]
    out.other_nals = [entry.other for entry in entries] if junk else None
    return out


def _insert(entries: list[_Entry], first: int, stand_in: NalUnit) -> None:
    """Put a written slice before the first one that starts behind it, else behind the last."""
    slices = [i for i, entry in enumerate(entries) if entry.first is not None]
    behind = [i for i in slices if (entries[i].first or 0) > first]
    place = behind[0] if behind else slices[-1] + 1
    entries.insert(place, _Entry(stand_in, stand_in, first))


def _follows_arrived(au: AccessUnit, slice_: Slice) -> bool:
    """Whether the unit before `slice_` arrived; a dependent slice takes its header from the slice that holds it."""
    if not slice_.first:
        return False
    return not bool(in_order(au.coverage.lost, au)[place_of(au, slice_.first) - 1])


def _place(au: AccessUnit, slice_: Slice) -> int | None:
    return None if slice_.first is None else place_of(au, slice_.first)
