"""Presentation times for pictures the stream lost, from the times of those around them."""

from __future__ import annotations

from collections import OrderedDict
from statistics import median

_REMEMBERED = 32


class Timeline:
    """Learns how output order maps to presentation time."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, int] = OrderedDict()

    def learn(self, order: int, pts: int | None) -> None:
        if pts is None:
            return
        self._known[order] = pts
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def estimate(self, order: int) -> int | None:
        """Time for a picture at `order`: on the line through its nearest neighbour, None if too little is known.

        A time that another picture already has is never given out.
        """
        pairs = sorted(self._known.items())
        slopes = [(t1 - t0) / (o1 - o0) for (o0, t0), (o1, t1) in zip(pairs, pairs[1:], strict=False) if t1 > t0]
        if not slopes:
            return None
        nearest, time = min(pairs, key=lambda pair: abs(pair[0] - order))
        estimate = round(time + (order - nearest) * median(slopes))
        return None if estimate in self._known.values() else estimate
