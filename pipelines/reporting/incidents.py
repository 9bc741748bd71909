"""Pictures that damage touches, put together to incidents: from the first hole to where the stream is whole again."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field

from pipelines.reporting.sight import Sight

_APART = 0.5
"""Seconds without damage that part two incidents."""
INHERITED = "predicted from damage"
"""The cause that pictures give which have no hole of their own."""
MOST = 1000
"""Incidents that are kept of a stream of any length; the least of them give way."""


@dataclass
class Incident:
    """One stretch of a stream."""

    stream: int
    start: float
    """Seconds from the start of the video, as is `end`: of the first picture, and of the last."""
    end: float
    pictures: int = 0
    """That damage touches."""
    damaged: int = 0
    """With a hole of their own."""
    worst: float = 0.0
    """0 to 1: greatest share of a picture that was lost or broken."""
    touched: float = 0.0
    """0 to 1: greatest share of a picture that is not as it was sent."""
    confidence: float = 1.0
    """Least of its pictures."""
    causes: Counter[str] = field(default_factory=Counter)
    """Pictures by cause."""
    methods: Counter[str] = field(default_factory=Counter)

    def add(self, sight: Sight, time: float) -> None:
        self.end = max(self.end, time)
        self.pictures += 1
        self.damaged += sight.damaged
        self.worst = max(self.worst, sight.hole)
        self.touched = max(self.touched, sight.touched)
        self.confidence = min(self.confidence, sight.confidence)
        self.causes.update(cause for cause in sight.causes if cause != INHERITED)  # which goes without saying
        if sight.method is not None and sight.damaged:
            self.methods[sight.method] += 1

    @property
    def weight(self) -> tuple[float, int]:
        """Orders incidents: greater is worse."""
        return self.touched * self.pictures * (1.5 - self.confidence), self.pictures


class Incidents:
    """Of all streams, as their pictures come in output order."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._open: dict[int, Incident] = {}
        self._kept: list[tuple[tuple[float, int], int, Incident]] = []
        self._numbers = itertools.count()
        self.count = 0
        """Of all that there were."""

    def add(self, sight: Sight, time: float) -> None:
        """time: seconds from the start of the video."""
        known = self._open.get(sight.stream)
        if known is None or not known.start <= time <= known.end + _APART:
            if known is not None:
                self._keep(known)
            self.count += 1
            known = self._open[sight.stream] = Incident(sight.stream, time, time)
        known.add(sight, time)

    def _keep(self, incident: Incident) -> None:
        entry = (incident.weight, next(self._numbers), incident)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def finish(self) -> list[Incident]:
        """The worst of them, in order of time."""
        for incident in self._open.values():
            self._keep(incident)
        self._open.clear()
        return sorted((entry[2] for entry in self._kept), key=lambda one: (one.start, one.stream))
