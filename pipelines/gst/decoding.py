"""The decoder inside `concealdec`: access units and losses in, pictures with their measured delay out."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from concealer.bitstream import Codec
from concealer.damage import BLOCK, DamageMap
from concealer.decoder import ConcealingDecoder, DecodedPicture
from concealer.picture import Picture
from concealer.repair import MOTION_METHODS, GenerativeRepair, Method, Repairer, RepairOutcome, measured_motion
from pipelines.generative import open_in_background
from pipelines.gst.intake import Feed
from pipelines.gst.unwinding import exceptions_work
from pipelines.reading.timing import PictureClock

log = logging.getLogger(__name__)

_LEAST_MS = 1.0
"""Shortest deadline given to a repair: the cheapest way is taken then."""
_MEASURING_MS = 6e-5
"""Milliseconds per repaired luma sample that measuring its motion is expected to take before it was timed."""
_MEASURING_SHARE = 0.5
"""Part of the deadline that it may take."""
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

    def __init__(self, engine: str = "auto") -> None:
        """engine: what runs the network of the generative method, once damage calls for it."""
        self._repairers: dict[Method, Repairer] = {}
        self._engine: str | None = engine
        self.generative: GenerativeRepair | None = None
        self.method: Method = "auto"
        self.deadline_ms: float | None = None
        self._began = 0.0
        self._measuring_ms = _MEASURING_MS

    def begin(self, deadline_ms: float | None) -> None:
        """An access unit comes next; all of it is to take `deadline_ms`."""
        self.deadline_ms = deadline_ms
        self._began = time.perf_counter()

    def __call__(self, picture: Picture, damage: DamageMap, references: Sequence[Picture]) -> RepairOutcome:
        """Repair in what is left of the time; see `Repairer`."""
        if self._engine is not None and self.method in ("auto", "generative"):
            if exceptions_work():
                open_in_background(self._engine, partial(setattr, self, "generative"))
            else:
                log.warning("no network: GStreamer was loaded after NumPy; import pipelines.gst.register before both")
            self._engine = None
        method = "auto" if self.method == "generative" and self.generative is None else self.method
        if method not in self._repairers:
            self._repairers[method] = Repairer(method, generative=self.generative)
        repairer = self._repairers[method]
        repairer.generative = self.generative
        left = self._left()
        repairer.deadline_ms = None if left is None else max(left, _LEAST_MS)
        return repairer(picture, damage, references)

    def measure(
        self,
        picture: Picture,
        hole: npt.NDArray[np.bool_],
        reference: Picture,
        received: npt.NDArray[np.int16],
        known: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.int16] | None:
        """Motion of the blocks just repaired (`measured_motion`), None where it would take too much of the time of the
        access unit that waits for it, the next one."""
        if self.method not in MOTION_METHODS:
            return None
        samples = int(np.count_nonzero(hole)) * BLOCK * BLOCK
        if self.deadline_ms is not None and samples * self._measuring_ms > _MEASURING_SHARE * self.deadline_ms:
            self._measuring_ms += 0.05 * (_MEASURING_MS - self._measuring_ms)  # what was slow gets another chance
            return None
        began = time.perf_counter()
        vectors = measured_motion(picture, hole, reference, received, known)
        self._measuring_ms += 0.3 * ((time.perf_counter() - began) * 1e3 / samples - self._measuring_ms)
        return vectors

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

    def __init__(
        self,
        codec: Codec,
        extradata: bytes | None,
        *,
        framed: bool,
        threads: int,
        track_taint: bool,
        engine: str = "auto",
    ) -> None:
        """framed: `extradata` is avcC or hvcC and payloads are samples of it; else Annex B, one access unit each.
        engine: see `PacedRepair`."""
        self.codec = codec
        self.repair = PacedRepair(engine)
        self.interval = DEFAULT_INTERVAL
        self._framed = framed
        self._decoder = ConcealingDecoder(
            codec,
            extradata,
            repair=self.repair,
            measure=self.repair.measure,
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
