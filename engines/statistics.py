"""What running a network has cost, by bucket."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

_REMEMBERED = 2048
"""Latest calls of a bucket that percentiles are taken over."""


class BucketStatistics:
    """Calls of one batch size."""

    def __init__(self, bucket: int) -> None:
        self.bucket = bucket
        self.calls = 0
        self.items = 0
        """Rows of batches that were asked for; a call with padding runs more."""
        self.seconds = 0.0
        self._latest: deque[float] = deque(maxlen=_REMEMBERED)

    def add(self, items: int, seconds: float) -> None:
        """One call that ran `items` rows in `seconds`."""
        self.calls += 1
        self.items += items
        self.seconds += seconds
        self._latest.append(seconds * 1e3)

    def as_dict(self) -> dict[str, Any]:
        """Counts, milliseconds per call (p50, p95, p99 of the latest 2048 calls), rows per second."""
        if not self.calls:
            return {"bucket": self.bucket, "calls": 0}
        p50, p95, p99 = (float(value) for value in np.percentile(list(self._latest), (50, 95, 99)))
        return {
            "bucket": self.bucket,
            "calls": self.calls,
            "items": self.items,
            "padded": self.calls * self.bucket - self.items,
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "items_per_second": self.items / max(self.seconds, 1e-9),
        }
