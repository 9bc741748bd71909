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
        estimate = self._on_line(order)
        return None if estimate is None or self._is_near(estimate) else estimate

    def is_taken(self, order: int) -> bool:
        """Whether the time of a picture at `order` is known to be another's."""
        estimate = self._on_line(order)
        return estimate is not None and self._is_near(estimate)

    def _on_line(self, order: int) -> int | None:
        slope = self._slope()
        if slope is None:
            return None
        nearest, time = min(self._known.items(), key=lambda pair: abs(pair[0] - order))
        return round(time + (order - nearest) * slope)

    def _is_near(self, time: int) -> bool:
        """Whether a picture has this time, or one so near that there is none between."""
        apart = (self._slope() or 0) * self.step
        return any(abs(other - time) < apart / 2 for other in self._known.values())

    def order_at(self, pts: int | None) -> int | None:
        """Place in output order of a picture shown at `pts`, None if too little is known or the place is taken."""
        slope = self._slope()
        if slope is None or pts is None:
            return None
        nearest, time = min(self._known.items(), key=lambda pair: abs(pair[1] - pts))
        order = nearest + round((pts - time) / slope)
        return None if order in self._known else order

    def behind_all(self, pts: int | None) -> tuple[int, int, int] | None:
        """(order, room, step) of a picture shown at `pts`, later than all known ones; None if too little is known.

        room: pictures that have their place between the last known one and it; step: order from one to the next.
        None too where times do not grow with the order: they are numbers of packets then.
        """
        slope = self._slope()
        times = [time for _, time in sorted(self._known.items())]
        if slope is None or pts is None or times != sorted(times):
            return None
        last, time = max(self._known.items())
        step = self.step
        order = last + step * round((pts - time) / (slope * step))
        return (order, (order - last) // step - 1, step) if order > last else None

    @property
    def step(self) -> int:
        """Least difference of order between two pictures, 2 if that is not known."""
        orders = sorted(self._known)
        return min((b - a for a, b in zip(orders, orders[1:], strict=False)), default=2)

    def _slope(self) -> float | None:
        """Time per step of order."""
        pairs = sorted(self._known.items())
        slopes = [(t1 - t0) / (o1 - o0) for (o0, t0), (o1, t1) in zip(pairs, pairs[1:], strict=False) if t1 > t0]
        return median(slopes) if slopes else None
