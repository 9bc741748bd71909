"""Before the decoder: access units with what is known of their losses, and those that never came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from concealer.bitstream import (
    PARAMETER_SETS,
    START_CODE,
    Codec,
    NalUnit,
    join_annexb,
    nal_type,
    split_annexb,
    split_length_prefixed,
)

_SAME_TIME = 1_000_000
"""Nanoseconds within which two timestamps are those of the same access unit."""
_CUT = 1_000_000_000
"""Nanoseconds of loss beyond which what comes has next to nothing in common with what came."""
_MOST_ABSENT = 8
"""Pictures in a row that are made up; a longer hole is a pause of the sender."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One access unit for the decoder."""

    payload: bytes
    pts: int | None = None
    dts: int | None = None
    duration: int | None = None
    gaps: tuple[int, ...] = ()
    truncated: bool = False
    absent: bool = False
    """It never came: only its time is known."""


@dataclass(frozen=True, slots=True)
class LossReport:
    """One access unit that lost packets on the way, as far as it arrived."""

    pts: int | None
    """Of its packets, nanoseconds."""
    payload: bytes
    """Annex B, start codes of four bytes; with the parts of NAL units that a depayloader throws away."""
    gaps: tuple[int, ...]
    """Byte offsets in `payload` before which bytes are missing; its length: after the last."""
    packets: int = 0
    """Number of RTP packets known to be lost since the last report."""


class LostTimes:
    """Finds the times of access units that were lost whole, in a stream of steady rate.

    A hole in the times is certain once nothing earlier can follow: at once in a stream that never reordered, else
    when the next picture in output order but one has begun. It counts only if packets are known to be lost.
    """

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=32)
        self._latest: int | None = None
        self._settled: int | None = None
        self._reordered = False
        self._loss = 0

    def lost(self) -> None:
        """The transport says that something is missing here."""
        self._loss = 2

    def is_cut(self, pts: int | None) -> bool:
        """Whether more than a second was lost before `pts`."""
        return bool(self._loss) and pts is not None and self._latest is not None and pts - self._latest > _CUT

    def made_up(self, pts: int) -> None:
        """The decoder made up a picture with this time on its own."""
        if not self._known(pts):
            self._times.append(pts)

    def arrived(self, pts: int | None) -> list[int]:
        """An access unit arrived; times before it that were lost."""
        if pts is None:
            return []
        before, self._latest = self._latest, pts if self._latest is None else max(pts, self._latest)
        if before is not None and pts < before:
            self._reordered = True
            self._times.append(pts)
            return []
        interval = self._interval() if self._loss else None
        self._times.append(pts)
        horizon = before if self._reordered else pts
        start, self._settled = self._settled, horizon
        self._loss = max(self._loss - 1, 0)
        if horizon is None or start is None or interval is None:
            return []
        times = sorted(time for time in self._times if start <= time <= horizon)
        absent: list[int] = []
        for a, b in zip(times, times[1:], strict=False):
            steps = round((b - a) / interval)
            if 1 < steps <= _MOST_ABSENT + 1:
                absent += [a + (b - a) * step // steps for step in range(1, steps)]
        return absent

    def _known(self, pts: int) -> bool:
        interval = self._interval() or 4 * _SAME_TIME
        return any(abs(time - pts) < interval / 4 for time in self._times)

    def _interval(self) -> float | None:
        """Nanoseconds from picture to picture, None if that is not (yet) steady."""
        times = sorted(self._times)
        steps = [b - a for a, b in zip(times, times[1:], strict=False) if b - a > _SAME_TIME]
        if len(steps) < 5:
            return None
        middle = median(steps)
        steady = sum(abs(step / middle - round(step / middle)) < 0.1 for step in steps)
        return middle if steady >= 0.8 * len(steps) else None


class Intake:
    """Puts together what the buffers hold and what the loss probe said of them.

    Every access unit is given once: where packets were lost the probe's copy, which holds more than the depayloader
    let through; where the depayloader let nothing through, that copy alone.
    """

    def __init__(self, codec: Codec, length_size: int = 0) -> None:
        """length_size: bytes of the length prefix of the buffers' NAL units, 0 = Annex B."""
        self._codec = codec
        self._length_size = length_size
        self._reports: deque[LossReport] = deque(maxlen=64)
        self._times = LostTimes()
        self._gap = False
        self._begun = False

    def damaged(self, report: LossReport) -> None:
        """The probe says how an access unit that is yet to come was damaged."""
        if not self._length_size or self._length_size == len(START_CODE):
            self._reports.append(report)
        self._times.lost()
        self._gap = False

    def gap(self) -> None:
        """Something is missing between the last access unit and the next, nobody knows how much."""
        self._gap = self._begun
        self._times.lost()

    def is_cut(self, pts: int | None) -> bool:
        """Whether more than a second was lost before the access unit at `pts`."""
        return self._times.is_cut(pts)

    def made_up(self, pts: int) -> None:
        """The decoder made up a picture with this time, on its own or for a feed that was absent."""
        self._times.made_up(pts)

    def buffer(
        self,
        payload: bytes,
        pts: int | None,
        dts: int | None = None,
        duration: int | None = None,
        *,
        discont: bool = False,
        corrupted: bool = False,
    ) -> list[Feed]:
        """An access unit arrived; what to decode now, in order."""
        report, feeds = self._matching(pts)
        if report is not None:
            feeds += self._absent_before(pts)
            payload, gaps = self._merge(payload, report)
            feeds.append(Feed(payload, pts, dts, duration, gaps))
        else:
            if discont and self._begun and not feeds:
                self.gap()
            feeds += self._absent_before(pts)
            feeds.append(Feed(payload, pts, dts, duration, (0,) if self._gap else (), truncated=corrupted))
        self._gap = False
        self._begun = True
        return feeds

    def flush(self) -> list[Feed]:
        """The stream ended: access units of which only the probe's copy is left."""
        feeds = [self._alone(report) for report in self._reports]
        self._reports.clear()
        return feeds

    def _matching(self, pts: int | None) -> tuple[LossReport | None, list[Feed]]:
        """The report on the access unit at `pts`, and those before it whose access units will not come any more."""
        feeds: list[Feed] = []
        while self._reports:
            report = self._reports.popleft()
            if report.pts is None or pts is None or abs(report.pts - pts) < _SAME_TIME:
                return report, feeds
            feeds += [*self._absent_before(report.pts), self._alone(report)]
        return None, feeds

    def _absent_before(self, pts: int | None) -> list[Feed]:
        return [Feed(b"", time, gaps=(0,), absent=True) for time in self._times.arrived(pts)]

    def _alone(self, report: LossReport) -> Feed:
        return Feed(self._reframed(report.payload), report.pts, gaps=report.gaps, absent=not report.payload)

    def _merge(self, payload: bytes, report: LossReport) -> tuple[bytes, tuple[int, ...]]:
        """The probe's copy behind the parameter sets that only the depayloader knew (from the SDP)."""
        present = {nal.data for nal in split_annexb(report.payload)}
        extra = join_annexb([nal for nal in self._parameter_sets(payload) if nal.data not in present])
        merged = extra + report.payload
        return self._reframed(merged), tuple(gap + len(extra) for gap in report.gaps)

    def _parameter_sets(self, payload: bytes) -> Iterator[NalUnit]:
        if self._length_size:
            nals: Sequence[NalUnit] = split_length_prefixed(payload, self._length_size)[0]
        else:
            nals = split_annexb(payload)
        return (nal for nal in nals if nal_type(self._codec, nal) in PARAMETER_SETS[self._codec])

    def _reframed(self, annexb: bytes) -> bytes:
        """In the buffers' framing; a length takes as many bytes as a start code, so offsets stay."""
        if not self._length_size:
            return annexb
        parts = annexb.split(START_CODE)[1:]
        return b"".join(len(part).to_bytes(len(START_CODE), "big") + part for part in parts)
