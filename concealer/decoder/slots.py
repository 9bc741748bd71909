"""Places in output order that pictures left empty, and which of the lost pictures belongs in which.

H.264 counts its reference pictures, so that it is known how many were lost, but not where they were shown. What comes
after them tells: it fills all other places.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from concealer.bitstream import AccessUnit, MissingPicture

_REMEMBERED = 64
_MOST_PLACES = 4096
"""Places that are looked through; where there are more, a damaged count made them."""


class _Gap(NamedTuple):
    """What was lost before one access unit."""

    missing: list[MissingPicture]
    lost: int
    """Lost pictures, those that nobody refers to among them."""


class Slots:
    """Follows the places taken in output order by access units in decode order, one after the other."""

    def __init__(self) -> None:
        self._taken: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def top(self) -> int:
        """The last place in output order so far."""
        return max(self._taken, default=0)

    def take(self, order: int) -> None:
        """The next access unit, before which nothing is missing."""
        self._taken.append(order)

    def fill(self, au: AccessUnit, waiting: Sequence[AccessUnit], step: int, counted: bool) -> list[int]:
        """Find the places of the pictures missing before `au`, whose turn it is.

        waiting: what follows it, as far as that is known. step: from one picture to the next in output order.
        counted: reference pictures are counted (H.264); else the places of those that are missing are known. Returns
        the places of pictures that nobody refers to and that were lost there as well.
        """
        units = [au, *waiting]
        gaps = [_Gap(one.missing_before, max(len(one.missing_before), _room(one))) for one in units]
        others: list[int] = []
        if gaps[0].lost:
            others = self._told(units, gaps, step) if not counted else self._counted(units, gaps, step)
        # What is accounted for is looked for nowhere else.
        self._taken += [*others, *(one.order for one in au.missing_before), au.order]
        return [place for place in others if place < au.order]

    def _told(self, units: Sequence[AccessUnit], gaps: Sequence[_Gap], step: int) -> list[int]:
        """Of HEVC, whose missing reference pictures are known by their place: the places of others."""
        before = _tops(self._taken)
        if len(before) < 2:
            return []
        taken = {*self._taken, *(unit.order for unit in units), *(one.order for gap in gaps for one in gap.missing)}
        free = _free(range(before[-2] + step, units[0].order, step), taken)
        return free[: gaps[0].lost - len(gaps[0].missing)]

    def _counted(self, units: Sequence[AccessUnit], gaps: Sequence[_Gap], step: int) -> list[int]:
        """Of H.264, whose missing reference pictures are counted: place them; the places of others."""
        own = gaps[0]
        known = [unit.order for unit in units]
        tops = _tops([*self._taken, *known])
        before = _tops(self._taken)
        if len(before) < 2:
            return []
        low, top = before[-2:]
        taken = {*self._taken, *known}
        run = _behind_run(units, gaps, top, step)
        if run is not None:
            if len(units) == 1:
                return []
            # Of those lost here, some belong before the last that is shown behind all others.
            inner = len(_free(range(low + step, top, step), taken))
            run -= step * min(inner, own.lost - len(own.missing))
        end = tops[-1] if run is None else run
        free = _free(range(low + step, end, step), taken)
        if run is not None:
            free = free[-own.lost :]
        elif units[0].room_before is None:
            # Nothing tells of lost pictures that nobody refers to: they leave places too, and lie before others.
            closed = sum(place < tops[-2] for place in free)
            needed = sum(gap.lost for gap in gaps)
            free = free[max(0, closed - needed) :]
        if len(free) < len(own.missing):
            return []
        places = free[: own.lost]
        references = sorted(sorted(places, key=_likelihood(places, low, top))[: len(own.missing)])
        for missing, place in zip(own.missing, references, strict=True):
            missing.poc += place - missing.order
            missing.order = place
        return [place for place in places if place not in references]


def _room(au: AccessUnit) -> int:
    """Access units lost before `au`, by its time; 0 where that is no loss, but an outage."""
    return au.room_before if au.room_before is not None and au.room_before <= _REMEMBERED else 0


def _free(places: range, taken: Container[int]) -> list[int]:
    """Those that nothing takes; none where there are too many to be true."""
    return [place for place in places if place not in taken] if len(places) <= _MOST_PLACES else []


def _tops(orders: Iterable[int]) -> list[int]:
    """The places that lay behind all before them."""
    return sorted(set(accumulate(orders, max)))


def _behind_run(units: Sequence[AccessUnit], gaps: Sequence[_Gap], top: int, step: int) -> int | None:
    """The end of the places that a lost picture and the B-pictures shown before it fill; None if no such is lost.

    The first unit is one of those, which follow the lost picture in decode order; `top` is the place behind which they
    are shown.
    """
    if units[0].kind != "B" or units[0].order < top or not gaps[0].missing:
        return None
    filled = 0
    for number, (unit, gap) in enumerate(zip(units, gaps, strict=True)):
        ends = number > 0 and (unit.kind != "B" or bool(gap.missing))
        filled += gap.lost - (len(gap.missing) if ends else 0) + (not ends)
        if ends:
            break
    return top + step * (filled + 1)


def _likelihood(places: Sequence[int], low: int, top: int) -> Callable[[int], tuple[int, int]]:
    """Sorts places by how likely a reference picture belongs there: one that others are shown before, at the distance
    that such have from each other, or in the middle between two."""
    apart = top - low

    def rank(place: int) -> tuple[int, int]:
        if place > top and place == places[-1]:
            return 0, 0
        if place > top and (place - top) % apart == 0:
            return 1, place
        middle = low + (place - low) // apart * apart + apart // 2
        return 2, abs(place - middle)

    return rank
