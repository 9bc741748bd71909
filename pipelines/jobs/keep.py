"""Keeping: only where a file is damaged anything of it changes; every other packet is copied.

The first pass has found where (`Survey`). Damaged stretches are spliced where the stream allows it; else the groups of
pictures that hold them are encoded anew.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

import av

from concealer.bitstream import PARAMETER_SETS, nal_type, split_sample
from concealer.standins import UnsupportedStandInError
from pipelines.errors import CannotKeepError, ConcealError, NotShownError
from pipelines.jobs.coded_span import GroupCoder
from pipelines.jobs.copy import hindrance
from pipelines.jobs.facts import Known
from pipelines.jobs.lines import Line
from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult, Kept
from pipelines.jobs.run import Run
from pipelines.jobs.settings import OutputMode
from pipelines.jobs.span_results import Here, Results, open_results
from pipelines.jobs.span_work import Task, Work
from pipelines.jobs.spans import Piece, Route, as_packet, put_in_front
from pipelines.jobs.splice_totals import SpliceTotals
from pipelines.jobs.subject import span_album
from pipelines.jobs.survey import Span, Survey
from pipelines.jobs.untimed import Untimed
from pipelines.jobs.writing_out import write_out
from pipelines.reading import VideoPayload
from pipelines.reporting import Comparison, Plate
from pipelines.writing import STDOUT, Sink, is_special

log = logging.getLogger(__name__)

_ROUTES: dict[OutputMode, tuple[Route, ...]] = {"auto": ("splice", "gop"), "gop": ("gop",), "splice": (), "encode": ()}


def keep(run: Run, analysis: Pass, surveys: Mapping[int, Survey]) -> ConcealResult | None:
    """Repair the surveyed streams by the first route that does; None if none does, and nothing is written.

    analysis: the pass that found the damage. Raises ConcealError where the user asked for one route that does not do.
    """
    tracks = {index: analysis.known[index] for index in surveys}
    reasons = [_hindrance(run, tracks[index], survey) for index, survey in surveys.items()]
    why = next((reason for reason in reasons if reason is not None), None)
    for route in _ROUTES[run.settings.output] if why is None else ():
        try:
            return _keep(run, analysis, surveys, route)
        except (UnsupportedStandInError, CannotKeepError, NotShownError) as error:
            log.info("%s: not by %s: %s", run.source.label, route, error)
            why = str(error)
    if run.settings.output == "gop":
        raise ConcealError(f"{run.source.label}: single groups of pictures cannot be encoded anew: {why}")
    return None


def _hindrance(run: Run, track: Known, survey: Survey) -> str | None:
    """Why packets of a stream cannot stay as they are, None if they can."""
    totals = track.totals
    if totals.retimed or totals.misplaced:
        return "it has wrong times, or access units out of place"
    if not survey.has_entries:
        return "decoding can begin nowhere"
    reason = hindrance(run, track)
    return None if reason is None else f"it {reason}"


def _keep(run: Run, analysis: Pass, surveys: Mapping[int, Survey], route: Route) -> ConcealResult:
    """Raises CannotKeepError, UnsupportedStandInError where this route does not do."""
    run.source.rewind()
    with contextlib.ExitStack() as held:
        passed = Pass(run, (), repair=False, track_taint=False, facts=analysis.facts, repaired=True)
        held.enter_context(passed)
        results = held.enter_context(contextlib.closing(_open_results(passed, surveys, route)))
        streams = {
            index: KeptStream(run, index, survey, results, route, passed.comparison(index))
            for index, survey in surveys.items()
        }
        sink = Sink(run.output, run.settings.output_format, run.source, encoded=())
        stopped = write_out(run, sink, _packets(passed, sink, streams, results))
        result = _result(passed, streams, route)
        lines = {index: stream.lines for index, stream in streams.items()}
        changes = [change for stream in streams.values() for change in stream.changes]
        plates = [plate for stream in streams.values() for plate in stream.plates]
        return passed.written(result, sink, stopped, changes, lines, plates)


def _open_results(passed: Pass, surveys: Mapping[int, Survey], route: Route) -> Results:
    run = passed.run
    tasks: list[tuple[float, Task]] = []
    for index, survey in surveys.items():
        spans = survey.spans(closed=route == "gop")
        for span, following in itertools.zip_longest(spans, spans[1:]):
            follower = None if following is None else following.lead
            place = span.lead / len(survey.sizes)
            tasks.append((place, Task(index, span, survey.header(span.lead), follower)))
    tasks.sort(key=lambda pair: pair[0])  # as the packets come
    used = {index: survey.used_ids for index, survey in surveys.items()}
    work = Work(run.source.wanted, run.settings, route, used, tuple(task for _, task in tasks))
    folder = os.path.dirname(os.path.realpath(run.output))
    beside = run.output != STDOUT and os.path.isdir(folder) and not is_special(run.output)

    def waiting() -> bool:
        return not run.stopped()

    comparisons = {index: one for index in surveys if (one := passed.comparison(index)) is not None}
    if comparisons:  # which shows every picture in its turn
        return Here(work, waiting, comparisons)
    return open_results(work, run.settings.cores, folder if beside else tempfile.gettempdir(), waiting)


class KeptStream:
    """One damaged stream of the file: payloads in, packets out, in decode order."""

    def __init__(
        self,
        run: Run,
        index: int,
        survey: Survey,
        results: Results,
        route: Route,
        comparison: Comparison | None = None,
    ) -> None:
        """comparison: is told of payloads that are copied. Raises CannotKeepError."""
        self._source, self._index, self._survey, self._results = run.source, index, survey, results
        self._comparison = comparison
        self._coder = None
        if route == "gop":
            self._coder = GroupCoder(self._source, index, run.settings.encoder, survey.used_ids)
            self._coder.announce()
        self._tasks = deque(task for task in results.tasks if task.stream == index)
        self._ends = {task.span.end for task in self._tasks}
        self._number = 0
        self._interval = max(1, round(1 / (self._source.rate(index) * self._source.time_base(index))))
        self._untimed = Untimed(self._interval)
        self._pieces: Iterator[Piece] = iter(())
        self._next: Piece | None = None
        self.kept = Kept(route)
        self.splice = SpliceTotals()
        self.changes: list[dict[str, object]] = []
        self.lines: list[tuple[Span, list[Line]]] = []
        """What the report says of the pictures of repaired spans."""
        self._album = span_album(run, index)
        self.repaired = self.sent = 0

    def push(self, payload: VideoPayload) -> list[av.Packet]:
        """The next payload."""
        number, packets = self._number, []
        self._number += 1
        if self._tasks and number == self._tasks[0].span.end:
            packets += self._leave()
        if self._tasks and number == self._tasks[0].span.first:
            if self._comparison is not None:
                self._comparison.leave()
            self._pieces = self._results.pieces(self._tasks[0])
            self._next = next(self._pieces, None)
        if self._tasks and number >= self._tasks[0].span.first:
            while self._next is not None and _is_due(self._next, number, payload):
                packets.append(self._packet(self._next, number, payload))
                self._next = next(self._pieces, None)
        else:
            packets.append(self._copied(number, payload))
            if self._comparison is not None:
                codec, header = self._source.codec(self._index), self._survey.header(number)
                self._comparison.copied(codec, header, payload.data, payload.pts)
        return self._sent(packets)

    def finish(self) -> list[av.Packet]:
        """The stream ended."""
        within = self._tasks and self._number > self._tasks[0].span.first
        packets = self._sent(self._leave()) if within else []
        return packets + self._untimed.flush()

    @property
    def plates(self) -> list[Plate]:
        """The worst of these pictures, if the report shows any."""
        return [] if self._album is None else self._album.finish()

    def _leave(self) -> list[av.Packet]:
        """The rest of a span."""
        packets = []
        while self._next is not None:
            packets.append(self._packet(self._next))
            self._next = next(self._pieces, None)
        task = self._tasks.popleft()
        facts = self._results.facts(task)
        self.repaired += facts.repaired
        self.lines.append((task.span, facts.lines))
        while facts.plates and self._album is not None:
            self._album.add(facts.plates.pop())
        self.splice.merge(facts.splice)
        self.changes += ({"stream": self._index, **change} for change in facts.changes)
        if self._coder is not None:
            self.kept.groups_encoded += self._survey.groups(task.span)
            self.kept.pictures_encoded += facts.pictures
            self.kept.bytes_new += facts.bytes
        return packets

    def _packet(self, piece: Piece, number: int | None = None, payload: VideoPayload | None = None) -> av.Packet:
        """number, payload: what is at hand of the input."""
        if payload is not None and piece.number == number and (piece.data is None or payload.packet is not None):
            return as_packet(self._source, payload, piece.data)
        if piece.data is None:
            raise CannotKeepError("access units would leave in another order")
        packet = av.Packet(piece.data)
        packet.stream, packet.time_base = self._source.video[self._index], self._source.time_base(self._index)
        packet.pts, packet.dts, packet.duration = piece.pts, piece.dts, piece.duration or self._interval
        packet.is_keyframe = piece.key
        return packet

    def _copied(self, number: int, payload: VideoPayload) -> av.Packet:
        survey = self._survey
        self.kept.bytes_kept += survey.sizes[number]
        self.splice.count_copied(survey.nal_units[number], survey.sizes[number])
        coder = self._coder
        if coder is not None and not coder.leaves_sets and number in self._ends:
            known = survey.sets_at(number)
            own = {nal_type(coder.codec, nal) for nal in split_sample(payload.data, coder.length_size)[0]}
            if not own & set(PARAMETER_SETS[coder.codec]):
                return as_packet(
                    self._source, payload, put_in_front(coder.codec, payload.data, known, coder.length_size)
                )
        return as_packet(self._source, payload)

    def _sent(self, packets: list[av.Packet]) -> list[av.Packet]:
        self.sent += sum(not packet.is_discard for packet in packets)
        return [ready for packet in packets for ready in self._untimed.push(packet)]


def _is_due(piece: Piece, number: int, payload: VideoPayload) -> bool:
    """Whether a piece goes out beside a payload of the input."""
    if piece.number is not None:
        return piece.number <= number
    return piece.dts is None or payload.dts is None or piece.dts <= payload.dts


def _packets(passed: Pass, sink: Sink, streams: Mapping[int, KeptStream], results: Results) -> Iterator[None]:
    for event in passed.events("repairing", streams.keys(), share=lambda: results.share):
        packets = streams[event.stream].push(event) if isinstance(event, VideoPayload) else [event]
        for packet in packets:
            sink.copy(packet)
        yield
    for index, stream in streams.items():
        for packet in stream.finish():
            sink.copy(packet)
        track = passed.known[index]
        sink.leave_out(index, track.left_out)
        missing = track.totals.pictures - stream.sent
        if missing > 0 and not passed.run.stopped():
            raise CannotKeepError(f"{missing} lost pictures cannot be put into stream #{index}")


def _result(passed: Pass, streams: Mapping[int, KeptStream], route: Route) -> ConcealResult:
    result = passed.result("spliced" if route == "splice" else "repaired")
    splice, kept = SpliceTotals(), Kept(route)
    for index, stream in streams.items():
        splice.merge(stream.splice)
        kept.merge(stream.kept)
        result.streams[index].repaired = stream.repaired
    result.totals.repaired = sum(stream.repaired for stream in streams.values())
    return replace(result, splice=splice if route == "splice" else None, kept=kept)
