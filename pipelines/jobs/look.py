"""Looking for damage in all of a stream, chunk by chunk: in one process, or each in some of the chunks."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pipelines.gaps import GapPolicy
from pipelines.jobs.chunks import Chunks
from pipelines.jobs.facts import Facts
from pipelines.jobs.settings import Settings
from pipelines.jobs.survey import Marks, Survey
from pipelines.presenting import ShownPicture
from pipelines.reading import Source, VideoPayload
from pipelines.report import Totals
from pipelines.track import Track

_NEVER = sys.maxsize


class Look:
    """At one stream of an input. Its chunks are numbered from 0; it decodes every `of`th from `which` on."""

    def __init__(self, source: Source, index: int, settings: Settings, which: int = 0, of: int = 1) -> None:
        self._source, self._index, self._settings = source, index, settings
        self._which, self._of = which, of
        self.survey = Survey(source.codec(index), source.video[index].codec_context.extradata)
        self.facts: dict[int, Facts] = {}
        """Of the chunks decoded here, by number."""
        self._chunks, self._number = Chunks(), 0
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
        return _Stretch(track, self.survey, lead)

    def _end(self, number: int) -> None:
        stretch = self._now
        if stretch is None:
            return
        stretch.finish()
        facts = Facts(self._index, stretch.track.time_base, stretch.track.interval)
        facts.add(stretch.track, stretch.track.counted_from, number - stretch.lead, stretch.lead)
        self.facts[self._number] = facts
        self._now = None


class _Stretch:
    """A chunk that is being decoded, or the group of pictures before it."""

    def __init__(self, track: Track, survey: Survey, lead: int) -> None:
        self.track, self.lead = track, lead
        self._marks = Marks(survey, lead)
        if lead:
            track.counted_from = _NEVER

    def begin(self) -> None:
        """The chunk itself begins with the next payload."""
        self.track.counted_from = self.track.payloads

    def push(self, payload: VideoPayload) -> None:
        self._look(self.track.feed(payload))

    def finish(self) -> None:
        self._look(self.track.flush())
        self.track.close()

    def _look(self, pictures: Iterable[ShownPicture]) -> None:
        for shown in pictures:
            self._marks.picture(shown.picture, self.track.counts(shown.picture))
