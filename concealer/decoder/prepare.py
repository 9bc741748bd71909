"""What of an access unit goes to the decoder: unreadable slices left out, cut ones given a tail, stand-ins put in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from concealer.bitstream.access_unit import AccessUnit, Slice
from concealer.bitstream.nal import NalUnit
from concealer.bitstream.standin import first_slice_standin, junk_tail

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
    """Slices among `nals`, stand-ins not counted."""


def prepare(au: AccessUnit) -> Prepared:
    """Decide for every NAL unit of `au`. H.264 slices are cut at the damaged byte: the decoder then notices within two
    bytes. HEVC would read on in whatever memory follows, so it gets seeded junk there instead."""
    out = Prepared()
    by_nal = {id(slice_.nal): slice_ for slice_ in au.slices}
    other: list[NalUnit] = []
    parent_arrived = True
    for nal in au.nals:
        slice_ = by_nal.get(id(nal))
        if slice_ is None:
            out.nals.append(nal)
            other.append(nal)
            continue
        cut = nal.damaged_at
        dependent = bool(getattr(slice_.header, "dependent", False))
        if dependent and not _follows_arrived(au, slice_):
            parent_arrived = False
        elif not dependent:
            parent_arrived = slice_.header is not None
        if slice_.header is None or not parent_arrived or (cut is not None and cut < _MIN_SLICE_BYTES):
            out.orphans.append(slice_)
            continue
        out.slices += 1
        if cut is None:
            out.nals.append(nal)
            other.append(nal)
        elif au.codec == "h264":
            out.nals.append(replace(nal, data=nal.data[:cut]))
            other.append(out.nals[-1])
        else:
            out.nals.append(junk_tail(nal, cut, _JUNK))
            other.append(junk_tail(nal, cut, _OTHER_JUNK))
            out.other_nals = other
    if au.codec == "hevc" and out.slices and _first_slice_missing(au, out):
        stand_in = first_slice_standin(au)
        if stand_in is not None:
            place = next(i for i, nal in enumerate(out.nals) if id(nal) in by_nal or nal.damaged_at is not None)
            out.nals.insert(place, stand_in)
            if out.other_nals is not None:
                out.other_nals.insert(place, stand_in)
    return out


def _first_slice_missing(au: AccessUnit, out: Prepared) -> bool:
    orphaned = {id(slice_) for slice_ in out.orphans}
    return not any(slice_.first == 0 and id(slice_) not in orphaned for slice_ in au.slices)


def _follows_arrived(au: AccessUnit, slice_: Slice) -> bool:
    """Whether the unit before `slice_` arrived; a dependent slice takes its header from the slice that holds it."""
    if not slice_.first:
        return False
    return not bool(au.coverage.lost.ravel()[slice_.first - 1])
