"""How rich a repair fits into the time there is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

Level = Literal["full", "light", "copy"]

LEVELS: tuple[Level, ...] = ("full", "light", "copy")

EXPECTED = {"full": (4.0, 4.1e-5), "light": (2.0, 2.3e-5), "copy": (0.8, 6.7e-6)}
"""Milliseconds per region, and per luma sample of it, before anything was measured (two cores). Holes of 4 blocks up to
all of a 720p picture take 0.7 to 1.5 times that."""

ASIDE = (1.5, 3e-5)
"""The same for choosing between candidates by a network."""

TWO_SIDED = 1.5
"""Factor of "full" and "light" where there are references on both sides in time."""

MEMORY = 0.7
"""Part of the old estimate kept at each measurement."""

SWING = 2.0
"""Factor by which one measurement may differ from the estimate; beyond it is a slow moment, not a slow machine."""

DRIFT = 0.05
"""Part by which levels not used follow the one that was: a level found too slow gets another chance."""

LEAST_MS = 1.0
"""Shortest time given to a repair: the cheapest way is taken then."""

MEASURING_MS = 6e-5
"""Milliseconds per repaired luma sample that measuring its motion is expected to take before it was timed."""

MEASURING_SHARE = 0.5
"""Part of the deadline that measuring may take."""


class Budget:
    """Time there is for one access unit, counted from its arrival, or for one repair where nobody tells of arrivals.

    Decoding takes its part of that time, and one access unit may bring several repairs: its own, and those of whole
    pictures missing before it.
    """

    def __init__(self, deadline_ms: float | None) -> None:
        """deadline_ms: None = any time."""
        self.deadline_ms = deadline_ms
        self._began: float | None = None
        self._measuring_ms = MEASURING_MS

    def begin(self, deadline_ms: float | None) -> None:
        """An access unit arrives."""
        self.deadline_ms = deadline_ms
        self._began = time.perf_counter()

    def left(self) -> float | None:
        """Milliseconds, at least `LEAST_MS`; None: any time."""
        if self.deadline_ms is None or self._began is None:
            return self.deadline_ms
        return max(self.deadline_ms - (time.perf_counter() - self._began) * 1e3, LEAST_MS)

    def allows_measuring(self, samples: int) -> bool:
        """Whether motion of `samples` repaired luma samples is expected to be measured in its share of the time."""
        if self.deadline_ms is not None and samples * self._measuring_ms > MEASURING_SHARE * self.deadline_ms:
            self._measuring_ms += DRIFT * (MEASURING_MS - self._measuring_ms)  # what was slow gets another chance
            return False
        return True

    def measured(self, samples: int, milliseconds: float) -> None:
        """Take in what measuring has taken."""
        if samples:
            self._measuring_ms += (1.0 - MEMORY) * (milliseconds / samples - self._measuring_ms)


class SideCost:
    """Estimate of what something takes that is done only where there is time for it."""

    def __init__(self) -> None:
        self._pace = 1.0

    def fits(self, samples: int, left_ms: float) -> bool:
        """Whether it is expected to end within `left_ms`, for a region of so many luma samples."""
        if self._pace * _aside(samples) <= left_ms:
            return True
        self._pace += DRIFT * (1.0 - self._pace)  # what was slow gets another chance
        return False

    def learn(self, samples: int, milliseconds: float) -> None:
        """Take in what it has taken."""
        seen = min(max(milliseconds / _aside(samples), self._pace / SWING), self._pace * SWING)
        self._pace += (1.0 - MEMORY) * (seen - self._pace)


class CostModel:
    """Estimate of what a repair takes, corrected by what repairs have taken."""

    def __init__(self) -> None:
        self._pace: dict[Level, float] = dict.fromkeys(LEVELS, 1.0)
        """Time taken, in units of the time expected."""

    def choose(self, areas: Sequence[int], two_sided: bool, deadline_ms: float | None) -> Level:
        """Richest level expected to repair regions of `areas` luma samples each in time; "copy" if none does."""
        if deadline_ms is None:
            return "full"
        for level in LEVELS:
            if self.expected(level, areas, two_sided) <= deadline_ms:
                return level
        return "copy"

    def expected(self, level: Level, areas: Sequence[int], two_sided: bool) -> float:
        """Milliseconds that regions of these areas are expected to take."""
        return self._pace[level] * _expected(level, areas, two_sided)

    def learn(self, level: Level, areas: Sequence[int], two_sided: bool, milliseconds: float) -> None:
        """Take in what a repair has taken."""
        before = self._pace[level]
        seen = milliseconds / _expected(level, areas, two_sided)
        seen = min(max(seen, before / SWING), before * SWING)
        for other in LEVELS:
            keep = MEMORY if other == level else 1.0 - DRIFT
            self._pace[other] = keep * self._pace[other] + (1.0 - keep) * seen


def _aside(samples: int) -> float:
    fixed, per_sample = ASIDE
    return fixed + per_sample * samples


def _expected(level: Level, areas: Sequence[int], two_sided: bool) -> float:
    per_region, per_sample = EXPECTED[level]
    factor = TWO_SIDED if two_sided and level != "copy" else 1.0
    return factor * (per_region * len(areas) + per_sample * sum(areas))
