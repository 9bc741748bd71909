"""Damage over time in a fixed number of bins, whose width doubles as a stream grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pipelines.reporting.sight import Sight


@dataclass
class Bin:
    """What there was in one stretch of time."""

    pictures: int = 0
    touched: int = 0
    """Pictures that are not as they were sent."""
    damaged: int = 0
    lost: float = 0.0
    """0 to 1: share of the picture with the greatest hole, as are the next two."""
    broken: float = 0.0
    tainted: float = 0.0
    confidence: float = 1.0
    """Least of its pictures."""
    confidences: float = 0.0
    """Sum over the touched ones."""
    causes: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)

    def add(self, sight: Sight | None) -> None:
        """None: a picture that no damage touches."""
        self.pictures += 1
        if sight is None:
            return
        self.touched += 1
        self.damaged += sight.damaged
        self.confidence = min(self.confidence, sight.confidence)
        self.confidences += sight.confidence
        self.causes.update(sight.causes)
        if sight.method is not None and sight.damaged:
            self.methods[sight.method] += 1
        if sight.touched > self.lost + self.broken + self.tainted:
            self.lost, self.broken, self.tainted = (n / sight.all for n in (sight.lost, sight.broken, sight.tainted))

    def merge(self, other: Bin) -> None:
        """Add what comes right behind it."""
        self.pictures += other.pictures
        self.touched += other.touched
        self.damaged += other.damaged
        self.confidence = min(self.confidence, other.confidence)
        self.confidences += other.confidences
        self.causes.update(other.causes)
        self.methods.update(other.methods)
        if other.lost + other.broken + other.tainted > self.lost + self.broken + self.tainted:
            self.lost, self.broken, self.tainted = other.lost, other.broken, other.tainted


class Bins:
    """Of one stream."""

    def __init__(self, width: float, most: int) -> None:
        """width: seconds of a bin to begin with. most: bins."""
        self.width, self._most = width, most
        self.bins: dict[int, Bin] = {}

    def add(self, time: float, sight: Sight | None) -> None:
        """time: seconds from the start of the video; what comes before it counts as there."""
        number = int(max(time, 0.0) / self.width)
        while number >= self._most:
            self._double()
            number //= 2
        self.bins.setdefault(number, Bin()).add(sight)

    def _double(self) -> None:
        merged: dict[int, Bin] = {}
        for number in sorted(self.bins):
            if number // 2 in merged:
                merged[number // 2].merge(self.bins[number])
            else:
                merged[number // 2] = self.bins[number]
        self.bins, self.width = merged, 2 * self.width

    @property
    def count(self) -> int:
        """Of bins up to the last one with pictures."""
        return max(self.bins, default=-1) + 1
