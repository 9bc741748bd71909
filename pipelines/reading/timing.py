"""Timestamps: discontinuities on the way in, one increasing time per picture on the way out."""

from __future__ import annotations

import heapq
import logging
import time
from dataclasses import dataclass
from fractions import Fraction

log = logging.getLogger(__name__)

_JUMP_SECONDS = 10
"""A step of a stream's DTS beyond this is a new timeline, not a pause (FFmpeg's dts_delta_threshold)."""
_PAUSED_JUMP_SECONDS = 1.0
"""The same after a pause, in which a sender may have begun anew."""
_SAME_JUMP_SECONDS = 2
"""Streams that jump within this of each other took the same cut and must keep their distance."""


_MOST_REORDERED = 16
"""Pictures (H.264 A.3.1, HEVC A.4.1)."""
_WRAP = 1 << 33
"""PES timestamps have 33 bits."""


def unwrapped(pts: int | None, dts: int | None, near: int) -> tuple[int | None, int | None]:
    """The times of a PES packet on the count that `near` is on; one of them may have wrapped before the other."""
    if dts is None:
        return pts, dts
    dts += round((near - dts) / _WRAP) * _WRAP
    return None if pts is None else dts + (pts - dts + _WRAP // 2) % _WRAP - _WRAP // 2, dts


class DecodeTimes:
    """A DTS for every access unit of a stream that only has presentation times: no later than its PTS, increasing."""

    def __init__(self, interval: int, depth: int) -> None:
        """interval: ticks from picture to picture. depth: pictures that are decoded before one that is shown earlier;
        where it turns out to be more, one picture's DTS does not increase.
        """
        self._interval = interval
        self._depth = depth
        self._times: list[int] = []
        """Presentation times that are no DTS yet."""
        self._last: int | None = None

    def of(self, pts: int) -> int:
        """The DTS of the next access unit in decode order."""
        if self._last is not None and abs(pts - self._last) > (_MOST_REORDERED + 1) * self._interval:
            self._times.clear()  # a pause, or another clock
        heapq.heappush(self._times, pts)
        if self._last is not None and pts <= self._last and self._depth < _MOST_REORDERED:
            self._depth += 1
        if len(self._times) > self._depth:
            self._last = heapq.heappop(self._times)
        else:
            self._last = min(self._times) - (self._depth + 1 - len(self._times)) * self._interval
        return self._last


@dataclass(slots=True)
class _Next:
    """What is expected of the next packet of a stream."""

    dts: int
    most: int
    """Ticks by which it may lie off."""
    shift: int
    """Of the packet before, in ticks."""
    time_base: Fraction

    def fits(self, dts: int, time_base: Fraction) -> bool:
        return abs(dts - self.dts) <= self.most and self.time_base == time_base


class JoinedTimeline:
    """Joins the timelines of a stream that restarts its clock (spliced MPEG-TS), all streams alike.

    Every stream crosses a cut at a packet of its own; the first one to cross fixes the shift and the others
    take the same, so that sound and picture stay together.
    """

    def __init__(self, pauses: bool = False) -> None:
        """pauses: while nothing comes of a stream its time goes on, by the clock of this machine."""
        self._pauses = pauses
        self._came: dict[int, float] = {}
        self._shifts: list[Fraction] = [Fraction(0)]
        self._epoch: dict[int, int] = {}
        self._expected: dict[int, Fraction] = {}
        self._oldest = 0
        self._crossing: set[int] = set()
        self._next: dict[int, _Next] = {}

    def shift(self, stream: int, dts: int | None, duration: int | None, time_base: Fraction) -> int:
        """Ticks of `time_base` to add to the timestamps of a packet with this DTS."""
        known = self._next.get(stream)
        if (
            known is not None
            and dts is not None
            and abs(dts - known.dts) <= known.most
            and known.time_base == time_base
        ):
            known.dts = dts + (duration or 0)  # as nearly always; fractions take as long as all the rest of a packet
            return known.shift
        epoch = self._epoch.get(stream, 0)
        if dts is None:
            return round(self._shifts[epoch] / time_base)
        if known is not None:
            self._expected[stream] = known.dts * known.time_base + self._shifts[epoch]
        raw = dts * time_base
        expected, paused = self._expected.get(stream), self._pause(stream)
        if expected is not None:
            expected += Fraction(paused)
        limit = _PAUSED_JUMP_SECONDS if paused else _JUMP_SECONDS
        far = expected is not None and abs(raw + self._shifts[epoch] - expected) > limit
        if expected is not None and (far or stream in self._crossing):
            self._crossing.discard(stream)
            epoch = self._enter(stream, expected - raw)
        self._expected[stream] = raw + self._shifts[epoch] + (duration or 0) * time_base
        shift = round(self._shifts[epoch] / time_base)
        if not self._pauses:
            most = int(_JUMP_SECONDS / time_base)
            self._next[stream] = _Next(dts + (duration or 0), most, shift, time_base)
        return shift

    def _pause(self, stream: int) -> float:
        """Seconds that nothing came of a stream, 0 if that is usual."""
        if not self._pauses:
            return 0.0
        now = time.monotonic()
        before, self._came[stream] = self._came.get(stream, now), now
        return now - before if now - before > _PAUSED_JUMP_SECONDS / 2 else 0.0

    def cut(self) -> None:
        """The input was opened again: the next packet of every stream follows its last, whatever its time."""
        self._oldest = len(self._shifts)
        self._crossing = set(self._expected)
        for stream, known in self._next.items():
            self._expected[stream] = known.dts * known.time_base + self._shifts[self._epoch.get(stream, 0)]
        self._next.clear()

    def _enter(self, stream: int, wanted: Fraction) -> int:
        for epoch in range(len(self._shifts) - 1, self._oldest - 1, -1):
            if abs(self._shifts[epoch] - wanted) < _SAME_JUMP_SECONDS:
                break
        else:
            self._shifts.append(wanted)
            epoch = len(self._shifts) - 1
            log.warning("the clock jumps in stream #%d: shifted by %.3f s", stream, float(wanted))
        self._epoch[stream] = epoch
        return epoch


class PictureClock:
    """Gives every picture of one stream, in output order, a strictly increasing time.

    `timed=False` is for elementary streams, which carry no timestamps: pictures then follow at `interval`.
    """

    def __init__(self, interval: int, timed: bool) -> None:
        self._interval = max(interval, 1)
        self._timed = timed
        self._decode_times: list[int] = []
        self._last: int | None = None

    def arrived(self, pts: int | None, dts: int | None) -> None:
        """An access unit went into the decoder."""
        if self._timed and pts is None and dts is not None:
            heapq.heappush(self._decode_times, dts)

    @property
    def last(self) -> int | None:
        """Time of the latest picture."""
        return self._last

    def stamp(self, pts: int | None) -> int:
        """Time of the next picture in ticks; `pts` is its own, if the container gave one.

        What follows cannot be waited for here: see `TimeMender` for where it can.

        Without one (AVI) the earliest unused decode time is taken: what a player does, which is late by the
        reordering delay for every picture alike.
        """
        if not self._timed:
            pts = None
        elif pts is None and self._decode_times:
            pts = heapq.heappop(self._decode_times)
        if pts is None:
            pts = 0 if self._last is None else self._last + self._interval
        elif self._last is not None and pts <= self._last:
            pts = self._last + max(self._interval // 2, 1)
        self._last = pts
        return pts
