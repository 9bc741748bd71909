"""Which of the units that there can be are there: the row of them that most speaks for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from concealer.bitstream import SliceHeader, h264
from pipelines.salvage.units import Unit

_NEXT = 16
"""Units behind one that may be its successor."""
_ADJACENT = 2.0
"""Speaks for two units of which one begins where the other ends."""
_CONTINUES, _JUMPS = 1.0, -2.0
"""Speak for, and against, two slices by how their pictures are numbered."""
_ORPHAN = -3.0
"""Speaks against a slice that begins no picture where no unit ends: chance makes such of sound, a hole hardly ever."""
_FAR, _FAR_OFF = 1 << 18, -1.0
"""Bytes between two units beyond which that speaks against them."""
_NEAR_POC = 20
"""Pictures."""


def best_row(units: Sequence[Unit]) -> list[Unit]:
    """Units of `units`, which are in order of their place, that do not overlap and fit each other best."""
    starts = [unit.start for unit in units]
    best = [0.0] * (len(units) + 1)
    after = [-1] * len(units)
    peak = len(units)
    """The unit behind which most is had, of those that begin behind the one in question: for holes."""
    peaks = [peak] * (len(units) + 1)
    for place in range(len(units) - 1, -1, -1):
        unit = units[place]
        first = bisect_left(starts, unit.end, place + 1)
        value, chosen = 0.0, -1
        for later in range(first, min(first + _NEXT, len(units))):
            gained = best[later] + _fit(unit, units[later])
            if gained > value:
                value, chosen = gained, later
        far = peaks[first] if first < len(units) else len(units)
        if far < len(units) and best[far] + _start(units, far) + _JUMPS > value:
            value, chosen = best[far] + _start(units, far) + _JUMPS, far
        best[place] = value + (unit.weight if not unit.cut else unit.weight / 2)
        after[place] = chosen
        if best[place] + _start(units, place) >= best[peak] + _start(units, peak):
            peak = place
        peaks[place] = peak
    row: list[Unit] = []
    at = peaks[0] if units else -1
    while 0 <= at < len(units):
        row.append(units[at])
        at = after[at]
    return row


def _start(units: Sequence[Unit], place: int) -> float:
    """What speaks against a row that begins, or goes on behind a hole, with the unit of that place."""
    return 0.0 if place >= len(units) or units[place].first else _ORPHAN


def _fit(one: Unit, other: Unit) -> float:
    """What speaks for two units one behind the other."""
    distance = other.start - one.end
    value = _ADJACENT if distance == 0 else _FAR_OFF if distance > _FAR else 0.0
    if distance and not other.first:
        value += _ORPHAN
    if one.header is not None and other.header is not None:
        value += _CONTINUES if continues(one.header, other.header) else _JUMPS
    return value


def continues(one: SliceHeader, other: SliceHeader) -> bool:
    """Whether the numbers of two slices can be those of one picture, or of two one behind the other."""
    if isinstance(one, h264.SliceHeader) and isinstance(other, h264.SliceHeader):
        if other.is_idr:
            return other.frame_num == 0
        turn = 1 << other.sps.log2_max_frame_num
        step = (other.frame_num - one.frame_num) % turn
        return step == 0 or (step == 1 and one.nal_ref_idc != 0) or one.has_mmco5
    if isinstance(one, h264.SliceHeader) or isinstance(other, h264.SliceHeader):
        return False
    if other.is_idr or one.is_idr:
        return True
    turn = 1 << other.sps.log2_max_poc_lsb
    return (other.poc_lsb - one.poc_lsb + _NEAR_POC) % turn <= 2 * _NEAR_POC
