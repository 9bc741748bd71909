"""A stretch of a stream that is spliced."""

from __future__ import annotations

import av

from concealer.repair import Repairer
from pipelines.gaps import GapPolicy
from pipelines.jobs.passes import Pass
from pipelines.jobs.spans import CannotKeepError
from pipelines.jobs.splice_totals import SpliceTotals
from pipelines.jobs.spliced_stream import SplicedStream
from pipelines.reading import VideoPayload
from pipelines.track import Track


class SplicedSpan:
    """A `SpanRun` that puts slices of ours into the gaps; UnsupportedStandInError where the stream forbids it."""

    def __init__(self, passed: Pass, index: int, repairer: Repairer, header: bytes | None) -> None:
        """header: what the decoder is opened with. Raises CannotKeepError without the decoder hook."""
        run, source = passed.run, passed.run.source
        self._passed = passed
        interval = max(1, round(1 / (source.rate(index) * source.time_base(index))))
        self._stream = SplicedStream(
            source.video[index],
            source.codec(index),
            source.framed,
            True,
            interval,
            float(1 / source.rate(index)),
            reported=run.settings.report is not None,
            header=header,
        )
        self._track = Track(
            source,
            index,
            repairer,
            run.settings.report is not None,
            run.settings.threads,
            run.lookahead,
            self._stream.observe,
            gaps=GapPolicy(run.settings.fill_gaps, quiet=True),
            header=header,
        )
        if not self._track.hooked:
            self.close()
            raise CannotKeepError("splicing needs the decoder hook, which does not hold on this system")

    @property
    def repaired(self) -> int:
        return self._track.totals.repaired

    @property
    def totals(self) -> SpliceTotals:
        """What was taken out and put in."""
        return self._stream.totals

    @property
    def changes(self) -> list[dict[str, object]]:
        """What was done to each changed access unit, for the report."""
        return self._stream.changes

    def push(self, payload: VideoPayload) -> list[av.Packet]:
        self._stream.add(payload)
        for _ in self._passed.told(self._track, self._track.feed(payload)):
            pass
        return self._stream.take()

    def finish(self) -> list[av.Packet]:
        for _ in self._passed.told(self._track, self._track.flush()):
            pass
        return self._stream.flush()

    def close(self) -> None:
        self._stream.close()
        self._track.close()
