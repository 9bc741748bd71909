"""Holes in time: how many pictures are missing between two that follow each other in output order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Protocol

log = logging.getLogger(__name__)

_REMEMBERED = 32
_LEAST = 8
"""Pictures whose times must be known before one can be said to be missing."""
_NEAR = 0.25
"""Share of a step by which it may lie off the usual one, or a hole off a whole number of steps."""
_MOST_TOLD = 10
"""Holes, each in a line."""
_MOST_SAY_SO, _ALL_SAY_SO = 0.75, 0.95
"""Share of steps that must be usual where places in output order tell of a hole as well, and where times alone do."""


class Placed(Protocol):
    """What is to be known of a picture."""

    @property
    def index(self) -> int:
        """Place in decode order."""

    @property
    def order(self) -> int:
        """Place in output order."""

    @property
    def pts(self) -> int | None: ...

    @property
    def scene(self) -> int:
        """Counts the IRAP pictures before it."""

    @property
    def synthesised(self) -> bool:
        """Nothing of it arrived."""

    @property
    def lacks_references(self) -> bool:
        """It refers to what lies before the stream's start."""


@dataclass(frozen=True)
class GapPolicy:
    """What is done about holes in time."""

    fill_seconds: float = 1.0
    """Holes up to this long get pictures; 0 = none does."""
    freeze: bool = False
    """Longer ones get the picture before them, again and again; else they are told and left."""
    repeat: bool = False
    """Those that get pictures get the one before them too, instead of made ones."""
    quiet: bool = False
    """They were told before."""

    @property
    def left(self) -> GapPolicy:
        """The same where none is filled."""
        return GapPolicy(fill_seconds=0, quiet=self.quiet)


class Gaps:
    """Watches the times and places of one stream's pictures.

    A hole in time alone is none where pictures come at a varying rate. It is one where the places in output order have
    it too, as those count every picture that was encoded; or, where an IRAP picture begins to count anew, if all
    pictures came at a steady pace before.
    """

    def __init__(self, policy: GapPolicy, tick: float, label: str) -> None:
        """tick: seconds. label: of the stream, for what is told."""
        self._policy = policy
        self._tick = tick
        self._label = label
        self._steps: deque[int] = deque(maxlen=_REMEMBERED)
        self._places: deque[int] = deque(maxlen=_REMEMBERED)
        """Steps in output order."""
        self._last: tuple[Placed, int] | None = None
        self._reorders = False
        self._told = 0
        self._usual: float | None = None
        """The usual step, as far as it was known when it was last asked for."""

    def forget(self) -> None:
        """What comes is not shown right after what came."""
        self._last = None

    def before(self, picture: Placed, pts: int, following: Sequence[Placed]) -> tuple[list[int], bool]:
        """(times, frozen) of the pictures missing right before `picture`, which is shown at `pts`.

        following: those after it, as far as they are known; none if it is the last one.
        """
        last, self._last = self._last, (picture, pts)
        if last is None or last[0].lacks_references:
            # What a stream joined in its middle begins with was, as a rule, sent before.
            return [], False
        if self._usual is not None and abs(pts - last[1] - self._usual) <= _NEAR * self._usual:
            # As nearly all are; the rest costs a fifth of a millisecond.
            self._reorders |= picture.index < last[0].index and not picture.synthesised
            self._learn(pts - last[1], picture, last[0])
            return [], False
        usual, count = self._count(*last, picture, pts, following)
        self._usual = usual
        cut = self._reorders and (not following or _jumps(picture, following[0], usual))
        step = pts - last[1]
        self._reorders |= picture.index < last[0].index and not picture.synthesised
        if count < 1 or usual is None or cut:
            # Where pictures come in another order than they are shown, a recording that ends, or is cut and joined to
            # another, lacks those shown before its last one: nothing of it was lost.
            self._learn(step, picture, last[0])
            return [], False
        if (step - usual) * self._tick <= self._policy.fill_seconds:
            return [last[1] + step * number // (count + 1) for number in range(1, count + 1)], self._policy.repeat
        self._tell((step - usual) * self._tick, (last[1] + usual) * self._tick)
        times = range(1, count + 1) if self._policy.freeze else ()
        return [last[1] + step * number // (count + 1) for number in times], True

    def _count(
        self, last: Placed, time: int, picture: Placed, pts: int, following: Sequence[Placed]
    ) -> tuple[float | None, int]:
        """(usual step, number of pictures missing)."""
        steps, places = [*self._steps], [*self._places]
        for here, there in pairwise([picture, *following]):
            if here.pts is not None and there.pts is not None and there.pts > here.pts:
                steps.append(there.pts - here.pts)
            if there.scene == here.scene and there.order > here.order:
                places.append(there.order - here.order)
        if len(steps) < _LEAST:
            return None, 0
        usual = median(steps)
        near = sum(abs(step - usual) <= _NEAR * usual for step in steps) / len(steps)
        apart = (pts - time) / usual
        count = round(apart) - 1
        if near < _MOST_SAY_SO or count < 1 or abs(apart - count - 1) > _NEAR:
            return usual, 0
        place = min(places, default=1)
        agreed = last.scene == picture.scene and round((picture.order - last.order) / place) == count + 1
        anew = last.scene != picture.scene and near >= _ALL_SAY_SO
        return usual, count if agreed or anew else 0

    def _tell(self, seconds: float, start: float) -> None:
        if self._policy.quiet:
            return
        self._told += 1
        if self._told <= _MOST_TOLD:
            what = "the last one is repeated" if self._policy.freeze else "left as it is"
            log.warning("%s: no pictures for %.2f s from %.2f s on: %s", self._label, seconds, start, what)
        elif self._told == _MOST_TOLD + 1:
            log.warning("%s: more such holes", self._label)

    def _learn(self, step: int, picture: Placed, last: Placed) -> None:
        self._steps.append(step)
        if picture.scene == last.scene and picture.order > last.order:
            self._places.append(picture.order - last.order)


def _jumps(picture: Placed, following: Placed, usual: float | None) -> bool:
    """Whether time leaps from one picture to the next, which counts anew."""
    if picture.scene == following.scene or usual is None or picture.pts is None or following.pts is None:
        return False
    return abs(following.pts - picture.pts - usual) > usual / 2
