"""Times of the PES packets of a live video stream."""

from __future__ import annotations

from fractions import Fraction

from concealer.bitstream.transport import PesPacket
from pipelines.reading.payload import VideoPayload
from pipelines.reading.timing import DecodeTimes, JoinedTimeline, unwrapped


class LiveTimes:
    """On the count that libavformat has for the other streams."""

    def __init__(self, index: int, start: int, time_base: Fraction, interval: int, reorders: bool) -> None:
        """start, interval: in ticks of `time_base`. reorders: the stream has B-pictures."""
        self._index = index
        self._last = start
        self._time_base = time_base
        self._interval = interval
        self._decode_times = DecodeTimes(interval, 2 if reorders else 0)

    def payload(self, pes: PesPacket, timeline: JoinedTimeline | None) -> VideoPayload:
        """The next one, for the decoder."""
        pts, dts = pes.pts, pes.dts
        if dts is not None:
            pts, dts = unwrapped(pts, dts, self._last)
            self._last = dts or self._last
        elif pts is not None:
            dts = self._decode_times.of(pts)
        if timeline is not None:
            shift = timeline.shift(self._index, dts, self._interval, self._time_base)
            pts, dts = (None if stamp is None else stamp + shift for stamp in (pts, dts))
        return VideoPayload(self._index, pes.payload, pts, dts, None, pes.gaps, pes.truncated, complete=pes.complete)
