"""Splicing: slices that carry the repair go into the gaps of the stream, and nothing is encoded."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from concealer.decoder import ObserveFn
from concealer.standins import UnsupportedStandInError
from pipelines.errors import ConcealError, UsageError
from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.splice_totals import SpliceTotals
from pipelines.jobs.spliced_stream import SplicedStream
from pipelines.jobs.times import Restamper, wrong_times
from pipelines.jobs.writing_out import write_out
from pipelines.presenting import ShownPicture
from pipelines.reading import Source, VideoPayload
from pipelines.track import Track
from pipelines.writing import ByteStream, Sink

log = logging.getLogger(__name__)


def splice(run: Run) -> ConcealResult:
    """Splice all streams that can be repaired.

    Raises ConcealError if one of them can't be spliced. One that is live goes on as it comes then, as whoever is behind
    would rather see that than nothing.
    """
    streams, with_report = set(run.source.video), run.settings.report is not None
    times = wrong_times(run) if run.source.seekable and not run.source.elementary else {}
    with (
        contextlib.closing(SplicedStreams(run.source, streams, with_report)) as spliced,
        Pass(run, streams, repair=True, track_taint=with_report, observers=spliced.observers) as passed,
    ):
        if not all(track.hooked for track in passed.tracks.values()):
            raise ConcealError("--splice needs the decoder hook, which does not hold on this system")
        sink = _open_sink(run.output, run.target_format, run.source)
        stopped = write_out(run, sink, _splice_packets(passed, sink, spliced, times))
        for index, track in passed.tracks.items():
            if track.totals.retimed:
                log.warning("stream #%d: %d wrong times, left as they are", index, track.totals.retimed)
            track.totals.retimed = times[index].changed if index in times else 0
            track.totals.repaired = max(track.totals.repaired - spliced.by_index[index].totals.unmended, 0)
        totals = spliced.totals
        result = replace(passed.result("spliced" if spliced.changed or totals.unmended else "copied"), splice=totals)
        return passed.written(result, sink, stopped, spliced.changes)


class SplicedStreams:
    """The video streams of one file that are spliced."""

    def __init__(self, source: Source, indices: Collection[int], reported: bool) -> None:
        """reported: `changes` are kept. Raises ConcealError if one of them can't be spliced."""
        self.by_index: dict[int, SplicedStream] = {}
        with contextlib.ExitStack() as undo, _refusals(source.label):
            undo.callback(self.close)
            for index in sorted(indices):
                interval = max(1, round(1 / (source.rate(index) * source.time_base(index))))
                stream = source.video[index]
                self.by_index[index] = SplicedStream(
                    stream,
                    source.codec(index),
                    source.framed,
                    not source.elementary,
                    interval,
                    float(1 / source.rate(index)),
                    live=source.live,
                    reported=reported,
                    headless=index in source.headless,
                )
            undo.pop_all()

    @property
    def observers(self) -> dict[int, ObserveFn]:
        """The decoders' observers, by stream."""
        return {index: stream.observe for index, stream in self.by_index.items()}

    @property
    def changed(self) -> bool:
        """Anything was taken out or put in."""
        return any(stream.changed for stream in self.by_index.values())

    @property
    def totals(self) -> SpliceTotals:
        """Counts over all of them."""
        totals = SpliceTotals()
        for stream in self.by_index.values():
            totals.merge(stream.totals)
        return totals

    @property
    def changes(self) -> Iterator[dict[str, object]]:
        """What was done to each changed access unit, for the report."""
        for index, stream in self.by_index.items():
            for change in stream.changes:
                yield {"stream": index, **change}

    def close(self) -> None:
        """Free what they hold."""
        for stream in self.by_index.values():
            stream.close()


def _splice_packets(
    passed: Pass, sink: Sink | ByteStream, spliced: SplicedStreams, times: Mapping[int, Restamper]
) -> Iterator[None]:
    """times: new ones, by stream."""
    with _refusals(passed.run.source.label):
        for event in passed.events("splicing", spliced.by_index.keys()):
            if isinstance(event, VideoPayload):
                stream = spliced.by_index[event.stream]
                if event.stream in times:
                    times[event.stream].give(event)
                _splice_payload(passed, stream, event)
                for packet in stream.take():
                    sink.copy(packet)
                if passed.run.source.live:
                    stream.catch_up()
            else:
                sink.copy(event)
            yield
        for index, stream in spliced.by_index.items():
            if not stream.refused:
                _decode(passed, passed.tracks[index], passed.tracks[index].flush())
            if isinstance(sink, Sink):
                sink.leave_out(index, passed.tracks[index].left_out)
            for packet in stream.flush():
                sink.copy(packet)
    passed.need_pictures()


def _splice_payload(passed: Pass, stream: SplicedStream, payload: VideoPayload) -> None:
    track, source = passed.tracks[payload.stream], passed.run.source
    stream.add(payload)
    if stream.refused:
        return
    try:
        _decode(passed, track, track.feed(payload))
    except UnsupportedStandInError as error:
        if not source.live:
            raise
        log.warning("%s: stream #%d cannot be spliced, goes on as it comes: %s", source.label, payload.stream, error)
        stream.refuse()


def _decode(passed: Pass, track: Track, pictures: Iterable[ShownPicture]) -> None:
    """Let the decoder's observer see the pictures; they themselves go nowhere."""
    for _ in passed.told(track, pictures):
        pass


def _open_sink(target: str, target_format: str, source: Source) -> Sink | ByteStream:
    """The output. Raises UsageError where a stream without timestamps should get a container."""
    if not source.elementary:
        return Sink(target, target_format, source, encoded=())
    if target_format != source.format_name:
        raise UsageError(
            f"{target}: {source.label} has no timestamps: with --splice it stays {source.format_name}; "
            "what comes out can be copied into a container without --splice"
        )
    return ByteStream(target, next(iter(source.video.values())))


@contextlib.contextmanager
def _refusals(label: str) -> Iterator[None]:
    """Turn what stands against splicing into one line that offers the alternative."""
    try:
        yield
    except UnsupportedStandInError as error:
        raise ConcealError(f"{label}: cannot be spliced: {error}; --output auto encodes what must be") from error
