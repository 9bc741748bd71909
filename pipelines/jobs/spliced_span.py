"""A stretch of a stream that is spliced."""

from __future__ import annotations

from collections.abc import Iterable

import av

from concealer.repair import Repairer
from pipelines.errors import CannotKeepError
from pipelines.gaps import GapPolicy
from pipelines.jobs.run import Run
from pipelines.jobs.span_lines import span_lines
from pipelines.jobs.spans import SpanFacts
from pipelines.jobs.spliced_stream import SplicedStream
from pipelines.jobs.survey import Span
from pipelines.presenting import ShownPicture
from pipelines.reading import VideoPayload
from pipelines.reporting import Comparison
from pipelines.track import Track


class SplicedSpan:
    """A `SpanRun` that puts slices of ours into the gaps; UnsupportedStandInError where the stream forbids it."""

    def __init__(
        self,
        run: Run,
        index: int,
        repairer: Repairer,
        header: bytes | None,
        span: Span,
        comparison: Comparison | None = None,
    ) -> None:
        """header: what the decoder is opened with. comparison: is shown every picture.

        Raises CannotKeepError without the decoder hook.
        """
        source, reported = run.source, run.settings.report is not None or comparison is not None
        interval = max(1, round(1 / (source.rate(index) * source.time_base(index))))
        self._stream = SplicedStream(
            source.video[index],
            source.codec(index),
            source.framed,
            True,
            interval,
            float(1 / source.rate(index)),
            reported=reported,
            header=header,
            first=span.first - span.lead,
            headless=span.first == 0 and index in source.headless,
        )
        self._track = Track(
            source,
            index,
            repairer,
            reported,
            run.settings.threads,
            run.lookahead,
            self._stream.observe,
            gaps=GapPolicy(run.settings.fill_gaps, quiet=True),
            header=header,
        )
        self._lines = span_lines(run, self._track, span, comparison)
        self._track.counted_from = span.first - span.lead
        if not self._track.hooked:
            self.close()
            raise CannotKeepError("splicing needs the decoder hook, which does not hold on this system")

    @property
    def facts(self) -> SpanFacts:
        lines, plates = ([], []) if self._lines is None else (self._lines.all(), self._lines.plates)
        repaired = max(self._track.totals.repaired - self._stream.totals.unmended, 0)
        return SpanFacts(repaired, splice=self._stream.totals, changes=self._stream.changes, lines=lines, plates=plates)

    def push(self, payload: VideoPayload) -> list[av.Packet]:
        if payload.packet is not None:
            payload.packet.opaque = [self._track.payloads]
        self._stream.add(payload)
        self._see(self._track.feed(payload))
        return self._stream.take()

    def finish(self) -> list[av.Packet]:
        self._see(self._track.flush())
        return self._stream.flush()

    def close(self) -> None:
        self._stream.close()
        self._track.close()

    def _see(self, pictures: Iterable[ShownPicture]) -> None:
        for shown in pictures:
            if self._lines is not None:
                self._lines.picture(shown)
