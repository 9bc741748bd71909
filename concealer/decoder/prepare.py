"""What of an access unit goes to the decoder: unusable slices left out, cut ones given a tail, stand-ins put in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from concealer.bitstream import AccessUnit, NalUnit, Slice
from concealer.decoder.lost_slices import FieldFn, stand_ins
from concealer.standins import first_slice_standin, junk_tail

_MIN_SLICE_BYTES = 12
"""A slice cut shorter holds no decodable block."""
_JUNK, _OTHER_JUNK = 1, 2


@dataclass
class Prepared:
    """NAL units for the decoder, in order."""

    nals: list[NalUnit] = field(default_factory=list)
    other_nals: list[NalUnit] | None = None
    """The same with other junk behind damaged bytes (HEVC); None if no slice has a junk tail."""
    orphans: list[Slice] = field(default_factory=list)
    """Slices that arrived but can't be decoded: unreadable, cut to nothing, or dependent on one that is lost."""
    slices: int = 0
    """Received slices among `nals`."""


@dataclass
class _Entry:
    nal: NalUnit
    other: NalUnit
    first: int | None
    """Raster address of a slice's first unit; None for other NAL units."""


def prepare(au: AccessUnit, motion: FieldFn | None = None, write_lost: bool = True) -> Prepared:
    """Decide for every NAL unit of `au`. `motion`: that of lost HEVC slices; None = they repeat their reference.

    `write_lost` False leaves lost slices out but for a first one, without which the decoder would drop the picture.

    H.264 slices are cut at the damaged byte: the decoder then notices within two bytes. HEVC would read on in whatever
    memory follows, so it gets seeded junk there instead.
    """
    if au.coverage.is_intact and all(s.header is not None and s.nal.damaged_at is None for s in au.slices):
        return Prepared(au.nals, slices=len(au.slices))
    out = Prepared()
    by_nal = {id(slice_.nal): slice_ for slice_ in au.slices}
    entries: list[_Entry] = []
    junk = False
    parent_arrived = True
    for nal in au.nals:
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
            entries.append(_Entry(nal, nal, slice_.first))
        elif au.codec == "h264":
            short = replace(nal, data=nal.data[:cut])
            entries.append(_Entry(short, short, slice_.first))
        else:
            junk = True
            entries.append(_Entry(junk_tail(nal, cut, _JUNK), junk_tail(nal, cut, _OTHER_JUNK), slice_.first))
    if out.slices and au.codec == "hevc":
        for first, stand_in in stand_ins(au, motion) if write_lost else ():
            _insert(entries, first, stand_in)
        if not any(entry.first == 0 for entry in entries):
            first_slice = first_slice_standin(au)
            if first_slice is not None:
                _insert(entries, 0, first_slice)
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
    return not bool(au.coverage.lost.ravel()[slice_.first - 1])
