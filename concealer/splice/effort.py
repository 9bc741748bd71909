"""How much of a residual is written: as much as there is time for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

MOST_LEVELS = 8000
"""Of an access unit, about, however much time there is: more is the finest detail of busy samples, which the repair
has made up."""
_FEWEST_LEVELS = {"inter": 800, "intra": 2000}
"""Of an access unit, however little time there is: the few that show most. What an intra picture shows, all pictures
show up to the next one: there is time for it, which later ones make good."""
_FEWEST_OF_BLOCK = 0.5
"""The same of a 16x16 block."""
_TARGET_MS = 46.0
"""From the arrival of an access unit to its leaving."""
_MEMORY, _SWING = 0.8, 2.0
"""Part of the old estimate kept at each measurement, and the factor by which one may differ from it."""


@dataclass(frozen=True)
class Cost:
    """What writing a slice is taken to cost, in milliseconds, before any was timed."""

    slice: float
    block: float
    """Of each 16x16 block: to find motion, to ask what the prediction shows, to transform."""
    level: float
    """Of each level that is not 0, which takes about a byte."""


class Effort:
    """Levels for the slices of one stream, by the time that is left for the access unit they belong to."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost
        self._pace = 1.0
        """How much longer it takes here and now."""
        self._leaves = time.perf_counter() + _TARGET_MS / 1e3

    def begin(self, waited: float = 0.0) -> None:
        """An access unit comes in that has waited for so many seconds."""
        self._leaves = time.perf_counter() - waited + _TARGET_MS / 1e3

    def most(self, form: Literal["inter", "intra"], blocks: int, all_blocks: int) -> int:
        """How many levels a slice may have; `all_blocks`: those of all that are still to be written."""
        left = (self._leaves - time.perf_counter()) * 1e3 * blocks / all_blocks
        spare = left / self._pace - self._cost.slice - self._cost.block * blocks
        fewest = max(_FEWEST_LEVELS[form] * blocks // all_blocks, int(_FEWEST_OF_BLOCK * blocks))
        levels = max(int(spare / self._cost.level), fewest)
        return min(MOST_LEVELS * blocks // all_blocks, levels)

    def took(self, blocks: int, size: int, seconds: float) -> None:
        """What writing that many bytes took."""
        expected = self._cost.slice + self._cost.block * blocks + self._cost.level * size
        seen = min(max(seconds * 1e3 / expected, self._pace / _SWING), self._pace * _SWING)
        self._pace = _MEMORY * self._pace + (1 - _MEMORY) * seen
