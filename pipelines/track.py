"""One video stream on its way from payloads to pictures with a time."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from functools import partial

from concealer.decoder import Between, DecodedPicture, ObserveFn
from concealer.front_door import LIVE_DEADLINE_MS, open_decoder
from concealer.repair import Repairer
from pipelines.gaps import GapPolicy, Gaps
from pipelines.on_damage import DamagePolicy
from pipelines.outage import Outage
from pipelines.presenting import Presenter, ShownPicture
from pipelines.reading.mending import TimeMender
from pipelines.reading.source import Source, VideoPayload
from pipelines.reading.timing import PictureClock
from pipelines.report import Totals, is_damaged
from pipelines.reporting import Beside
from pipelines.statistics import Statistics

_REMEMBERED = 64
_LEAST_MS = 8.0
"""Deadline of access units that have waited for those before them."""
_HURRIED_MS = 1.0
"""For an access unit behind which others wait: the cheapest repair."""


class Track:
    """Decodes one video stream and keeps its counts."""

    beside: Beside | None = None
    """What a player without us shows; None: nobody asks."""

    def __init__(
        self,
        source: Source,
        index: int,
        repairer: Repairer | None,
        track_taint: bool,
        threads: int,
        lookahead: int = 0,
        observe: ObserveFn | None = None,
        policy: DamagePolicy | None = None,
        statistics: Statistics | None = None,
        gaps: GapPolicy | None = None,
        outage: str | None = None,
        header: bytes | None = None,
    ) -> None:
        """lookahead: access units that wait so that repair sees what follows; motion is the only method that looks.

        observe: the decoder's observer; its access units bear the number of their payload as tag. policy: what is
        shown in place of damaged pictures; None: every picture as it is.
        statistics: filled if there are any. gaps: what is done about holes in time; None looks for none, nor is that
        done in live inputs, where what follows can't be waited for, and in streams without times.
        outage: what is shown while nothing comes (`Outage`), None: nothing. header: of the container's form or with
        start codes, in place of the stream's own, where decoding does not begin with its first payload.
        """
        self.index = index
        self.time_base = source.time_base(index)
        self.rate = source.rate(index)
        self.totals = Totals()
        self.damaged = False
        """A damaged picture came, one out of its place, or a packet that the container marks as corrupt."""
        self.any_hidden, self._counting = False, True
        """`any_hidden`: the container hides pictures of this stream from the viewer that decoders would show."""
        self.payloads = self._with_picture = self.counted_from = 0
        """`counted_from`: number of the payload with which counting begins; those before only lead there."""
        self.tags, self.times = array("q"), array("q")
        """Of files: numbers of the payloads, from 0, in the order in which their pictures are shown; when, in ticks."""
        self._codec, self._source, self._rootless = source.codec(index), source, 0
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
            fill=round(gaps.fill_seconds * source.rate(index)) if gaps and observe and not source.live else 0,
        )
        self._repairer = repairer
        self._deadline_ms = LIVE_DEADLINE_MS if source.live else None
        self._timed = not source.elementary
        self.interval = max(round(1 / (self.rate * self.time_base)), 1)
        """Ticks from one picture to the next at the nominal rate."""
        self._presenter = self._present(source, gaps if observe is None or gaps is None else gaps.left)
        self._hidden, self._arrivals, self._statistics = set[int](), dict[int | None, float](), statistics
        self._policy = policy
        self._outage = None if outage is None else Outage(outage, float(1 / self.rate))
        self._header = source.video[index].codec_context.extradata if header is None else header
        self._decoder = self._open(self._header)

    def _present(self, source: Source, gaps: GapPolicy | None) -> Presenter:
        between = Between(self._codec, self._repairer)
        if source.live or not self._timed:
            return Presenter(PictureClock(self.interval, self._timed), None, between, self._count_made)
        label = f"stream #{self.index}"
        found = Gaps(gaps, float(self.time_base), label) if gaps is not None else None
        return Presenter(TimeMender(self.interval), found, between, self._count_made)

    @property
    def hooked(self) -> bool:
        """Pictures are repaired inside the decoder's reference memory."""
        return self._decoder.hooked

    def watch(self) -> None:
        """Decode beside what a player without us would; to be called before the first payload."""
        if self.beside is None and not self.payloads:
            self.beside = Beside(self._codec, self._header)

    def feed(self, payload: VideoPayload) -> Iterator[ShownPicture]:
        """Decode one payload; yields the pictures that come out of it."""
        if payload.extradata is not None:
            yield from self._out(self._decoder.flush())
            self._decoder.close()
            self._decoder = self._open(payload.extradata)
        self.damaged |= payload.truncated or bool(payload.gaps)
        pts = payload.pts if self._timed else self.payloads
        if self.beside is not None:
            self.beside.push(self.payloads, payload.data, payload.extradata)
        self.payloads += 1
        self._presenter.arrived(payload.pts, payload.dts)
        if payload.hidden:
            self._hidden.add(self.payloads - 1)
        started = time.perf_counter()
        if self._statistics is not None:
            self._arrivals[pts] = started
            if len(self._arrivals) > _REMEMBERED:  # one that gave no picture, or one with another time
                del self._arrivals[next(iter(self._arrivals))]
        if self._repairer is not None:
            self._repairer.begin(self._time_left(payload))
        pictures = self._decoder.decode(
            payload.data,
            pts=pts,
            dts=payload.dts if self._timed else None,
            duration=payload.duration,
            tag=self.payloads - 1,
            gaps=payload.gaps,
            truncated=payload.truncated,
            complete=payload.complete,
        )
        if self._statistics is not None:
            self._statistics.access_unit((time.perf_counter() - started) * 1e3, self._deadline_ms)
            self._statistics.packets_lost += len(payload.gaps)
        yield from self._out(pictures)

    def _time_left(self, payload: VideoPayload) -> float | None:
        """Milliseconds for decoding and repair, from now on."""
        if payload.late or self._deadline_ms is None:
            return _HURRIED_MS if payload.late else None
        return max(self._deadline_ms - payload.waited * 1e3, _LEAST_MS)

    def silent(self) -> Iterator[ShownPicture]:
        """Nothing came just now: pictures that are to be shown all the same."""
        outage = self._outage
        if outage is None:
            return
        if outage.is_due:
            yield from self.flush()
            held = outage.begin()
            self._decoder = self._open(self._header)
            if self._policy is not None:
                self._policy.begin(held)
        for picture in outage.pictures():
            yield self._presenter.instead(picture)

    def flush(self) -> Iterator[ShownPicture]:
        """The pictures still inside the decoder, which is closed, and those that wait for their time."""
        if self.beside is not None:
            self.beside.flush()
        yield from self._out(self._decoder.flush())
        self._decoder.close()
        yield from self._noted(self._presenter.flush())
        self.totals.retimed += self._presenter.mended

    def close(self) -> None:
        """Leave without the pictures still inside."""
        self._decoder.close()

    @property
    def left_out(self) -> int:
        """Payloads so far whose picture players may leave out, as it refers to what lies before the stream's start.

        HEVC RASL pictures behind a first CRA picture, which our decoder leaves out as well, and others before the first
        that lacks nothing.
        """
        counted = max(self.payloads - self.counted_from, 0)
        skipped = counted - self._with_picture - self.totals.hidden if self._codec == "hevc" else 0
        return skipped + self._rootless

    def _out(self, pictures: Iterable[DecodedPicture]) -> Iterator[ShownPicture]:
        for picture in pictures:
            dropped = self.totals.dropped
            seen = self._seen(picture)
            left_out = self.totals.dropped > dropped and not self._source.live
            yield from self._noted(self._presenter.push(seen or picture, seen is not None, left_out))

    def _noted(self, shown: Iterable[ShownPicture]) -> Iterator[ShownPicture]:
        for one in shown:
            if one.pts is not None and one.picture.tag is not None and self.counts(one.picture):
                self._with_picture += 1
                if not self._source.live:
                    self.tags.append(one.picture.tag)
                    self.times.append(one.pts)
            yield one

    def counts(self, picture: DecodedPicture) -> bool:
        """Whether a picture of which something arrived belongs to what is counted."""
        return picture.tag is None or picture.tag >= self.counted_from

    def _count_made(self, picture: DecodedPicture, following: DecodedPicture) -> None:
        if self.counts(following):
            self._add(picture)

    def _count(self, picture: DecodedPicture) -> None:
        if picture.tag is not None:
            self._counting = self.counts(picture)
        if self._counting:
            self._add(picture)

    def _add(self, picture: DecodedPicture) -> None:
        self.totals.add(picture)
        self.totals.misplaced += picture.moved
        self.totals.unreadable_sets += picture.unreadable_sets
        self._rootless += picture.lacks_references
        self.damaged = self.damaged or is_damaged(picture) or picture.moved or picture.unreadable_sets > 0

    def _seen(self, picture: DecodedPicture) -> DecodedPicture | None:
        """Count a picture; what is shown in its place, None if nothing is."""
        self._count(picture)
        arrived = self._arrivals.pop(picture.pts, None)
        if self._statistics is not None:
            waited = None if arrived is None else time.perf_counter() - arrived
            self._statistics.picture(picture, waited, float(1 / self.rate))
        if picture.tag is not None and picture.tag in self._hidden:
            self._hidden.discard(picture.tag)
            self.totals.hidden += self.counts(picture)
            self.any_hidden |= not picture.lacks_references
            return None
        seen: DecodedPicture | None = picture
        if self._policy is not None:
            seen = self._policy.shown(picture)
            self.totals.held, self.totals.dropped = self._policy.held, self._policy.dropped
            if self._statistics is not None:
                self._statistics.held, self._statistics.dropped = self._policy.held, self._policy.dropped
        if seen is None or self._came_too_late(seen, picture):
            return None
        return seen

    def _came_too_late(self, seen: DecodedPicture, picture: DecodedPicture) -> bool:
        """Whether its time was filled in an outage."""
        if self._outage is None:
            return False
        last = self._presenter.last
        if picture.pts is not None and last is not None and picture.pts <= last:
            return True
        if seen is picture:
            self._outage.shown(picture)
        else:
            self._outage.goes_on()
        return False
