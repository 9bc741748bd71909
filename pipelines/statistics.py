"""Counts of what was done to a live stream."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque

import numpy as np

from concealer.damage import Damage
from concealer.decoder import DecodedPicture
from concealer.outcome import RepairOutcome

LATENCY_BOUNDS = (0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper bounds of the latency's histogram, in seconds."""
_WINDOW = 900
"""Pictures over which delays are counted."""


class Statistics:
    """Counts since the stream began; delays over the latest 900 pictures."""

    def __init__(self) -> None:
        self.pictures = self.damaged = self.repaired = self.made_up = 0
        self.without_references = self.held = self.dropped = 0
        self.lost_blocks = self.broken_blocks = self.tainted_blocks = 0
        self.packets_lost = self.restarts = self.keyframe_requests = self.deadline_missed = 0
        self.methods: Counter[str] = Counter()
        self.visible_seconds = self.latency_sum = 0.0
        """Time that pictures with unrepaired damage were shown; all delays added up."""
        self.confidence = 1.0
        """Of the latest picture."""
        self.latency_counts = [0] * (len(LATENCY_BOUNDS) + 1)
        """Pictures by delay, between one bound and the next."""
        self._repair: deque[float] = deque(maxlen=_WINDOW)
        self._processing: deque[float] = deque(maxlen=_WINDOW)
        self._added: deque[float] = deque(maxlen=_WINDOW)

    def picture(self, picture: DecodedPicture, waited: float | None, seconds: float = 0.0) -> None:
        """A picture goes out, `waited` seconds after its access unit came in, to be shown for `seconds`."""
        self.pictures += 1
        self.made_up += picture.synthesised
        self.without_references += picture.lacks_references
        if waited is not None:
            self._added.append(waited * 1e3)
            self.latency_sum += waited
            self.latency_counts[bisect_left(LATENCY_BOUNDS, waited)] += 1
        self.confidence = picture.confidence
        damage = picture.damage
        if not damage.any_damage:
            return
        if picture.lacks_references or (damage.any_hole and not is_repaired(picture)):
            self.visible_seconds += seconds
        self.damaged += damage.any_hole
        self.lost_blocks += damage.count(Damage.LOST)
        self.broken_blocks += damage.count(Damage.BROKEN)
        self.tainted_blocks += damage.count(Damage.TAINTED)
        outcome = repair_of(picture)
        if outcome is not None:
            self.repaired += 1
            self.methods[outcome.method] += 1
            self._repair.append(outcome.milliseconds)

    def access_unit(self, milliseconds: float, deadline_ms: float | None) -> None:
        """An access unit took so long, all its pictures included."""
        self._processing.append(milliseconds)
        self.deadline_missed += deadline_ms is not None and milliseconds > deadline_ms

    @property
    def processing_p95_ms(self) -> float:
        """Time an access unit takes to decode and repair."""
        return _percentile(self._processing, 95)

    def as_dict(self) -> dict[str, int | float | str]:
        """Names and values of the `stats` property."""
        return {
            "pictures": self.pictures,
            "damaged": self.damaged,
            "repaired": self.repaired,
            "made-up": self.made_up,
            "without-references": self.without_references,
            "held": self.held,
            "dropped": self.dropped,
            "lost-blocks": self.lost_blocks,
            "broken-blocks": self.broken_blocks,
            "tainted-blocks": self.tainted_blocks,
            "packets-lost": self.packets_lost,
            "restarts": self.restarts,
            "keyframe-requests": self.keyframe_requests,
            "deadline-missed": self.deadline_missed,
            "methods": ",".join(f"{name}:{count}" for name, count in sorted(self.methods.items())),
            "repair-p50-ms": _percentile(self._repair, 50),
            "repair-p95-ms": _percentile(self._repair, 95),
            "processing-p50-ms": _percentile(self._processing, 50),
            "processing-p95-ms": self.processing_p95_ms,
            "latency-p50-ms": _percentile(self._added, 50),
            "latency-p95-ms": _percentile(self._added, 95),
            "latency-max-ms": max(self._added, default=0.0),
        }


def repair_of(picture: DecodedPicture) -> RepairOutcome | None:
    """What painted its hole, if that was something better than the decoder's own concealment."""
    outcome = picture.outcome
    return outcome if outcome is not None and outcome.method not in ("none", "decoder") else None


def is_repaired(picture: DecodedPicture) -> bool:
    """Whether its hole was painted by something better than the decoder's own concealment."""
    return repair_of(picture) is not None


def _percentile(values: deque[float], share: float) -> float:
    return float(np.percentile(list(values), share)) if values else 0.0
