"""How much time there is for an access unit, and how long pictures turn out to be held."""

from __future__ import annotations

import time

from pipelines.gst.options import Options
from pipelines.statistics import Statistics

_HURRIED_MS = 10.0
"""Deadline while downstream reports that pictures come late."""
_LATENCY_STEP_MS = 5.0
"""A change of the processing time below this is not worth a new latency."""


class Pace:
    """Deadlines and latency of one stream."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._held = 0
        self._processing_ms = 0.0
        self._earliest = -1

    def downstream_is(self, jitter: int, timestamp: int) -> None:
        """What a QoS event says: by how many nanoseconds the picture of a running time came late; negative: early."""
        self._earliest = timestamp + 2 * jitter if jitter > 0 else -1

    def forget_lateness(self) -> None:
        """The pipeline was flushed."""
        self._earliest = -1

    def deadline(self, running_time: int) -> float | None:
        """Milliseconds that the next access unit may take, repair included; None: any.

        running_time: of the picture put out last, -1 if there is none.
        """
        deadline = self._options.deadline_ms or None
        if self._options.qos and self._earliest >= 0 and running_time < self._earliest:
            return min(deadline or _HURRIED_MS, _HURRIED_MS)
        return deadline

    def learn(self, held: int, statistics: Statistics) -> bool:
        """Take in how many pictures the decoder holds and what it takes; whether the latency has grown by that."""
        spent = statistics.processing_p95_ms if held else 0.0
        if held <= self._held and spent <= self._processing_ms + _LATENCY_STEP_MS:
            return False
        self._held = max(self._held, held)
        self._processing_ms = max(self._processing_ms, spent)
        return True

    def latency(self, duration: int) -> int:
        """Nanoseconds this element adds: reordering as seen so far, decoding, and what repair may take.

        duration: of a picture, in nanoseconds.
        """
        processing = max(self._processing_ms, self._options.deadline_ms) * 1_000_000
        return self._held * duration + round(processing)


class Pause:
    """Lets something happen at most every so often."""

    def __init__(self) -> None:
        self._last = 0.0

    def is_over(self, seconds: float) -> bool:
        """Whether it was so long ago; the next pause begins then."""
        now = time.monotonic()
        if now - self._last < seconds:
            return False
        self._last = now
        return True
