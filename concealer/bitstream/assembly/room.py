"""How many access units can have been lost between two that arrived: what their decode times leave room for."""

from __future__ import annotations

from collections import deque
from statistics import median

_REMEMBERED = 16
_LEAST = 4
"""Steps from which on the time between access units is known."""
_NEAR, _STEADY = 0.25, 0.75
"""How far a step may lie from the usual one, as a share of it, and the share of steps that do not lie farther."""


class Room:
    """Learns the step of decode times of one stream, whose access units come in decode order."""

    def __init__(self) -> None:
        self._steps: deque[int] = deque(maxlen=_REMEMBERED)
        self._last: int | None = None
        self._untimed = 0
        """Access units without a time since the last one with."""
        self._latest: int | None = None
        self._leaps: deque[int] = deque(maxlen=_REMEMBERED)
        """By how much presentation times went beyond all before."""

    def before(self, pts: int | None, dts: int | None) -> int | None:
        """Access units that there is time for before the one with these times; None where times do not tell.

        They do not where decode times are uneven, go back or are missing, and where the presentation time leaps more
        than the decode time: containers without decode times make them of presentation times, some pictures late.
        """
        if dts is None:
            self._untimed += 1
            return None
        step = None if self._last is None else dts - self._last
        self._last = dts
        room = self._room(step) if step is not None and step > 0 else None
        if step is not None and step > 0 and not self._untimed:
            self._steps.append(step)
        near = self._leap(pts, 1 + self._untimed)
        self._untimed = 0
        return room if near or room else None

    def _room(self, step: int) -> int | None:
        usual = self._usual()
        return None if usual is None else max(0, round(step / usual) - 1 - self._untimed)

    def _usual(self) -> float | None:
        """The step from one access unit to the next; None if there is none that most take."""
        if len(self._steps) < _LEAST:
            return None
        if self._steps.count(self._steps[0]) == len(self._steps):  # as a rule, and a tenth of the time
            return self._steps[0]
        usual = median(self._steps)
        near = sum(abs(step - usual) <= _NEAR * usual for step in self._steps)
        return usual if near >= _STEADY * len(self._steps) else None

    def _leap(self, pts: int | None, units: int) -> bool:
        """Take in the presentation time of the next but `units` access unit; whether it lies as near as is usual."""
        if pts is None:
            return False
        if self._latest is None:
            self._latest = pts
            return True
        leap = pts - self._latest
        usual = leap <= 1.5 * units * max(self._leaps, default=leap)
        if leap > 0:
            self._latest = pts
            self._leaps.append(leap)
        return usual
