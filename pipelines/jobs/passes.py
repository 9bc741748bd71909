"""The input read once, from its start: its streams decoded, its pictures counted and told in the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType

import av

from concealer.decoder import ObserveFn
from pipelines.errors import ConcealError, InputError, NothingOfUseError
from pipelines.gaps import GapPolicy
from pipelines.jobs.facts import Facts, Known
from pipelines.jobs.lines import Line, with_spans
from pipelines.jobs.repairers import make_repairers
from pipelines.jobs.result import Action, ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.subject import subject_of
from pipelines.jobs.survey import Span
from pipelines.metrics import Served
from pipelines.on_damage import DamagePolicy
from pipelines.presenting import ShownPicture
from pipelines.progress import Meter
from pipelines.reading import VideoPayload, ticking
from pipelines.report import Report, Totals, picture_text
from pipelines.reporting import Collector, Comparison, Plate, collector
from pipelines.statistics import Statistics
from pipelines.track import Track
from pipelines.writing import ByteStream, Sink

_TICK = 0.02
"""Seconds."""


class Pass:
    """One pass of a run. Leaving its context frees the decoders and forgets a report that was not finished."""

    def __init__(
        self,
        run: Run,
        streams: Collection[int],
        *,
        repair: bool,
        track_taint: bool,
        observers: Mapping[int, ObserveFn] | None = None,
        quiet: bool = False,
        facts: Mapping[int, Facts] | None = None,
        repaired: bool = False,
    ) -> None:
        """streams: those that are decoded, by index; each has its track. quiet: there is no report of it.
        facts: of streams looked at before, of which the report tells then. repaired: which are repaired elsewhere.

        Raises UsageError, OutputError.
        """
        self.run = run
        self.tracks: dict[int, Track] = {}
        self.facts = dict(facts or {})
        self._report: Report | Collector | None = None
        self._comparison: Comparison | None = None
        self._served: list[Served] = []
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            repairers = make_repairers(run, streams) if repair else {}
            for index in sorted(streams):
                self.tracks[index] = Track(
                    run.source,
                    index,
                    repairers.get(index),
                    track_taint,
                    run.settings.threads,
                    run.lookahead,
                    None if observers is None else observers[index],
                    self._policy(decides=repair and observers is None),
                    self._serve(index) if repair else None,
                    self._gap_policy(),
                    run.settings.outage if repair else None,
                )
            if run.settings.report is not None and not quiet:
                told = {*streams, *self.facts}
                self._report = self._open_report(run.settings.report, told, repair or repaired)
            if run.settings.compare is not None and (repair or repaired):
                first = min({*streams, *self.facts})
                [video] = subject_of(run, [first], True).videos
                self._comparison = Comparison(run.settings.compare, video, run.source.time_base(first))
            undo.pop_all()

    def _policy(self, decides: bool) -> DamagePolicy | None:
        settings, live = self.run.settings, self.run.source.live
        if not decides:
            return DamagePolicy() if live else None
        if self.run.shows_all:
            return None
        confidence = 1.0 if settings.min_confidence is None else settings.min_confidence
        return DamagePolicy(settings.on_damage, confidence, of_file=not live)

    def _gap_policy(self) -> GapPolicy:
        settings = self.run.settings
        # What is left out leaves a hole on purpose.
        fill = 0.0 if settings.on_damage == "drop" else settings.fill_gaps
        return GapPolicy(fill, settings.freeze_gaps, settings.on_damage == "hold")

    def _serve(self, index: int) -> Statistics | None:
        """Counts of a stream that are served while the pass lasts, if they are to be."""
        if self.run.settings.metrics is None:
            return None
        statistics = Statistics()
        self._served.append(Served(self.run.settings.metrics, f"{self.run.source.label}#{index}", statistics))
        return statistics

    def _open_report(self, target: str, indices: Collection[int], repaired: bool) -> Report | Collector:
        made = collector(target, subject_of(self.run, sorted(indices), repaired))
        return made or Report(target, self._head(indices, repaired))

    def _head(self, indices: Collection[int], repaired: bool) -> dict[str, object]:
        source, lookahead = self.run.source, self.run.lookahead if repaired else 0
        streams = {
            str(index): {"codec": source.codec(index), "time_base": str(source.time_base(index))}
            for index in sorted(indices)
        }
        head: dict[str, object] = {
            "input": source.label,
            "output": self.run.target,
            "lookahead": lookahead,
            "streams": streams,
        }
        return head if source.salvaged is None else head | {"salvaged": source.salvaged.as_dict()}

    def __enter__(self) -> Pass:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free what it holds."""
        for served in self._served:
            served.close()
        self._served.clear()
        if self._report is not None:
            self._report.abort()
        if self._comparison is not None:
            self._comparison.abort()
        for track in self.tracks.values():
            track.close()

    @property
    def known(self) -> Mapping[int, Known]:
        """What this pass, or one before it, knows of the streams that it looked at, by index."""
        return self.facts or self.tracks

    def events(
        self,
        phase: str,
        decode: Collection[int],
        counts: Callable[[], Iterable[Totals]] | None = None,
        share: Callable[[], float] | None = None,
    ) -> Iterator[VideoPayload | av.Packet]:
        """The input's packets, as payloads for the streams in `decode`: until its end, or until the run is stopped.

        Progress is told at each; counts: of what is decoded elsewhere than in this pass. share: of what else is to be
        done, as much as reading.
        """
        for event in self.timed_events(phase, decode, counts, share):
            if event is not None:
                yield event

    def timed_events(
        self,
        phase: str,
        decode: Collection[int],
        counts: Callable[[], Iterable[Totals]] | None = None,
        share: Callable[[], float] | None = None,
    ) -> Iterator[VideoPayload | av.Packet | None]:
        """The same, with None now and then while nothing comes, if an outage is to be filled."""
        meter = Meter(phase, self.run.on_progress)
        events: Iterator[VideoPayload | av.Packet | None] = self.run.source.events(decode)
        if self.run.settings.outage is not None:
            events = ticking(events, _TICK)
        for event in events:
            if self.run.stopped():
                return
            yield event
            if not meter.is_due:
                continue
            total = Totals()
            for one in counts() if counts is not None else [known.totals for known in self.known.values()]:
                total.merge(one)
            read = self.run.source.progress
            done = read if share is None or read is None else (read + share()) / 2
            meter.tell(total.pictures, total.damaged, done, total.repaired, total.causes)

    def told(self, track: Track, pictures: Iterable[ShownPicture]) -> Iterator[ShownPicture]:
        """The pictures as they come, each told in the report."""
        report = self._report
        if self._viewers(track):
            track.watch()  # before `pictures`, which are made as they are asked for, begin
        for shown in pictures:
            if report is not None:
                report.add(picture_text(track.index, shown.picture, shown.pts, track.time_base))
            yield shown
            self._look(track, shown)
        self._look(track)

    def _look(self, track: Track, shown: ShownPicture | None = None) -> None:
        """Hand on the pictures whose counterpart in a plain decoder is known."""
        if track.beside is None:
            return
        if shown is not None:
            track.beside.expect(shown)
        for one, before in track.beside.ready():
            for viewer in self._viewers(track):
                viewer.look(track.index, one, before, track.time_base)

    def _viewers(self, track: Track) -> list[Collector | Comparison]:
        """Those that want to see the pictures of a track."""
        report, comparison = self._report, self._comparison
        viewers: list[Collector | Comparison] = []
        if isinstance(report, Collector) and report.wants_pictures:
            viewers.append(report)
        if comparison is not None and comparison.stream == track.index:
            viewers.append(comparison)
        return viewers

    def comparison(self, index: int) -> Comparison | None:
        """What is to be told of payloads of a stream that are copied, too."""
        return self._comparison if self._comparison is not None and self._comparison.stream == index else None

    def need_pictures(self) -> None:
        """Raise InputError if none could be decoded."""
        if not any(known.totals.pictures for known in self.known.values()):
            raise InputError(f"{self.run.source.label}: not one picture could be decoded")
        shown = [one.totals.pictures > one.totals.dropped for one in self.tracks.values() if one.totals.pictures]
        begins = self.run.settings.on_damage == "conceal"
        if begins and not all(shown) and (self.run.source.seekable or not any(shown)):
            raise NothingOfUseError(f"{self.run.source.label}: a stream begins in its middle, and none of it is of use")
        if shown and not any(shown):
            raise ConcealError(f"{self.run.source.label}: every picture is damaged, none is left to show (--on-damage)")

    def result(self, action: Action) -> ConcealResult:
        """What has been counted so far."""
        total = Totals()
        for known in self.known.values():
            total.merge(known.totals)
        return ConcealResult(
            self.run.source.label,
            self.run.target if action != "analysed" else None,
            action,
            total,
            {index: known.totals for index, known in self.known.items()},
            ended_early=self.run.source.ended_early,
            unread=self.run.source.unread,
            losses=self.run.source.losses,
            salvaged=self.run.source.salvaged,
            seconds=time.monotonic() - self.run.began,
        )

    def written(
        self,
        result: ConcealResult,
        sink: Sink | ByteStream,
        stopped: bool,
        changes: Iterable[Mapping[str, object]] = (),
        spans: Mapping[int, Sequence[tuple[Span, Sequence[Line]]]] | None = None,
        plates: Iterable[Plate] = (),
    ) -> ConcealResult:
        """The result once the output is complete; it finishes the report, which tells `changes` too.

        sink: what was written. stopped: before the input's end. spans: what is told of repaired stretches, by stream.
        """
        result = replace(
            result,
            dropped=sink.dropped,
            accounts=list(sink.accounts.values()),
            interrupted=stopped and not self.run.source.live,
            seconds=time.monotonic() - self.run.began,
        )
        self.finish_report(result, changes, spans or {}, plates)
        return result

    def finish_report(
        self,
        result: ConcealResult,
        changes: Iterable[Mapping[str, object]] = (),
        spans: Mapping[int, Sequence[tuple[Span, Sequence[Line]]]] = MappingProxyType({}),
        plates: Iterable[Plate] = (),
    ) -> None:
        """Give the report, and the comparison, their names. Raises OutputError."""
        if self._comparison is not None:
            self._comparison.finish()
            self._comparison = None
        if self._report is not None:
            for index, facts in self.facts.items():
                for text in with_spans(facts.lines, spans.get(index, ())):
                    self._report.add(text)
            if isinstance(self._report, Collector):
                for plate in plates:
                    self._report.take(plate)
            self._report.finish(result.as_dict(), changes)
            self._report = None
