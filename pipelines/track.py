"""One video stream on its way from payloads to pictures with a time."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from concealer.decoder import DecodedPicture, ObserveFn
from concealer.front_door import LIVE_DEADLINE_MS, open_decoder
from concealer.repair import Repairer
from pipelines.joining import Joining, JoinPolicy
from pipelines.outage import Outage
from pipelines.reading.source import Source, VideoPayload
from pipelines.reading.timing import PictureClock
from pipelines.report import Totals, is_damaged
from pipelines.statistics import Statistics

_REMEMBERED = 64
_HURRIED_MS = 1.0
"""For an access unit behind which others wait: the cheapest repair."""


@dataclass(slots=True)
class ShownPicture:
    """A decoded picture and when it is shown."""

    picture: DecodedPicture
    pts: int | None
    """Ticks of the track's time base, strictly increasing; None for a picture that is not shown: outside the edit list,
    or left out where the stream is joined."""


class Track:
    """Decodes one video stream and keeps its counts."""

    def __init__(
        self,
        source: Source,
        index: int,
        repairer: Repairer | None,
        track_taint: bool,
        threads: int,
        lookahead: int = 0,
        observe: ObserveFn | None = None,
        join: JoinPolicy = "conceal",
        statistics: Statistics | None = None,
        outage: str | None = None,
    ) -> None:
        """lookahead: access units that wait so that repair sees what follows; motion is the only method that looks.

        observe: the decoder's observer; its access units bear the number of their payload as DTS. join: what is shown
        until pictures have what they are predicted from; of files, every picture is shown where it is "conceal".
        statistics: filled if there are any. outage: what is shown while nothing comes (`Outage`), None: nothing.
        """
        self.index = index
        self.time_base = source.time_base(index)
        self.rate = source.rate(index)
        self.totals = Totals()
        self.damaged = False
        """A damaged picture came, or a packet that the container marks as corrupt."""
        self.payloads = 0
        self.output_order = array("q")
        """Of an elementary stream: numbers of the payloads in the order in which their pictures come out."""
        self._source = source
        self._open = partial(
            open_decoder,
            source.codec(index),
            repairer=repairer,
            lookahead=lookahead,
            live=source.live,
            container_framed=source.framed,
            threads=threads,
            track_taint=track_taint,
            observe=observe,
        )
        self._repairer = repairer
        self._deadline_ms = LIVE_DEADLINE_MS if source.live else None
        self._numbered = observe is not None
        self._timed = not source.elementary
        interval = round(1 / (self.rate * self.time_base))
        self.interval = max(interval, 1)
        """Ticks from one picture to the next at the nominal rate."""
        self._clock = PictureClock(self.interval, self._timed)
        self._hidden: set[int] = set()
        self._statistics = statistics
        self._arrivals: dict[int | None, float] = {}
        self._joining = Joining(join) if source.live or join != "conceal" else None
        self._outage = None if outage is None else Outage(outage, float(1 / self.rate))
        self._decoder = self._open(source.video[index].codec_context.extradata)

    @property
    def hooked(self) -> bool:
        """Pictures are repaired inside the decoder's reference memory."""
        return self._decoder.hooked

    def feed(self, payload: VideoPayload) -> Iterator[ShownPicture]:
        """Decode one payload; yields the pictures that come out of it."""
        if payload.extradata is not None:
            yield from self.flush()
            self._decoder = self._open(payload.extradata)
        self.damaged |= payload.truncated or bool(payload.gaps)
        pts = payload.pts if self._timed else self.payloads
        self.payloads += 1
        self._clock.arrived(payload.pts, payload.dts)
        if payload.hidden and pts is not None:
            self._hidden.add(pts)
        started = time.perf_counter()
        if self._statistics is not None:
            self._arrivals[pts] = started
            if len(self._arrivals) > _REMEMBERED:  # one that gave no picture, or one with another time
                del self._arrivals[next(iter(self._arrivals))]
        if self._repairer is not None:
            self._repairer.begin(_HURRIED_MS if payload.late else self._deadline_ms)
        pictures = self._decoder.decode(
            payload.data,
            pts=pts,
            dts=self.payloads - 1 if self._numbered else payload.dts,
            duration=payload.duration,
            gaps=payload.gaps,
            truncated=payload.truncated,
            complete=payload.complete,
        )
        if self._statistics is not None:
            self._statistics.access_unit((time.perf_counter() - started) * 1e3, self._deadline_ms)
            self._statistics.packets_lost += len(payload.gaps)
        yield from map(self._count, pictures)

    def silent(self) -> Iterator[ShownPicture]:
        """Nothing came just now: pictures that are to be shown all the same."""
        outage = self._outage
        if outage is None:
            return
        if outage.is_due:
            yield from self.flush()
            held = outage.begin()
            self._decoder = self._open(self._source.video[self.index].codec_context.extradata)
            if self._joining is not None:
                self._joining.begin(held)
        for picture in outage.pictures():
            yield ShownPicture(picture, self._clock.stamp(None))

    def flush(self) -> Iterator[ShownPicture]:
        """The pictures still inside the decoder, which is closed."""
        yield from map(self._count, self._decoder.flush())
        self._decoder.close()

    def close(self) -> None:
        """Leave without the pictures still inside."""
        self._decoder.close()

    @property
    def any_hidden(self) -> bool:
        """The container hides pictures of this stream from the viewer."""
        return self.totals.hidden > 0 or bool(self._hidden)

    def _count(self, picture: DecodedPicture) -> ShownPicture:
        self.totals.add(picture)
        self.damaged |= is_damaged(picture)
        arrived = self._arrivals.pop(picture.pts, None)
        if self._statistics is not None:
            waited = None if arrived is None else time.perf_counter() - arrived
            self._statistics.picture(picture, waited, float(1 / self.rate))
        if not self._timed and picture.pts is not None:
            self.output_order.append(picture.pts)
        if picture.pts is not None and picture.pts in self._hidden:
            self._hidden.discard(picture.pts)
            self.totals.hidden += 1
            return ShownPicture(picture, None)
        seen = picture if self._joining is None else self._joining.shown(picture)
        if self._statistics is not None and self._joining is not None:
            self._statistics.held, self._statistics.dropped = self._joining.held, self._joining.dropped
        if seen is None or self._came_too_late(seen, picture):
            return ShownPicture(picture, None)
        return ShownPicture(seen, self._clock.stamp(picture.pts))

    def _came_too_late(self, seen: DecodedPicture, picture: DecodedPicture) -> bool:
        """Whether its time was filled in an outage."""
        if self._outage is None:
            return False
        last = self._clock.last
        if picture.pts is not None and last is not None and picture.pts <= last:
            return True
        if seen is picture:
            self._outage.shown(picture)
        else:
            self._outage.goes_on()
        return False
