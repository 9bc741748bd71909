"""How rich a repair fits into the time there is."""

from __future__ import annotations

from typing import Literal

Level = Literal["full", "light", "copy"]

LEVELS: tuple[Level, ...] = ("full", "light", "copy")

FIXED_MS = 2.0
"""Cost of any repair, however small."""

EXPECTED = {"full": 2.2e-4, "light": 1.1e-4, "copy": 1.0e-5}
"""Milliseconds per hole sample before anything was measured (two cores)."""

MEMORY = 0.7
"""Part of the old estimate kept at each measurement."""


class CostModel:
    """Running estimate of milliseconds per hole sample of each level."""

    def __init__(self) -> None:
        self._rate: dict[Level, float] = {level: EXPECTED[level] for level in LEVELS}

    def choose(self, samples: int, deadline_ms: float | None) -> Level:
        """Richest level expected to repair a hole of `samples` luma samples in time; "copy" if none does."""
        if deadline_ms is None:
            return "full"
        for level in LEVELS:
            if FIXED_MS + self._rate[level] * samples <= deadline_ms:
                return level
        return "copy"

    def learn(self, level: Level, samples: int, milliseconds: float) -> None:
        """Take in what a repair has cost; levels not used drift back towards what was expected of them, so that
        one slow moment does not bar them for good."""
        for other in LEVELS:
            measured = EXPECTED[other] if other != level else max(milliseconds - FIXED_MS, 0.0) / max(samples, 1)
            keep = MEMORY if other == level else 0.98
            self._rate[other] = keep * self._rate[other] + (1.0 - keep) * measured
