"""How rich a repair fits into the time there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Level = Literal["full", "light", "copy"]

LEVELS: tuple[Level, ...] = ("full", "light", "copy")

EXPECTED = {"full": (4.0, 4.1e-5), "light": (2.0, 2.3e-5), "copy": (0.8, 6.7e-6)}
"""Milliseconds per region, and per luma sample of it, before anything was measured (two cores). Holes of 4 blocks up to
all of a 720p picture take 0.7 to 1.5 times that."""

TWO_SIDED = 1.5
"""Factor of "full" and "light" where there are references on both sides in time."""

MEMORY = 0.7
"""Part of the old estimate kept at each measurement."""

SWING = 2.0
"""Factor by which one measurement may differ from the estimate; beyond it is a slow moment, not a slow machine."""

DRIFT = 0.05
"""Part by which levels not used follow the one that was: a level found too slow gets another chance."""


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
            if self._pace[level] * _expected(level, areas, two_sided) <= deadline_ms:
                return level
        return "copy"

    def learn(self, level: Level, areas: Sequence[int], two_sided: bool, milliseconds: float) -> None:
        """Take in what a repair has taken."""
        before = self._pace[level]
        seen = milliseconds / _expected(level, areas, two_sided)
        seen = min(max(seen, before / SWING), before * SWING)
        for other in LEVELS:
            keep = MEMORY if other == level else 1.0 - DRIFT
            self._pace[other] = keep * self._pace[other] + (1.0 - keep) * seen


def _expected(level: Level, areas: Sequence[int], two_sided: bool) -> float:
    per_region, per_sample = EXPECTED[level]
    factor = TWO_SIDED if two_sided and level != "copy" else 1.0
    return factor * (per_region * len(areas) + per_sample * sum(areas))
