"""Times that are wrong: put right by the output order and by those around them, before they are written."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, median_low

AHEAD = 8
"""Pictures that wait so that times after them are known: three to judge the one before them, five to be sorted."""
_SIDE = 3
"""Times on either side that one is judged by."""
_AGREE = 0.5
"""Intervals by which times around a wrong one may be off themselves."""


@dataclass(slots=True)
class _Waiting:
    raw: int | None
    """As the container gave it."""
    time: int | None
    """As far as it is put right."""
    received: bool


class TimeMender:
    """Gives every picture of one stream, in output order, a time behind that of the one before.

    Times that rise are never touched. A single time that does not fit between those around it, which fit each other, is
    replaced by the middle. Times in another order than the pictures (decode times given as presentation times) are
    handed out in rising order. Pictures that share a time, or have none, are spread evenly over the time there is.
    """

    def __init__(self, interval: int) -> None:
        """interval: ticks from one picture to the next at the nominal rate."""
        self.mended = 0
        """Pictures that got another time than the container's, which may have given none."""
        self._interval = max(interval, 1)
        self._decode_times: list[int] = []
        self._waiting: list[_Waiting] = []
        self._before: deque[int] = deque(maxlen=_SIDE)
        """Latest times given out."""

    def arrived(self, pts: int | None, dts: int | None) -> None:
        """An access unit went into the decoder.

        The decode times of those without presentation time (AVI) serve in their stead, in rising order: what a player
        does, which is late by the reordering delay for every picture alike.
        """
        if pts is None and dts is not None:
            heapq.heappush(self._decode_times, dts)

    def push(self, pts: int | None, received: bool = True) -> list[int]:
        """Take in the next picture's own time; returns the times, in ticks, of those that need not wait any more.

        received: False for a picture that was made up, whose time is nobody's mistake.
        """
        if pts is None and self._decode_times:
            pts = heapq.heappop(self._decode_times)
        self._waiting.append(_Waiting(pts, pts, received))
        judged = len(self._waiting) - 1 - _SIDE
        if judged >= 0:
            self._judge(judged)
        return [self._give()] if len(self._waiting) > AHEAD else []

    def flush(self) -> list[int]:
        """The stream ended: the times of those that still wait."""
        for place in range(max(0, len(self._waiting) - _SIDE), len(self._waiting)):
            self._judge(place)
        return [self._give() for _ in range(len(self._waiting))]

    def _judge(self, place: int) -> None:
        """Replace the time at `place` if it is alone in being wrong."""
        one = self._waiting[place]
        if one.time is None or self._rises(place, one.time):
            return
        waiting = [w.time for w in self._waiting]
        left = [*self._before, *waiting[:place]][-_SIDE:]
        right = waiting[place + 1 : place + 1 + _SIDE]
        around = [(offset, time) for offset, time in enumerate(left, -len(left)) if time is not None]
        around += [(offset, time) for offset, time in enumerate(right, 1) if time is not None]
        if len(around) < _SIDE:
            return
        if around[0][0] > 0 and one.time < around[0][1]:  # the first of all may lie far before the second
            return
        nearest = {offset: time for offset, time in around if abs(offset) == 1}
        if nearest.get(-1, one.time - 1) < one.time < nearest.get(1, one.time + 1):
            return
        step = _step(around)
        if step is None:
            return
        wanted = [time - offset * step for offset, time in around]
        middle = median(wanted)
        fitting = [
            offset for (offset, _), time in zip(around, wanted, strict=True) if abs(time - middle) < _AGREE * step
        ]
        # Of six one may be wrong too, but both sides must agree: else there is a pause.
        sides = ({offset > 0 for offset in offsets} for offsets in (fitting, [offset for offset, _ in around]))
        if len(fitting) < len(around) - (len(around) == 2 * _SIDE) or len(set(map(frozenset, sides))) > 1:
            return
        if around[-1][0] < 0 and one.time > middle:  # so may be before the last of all
            return
        if abs(one.time - middle) > (1 - _AGREE / 2) * step:
            one.time = round(middle)

    def _rises(self, place: int, time: int) -> bool:
        """Whether it lies between the times on either side, as nearly all do; there may be none."""
        before = self._waiting[place - 1].time if place else next(reversed(self._before), None)
        after = self._waiting[place + 1].time if place + 1 < len(self._waiting) else None
        return (before is None or before < time) and (after is None or time < after)

    def _give(self) -> int:
        """Decide on the first of those that wait."""
        ready = self._waiting[: AHEAD - _SIDE + 1]
        one = ready[0]
        known = [other for other in ready if other.time is not None]
        least = min(known, key=lambda other: other.time or 0, default=one)
        if one.time is not None:
            one.time, least.time = least.time, one.time
        last = self._before[-1] if self._before else None
        time = self._spread(ready, last)
        self._waiting.pop(0)
        self._before.append(time)
        self.mended += one.received and one.raw != time
        return time

    def _spread(self, ready: Sequence[_Waiting], last: int | None) -> int:
        time = ready[0].time
        if last is None:
            after = next((w.time for w in ready if w.time is not None), 0)
            number = next((place for place, w in enumerate(ready) if w.time is not None), 0)
            return after - number * self._interval
        if time is not None and time > last:
            shared = len(ready) > 1 and ready[1].time == time and time - last > 1.5 * self._interval
            return last + (time - last) // 2 if shared else time
        later = [(place, w.time) for place, w in enumerate(ready) if w.time is not None and w.time > last]
        if not later:
            return last + self._interval
        place, after = min(later, key=lambda entry: entry[1])
        return max(last + 1, last + min(self._interval, (after - last) // (place + 1)))


def _step(around: Sequence[tuple[int, int]]) -> float | None:
    """Ticks from one picture to the next, by the times on either side; None if they do not rise."""
    pairs = zip(around, around[1:], strict=False)
    steps = [(after - before) / (there - here) for (here, before), (there, after) in pairs]
    step = median_low(steps)
    return step if step > 0 else None
