"""The decoder inside `concealdec`: access units and losses in, pictures with their measured delay out."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from concealer.bitstream import Codec
from concealer.decoder import DecodedPicture
from concealer.front_door import open_decoder
from concealer.repair import Repairer
from pipelines.generative import choice_in_background, open_in_background
from pipelines.gst.intake import Feed
from pipelines.gst.unwinding import exceptions_work
from pipelines.reading.timing import PictureClock

log = logging.getLogger(__name__)

_REMEMBERED = 64
_JUMP = 1_000_000_000
"""Nanoseconds back in time beyond which the stream's clock was set anew."""
DEFAULT_INTERVAL = 33_333_333
"""Nanoseconds from picture to picture where nothing is known of the rate."""


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
        network: str = "auto",
    ) -> None:
        """framed: `extradata` is avcC or hvcC and payloads are samples of it; else Annex B, one access unit each.
        engine, network: what runs which network of the methods auto and generative, once damage calls for it."""
        self.codec = codec
        self.repairer = Repairer()
        self._engine: str | None = engine
        self._network = network
        self.interval = DEFAULT_INTERVAL
        self._framed = framed
        self._decoder = open_decoder(
            codec,
            extradata,
            repairer=self.repairer,
            live=True,
            container_framed=framed,
            threads=threads,
            track_taint=track_taint,
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

    @property
    def rate(self) -> Fraction | None:
        """Pictures a second, as the bitstream says."""
        return self._decoder.frame_rate

    def decode(self, feed: Feed, deadline_ms: float | None) -> Iterator[Shown]:
        """Decode one access unit; the pictures whose turn has come."""
        self.repairer.begin(deadline_ms)
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
        if self._engine is not None and any(picture.damage.any_hole for picture in pictures):
            self._open_network(self._engine)
        return self._stamped(pictures)

    def flush(self, deadline_ms: float | None) -> Iterator[Shown]:
        """The pictures still inside; the decoder can't be used afterwards."""
        self.repairer.begin(deadline_ms)
        return self._stamped(self._decoder.flush(), at_end=True)

    def close(self) -> None:
        """Give back the decoder's memory."""
        self._decoder.close()

    def _open_network(self, engine: str) -> None:
        """At the first damage: a stream without any needs none. Until it is ready, repair goes on without it."""
        if self.repairer.method not in ("auto", "generative"):
            return
        self._engine = None
        if exceptions_work():
            open_in_background(engine, partial(setattr, self.repairer, "generative"), self._network)
            choice_in_background(engine, partial(setattr, self.repairer, "choice"))
        else:
            log.warning("no network: GStreamer was loaded after NumPy; import pipelines.gst.register before both")

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
