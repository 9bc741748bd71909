"""Looking for damage in all of a stream, chunk by chunk: in one process, or each in some of the chunks."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.gaps import GapPolicy
from pipelines.jobs.children import Channel
from pipelines.jobs.chunks import Chunks, expected_pictures, least_in_chunk
from pipelines.jobs.facts import Facts
from pipelines.jobs.lines import Lines
from pipelines.jobs.settings import Settings
from pipelines.jobs.survey import Marks, Survey, survey_of
from pipelines.presenting import ShownPicture
from pipelines.reading import Source, VideoPayload, Wanted
from pipelines.report import Totals
from pipelines.track import Track

_NEVER = sys.maxsize
_EVERY = 0.2
"""Seconds between two words of progress."""


class Look:
    """At one stream of an input. Its chunks are numbered from 0; it decodes every `of`th from `which` on."""

    def __init__(self, source: Source, index: int, settings: Settings, which: int = 0, of: int = 1) -> None:
        self._source, self._index, self._settings = source, index, settings
        self._which, self._of = which, of
        self.survey = survey_of(source, index)
        self.facts: dict[int, Facts] = {}
        """Of the chunks decoded here, by number."""
        self._chunks, self._number = Chunks(least_in_chunk(expected_pictures(source, index))), 0
        self._now = self._open(0) if which == 0 else None
        self._next: _Stretch | None = None

    @property
    def totals(self) -> list[Totals]:
        """What was counted so far, chunk by chunk."""
        known = [facts.totals for facts in self.facts.values()]
        return known if self._now is None else [*known, self._now.track.totals]

    def push(self, payload: VideoPayload) -> None:
        """The next payload."""
        number = len(self.survey.sizes)
        cut = self._chunks.payload(self.survey.payload(payload))
        if cut is not None and cut.begins:
            self._end(number)
            self._now, self._next, self._number = self._next, None, cut.chunk
            if self._now is not None:
                self._now.begin()
        elif cut is not None and cut.chunk % self._of == self._which:
            self._next = self._open(number)
        for stretch in (self._now, self._next):
            if stretch is not None:
                stretch.push(payload)

    def finish(self) -> None:
        """The stream ended."""
        self._end(len(self.survey.sizes))

    def close(self) -> None:
        """Free the decoders."""
        for stretch in (self._now, self._next):
            if stretch is not None:
                stretch.track.close()

    def _open(self, lead: int) -> _Stretch:
        header = self.survey.header(lead) if lead else None
        policy = GapPolicy(self._settings.fill_gaps, self._settings.freeze_gaps)
        track = Track(self._source, self._index, None, False, self._settings.threads, gaps=policy, header=header)
        return _Stretch(track, self.survey, lead, self._settings.report is not None)

    def _end(self, number: int) -> None:
        stretch = self._now
        if stretch is None:
            return
        stretch.finish()
        facts = Facts(self._index, stretch.track.time_base, stretch.track.interval)
        lines = stretch.lines.all() if stretch.lines is not None else ()
        facts.add(stretch.track, stretch.track.counted_from, number - stretch.lead, stretch.lead, lines)
        self.facts[self._number] = facts
        self._now = None


class _Stretch:
    """A chunk that is being decoded, or the group of pictures before it."""

    def __init__(self, track: Track, survey: Survey, lead: int, reported: bool) -> None:
        self.track, self.lead = track, lead
        self._marks = Marks(survey, lead)
        self.lines = Lines(track, lead, _NEVER if lead else 0) if reported else None
        if lead:
            track.counted_from = _NEVER

    def begin(self) -> None:
        """The chunk itself begins with the next payload."""
        self.track.counted_from = self.track.payloads
        if self.lines is not None:
            self.lines.first = self.lead + self.track.payloads

    def push(self, payload: VideoPayload) -> None:
        self._look(self.track.feed(payload))

    def finish(self) -> None:
        self._look(self.track.flush())
        self.track.close()

    def _look(self, pictures: Iterable[ShownPicture]) -> None:
        for shown in pictures:
            self._marks.picture(shown.picture, self.track.counts(shown.picture))
            if self.lines is not None:
                self.lines.picture(shown)


@dataclass(frozen=True)
class LookJob:
    """A child process's share of the chunks of a file; it reads the whole file."""

    wanted: Wanted
    settings: Settings
    which: int
    of: int
    told = ("pipelines.gaps",)
    """What concerns one chunk; what concerns the file the parent says itself."""

    def work(self, channel: Channel) -> None:
        """Tells "progress" (pictures, damaged ones, share of the file), then "done": what is known by stream, the
        surveys if it is the first, and the losses of the transport."""
        last = time.monotonic()
        with contextlib.closing(Source("", again=self.wanted)) as source:
            looks = {index: Look(source, index, self.settings, self.which, self.of) for index in source.video}
            for event in source.events(looks.keys()):
                if isinstance(event, VideoPayload):
                    looks[event.stream].push(event)
                now = time.monotonic()
                if now - last > _EVERY:
                    last = now
                    totals = [one for look in looks.values() for one in look.totals]
                    counts = sum(t.pictures for t in totals), sum(t.damaged for t in totals)
                    channel.tell("progress", *counts, source.progress)
            for look in looks.values():
                look.finish()
        found = {index: (look.facts, look.survey.places) for index, look in looks.items()}
        surveys = {index: look.survey for index, look in looks.items()} if self.which == 0 else {}
        channel.tell("done", found, surveys, source.losses)
