"""The decoder inside `concealdec`: access units and losses in, pictures with their measured delay out."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from concealer.bitstream.nal import Codec
from concealer.damage import DamageMap
from concealer.decoder import ConcealingDecoder, DecodedPicture
from concealer.picture import Picture
from concealer.repair import Repairer, RepairOutcome, predicted_motion
from concealer.repair.policy import Method
from pipelines.gst.intake import Feed
from pipelines.timing import PictureClock

_LEAST_MS = 1.0
"""Shortest deadline given to a repair: the cheapest way is taken then."""
_MOTION_MS = 4e-5
"""Milliseconds per luma sample that predicting the motion of a lost slice is expected to take before it was measured;
writing it takes as long again."""
_REPAIR_MS = 8.0
"""Time that must be left for the repair behind it: motion first and a light repair is better than a full one alone."""
_REMEMBERED = 64
_JUMP = 1_000_000_000
"""Nanoseconds back in time beyond which the stream's clock was set anew."""
DEFAULT_INTERVAL = 33_333_333
"""Nanoseconds from picture to picture where nothing is known of the rate."""


class PacedRepair:
    """A `Repairer` with one deadline per access unit, counted from its arrival.

    Decoding takes its part of that time, and one access unit may bring several repairs: its own, and those of whole
    pictures missing before it.
    """

    def __init__(self) -> None:
        self._repairers: dict[Method, Repairer] = {}
        self.method: Method = "auto"
        self.deadline_ms: float | None = None
        self._began = 0.0
        self._motion_ms = _MOTION_MS

    def begin(self, deadline_ms: float | None) -> None:
        """An access unit comes next; all of it is to take `deadline_ms`."""
        self.deadline_ms = deadline_ms
        self._began = time.perf_counter()

    def __call__(self, picture: Picture, damage: DamageMap, references: Sequence[Picture]) -> RepairOutcome:
        """Repair in what is left of the time; see `Repairer`."""
        repairer = self._repairers.setdefault(self.method, Repairer(self.method))
        left = self._left()
        repairer.deadline_ms = None if left is None else max(left, _LEAST_MS)
        return repairer(picture, damage, references)

    def motion(
        self, order: int, toward: int, references: Sequence[Picture], top: int, bottom: int
    ) -> npt.NDArray[np.int16] | None:
        """Motion of a lost slice (`predicted_motion`), None where the method or the time left forbids it."""
        if self.method not in ("auto", "motion") or not references:
            return None
        samples = (bottom - top) * references[-1].width
        left = self._left()
        if left is not None and left < _REPAIR_MS + 2 * samples * self._motion_ms:
            self._motion_ms += 0.05 * (_MOTION_MS - self._motion_ms)  # what was slow once gets another chance
            return None
        began = time.perf_counter()
        field = predicted_motion(order, toward, references, top, bottom)
        self._motion_ms += 0.3 * ((time.perf_counter() - began) * 1e3 / samples - self._motion_ms)
        return field

    def _left(self) -> float | None:
        if self.deadline_ms is None:
            return None
        return self.deadline_ms - (time.perf_counter() - self._began) * 1e3


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture for downstream."""

    picture: DecodedPicture
    pts: int
    """Nanoseconds, increasing unless the stream sets its clock back."""
    waited: float | None
    """Seconds since its access unit arrived, None for a picture that was made up."""


class StreamDecoder:
    """One stream from access units to pictures. Never raises on bad data."""

    def __init__(self, codec: Codec, extradata: bytes | None, *, framed: bool, threads: int, track_taint: bool) -> None:
        """framed: `extradata` is avcC or hvcC and payloads are samples of it; else Annex B, one access unit each."""
        self.codec = codec
        self.repair = PacedRepair()
        self.interval = DEFAULT_INTERVAL
        self._framed = framed
        self._decoder = ConcealingDecoder(
            codec,
            extradata,
            repair=self.repair,
            motion=self.repair.motion,
            container_framed=framed,
            threads=threads,
            track_taint=track_taint,
            probe_breaks=False,  # the second decoder starts by decoding everything since the last IDR again
        )
        self._clock = PictureClock(self.interval, timed=True)
        self._arrivals: OrderedDict[int, float] = OrderedDict()
        self._last: int | None = None
        self.held = 0
        """Most access units that waited for their pictures when one came out: the delay of reordering, in pictures."""

    @property
    def aspect(self) -> Fraction | None:
        """Sample aspect ratio of the bitstream."""
        return self._decoder.sample_aspect_ratio

    def decode(self, feed: Feed, deadline_ms: float | None) -> Iterator[Shown]:
        """Decode one access unit; the pictures whose turn has come."""
        self.repair.begin(deadline_ms)
        self._clock.arrived(feed.pts, feed.dts)
        if feed.pts is not None and not feed.absent:
            self._arrivals[feed.pts] = time.perf_counter()
            if len(self._arrivals) > _REMEMBERED:
                self._arrivals.popitem(last=False)
        pictures = self._decoder.decode(
            feed.payload,
            pts=feed.pts,
            dts=feed.dts,
            duration=feed.duration,
            gaps=feed.gaps,
            truncated=feed.truncated,
            complete=True,
        )
        return self._stamped(pictures)

    def flush(self, deadline_ms: float | None) -> Iterator[Shown]:
        """The pictures still inside; the decoder can't be used afterwards."""
        self.repair.begin(deadline_ms)
        return self._stamped(self._decoder.flush(), at_end=True)

    def close(self) -> None:
        """Give back the decoder's memory."""
        self._decoder.close()

    def _stamped(self, pictures: Iterable[DecodedPicture], at_end: bool = False) -> Iterator[Shown]:
        for picture in pictures:
            arrived = None if picture.pts is None else self._arrivals.pop(picture.pts, None)
            if self._last is not None and picture.pts is not None:
                if picture.synthesised and arrived is None and picture.pts <= self._last:
                    continue  # made up too late to be shown in its place
                if picture.pts < self._last - _JUMP:
                    self._clock = PictureClock(self.interval, timed=True)
            self._last = self._clock.stamp(picture.pts)
            waited = None
            if arrived is not None:
                waited = time.perf_counter() - arrived
                for earlier in [pts for pts in self._arrivals if pts < self._last]:
                    del self._arrivals[earlier]  # it gave no picture, or one with another time
                if not at_end:
                    self.held = max(self.held, len(self._arrivals))
            yield Shown(picture, self._last, waited)
