"""Keeping: only where a file is damaged anything of it changes; every other packet is copied.

The first pass has found where (`Survey`). Damaged stretches are spliced where the stream allows it; else the groups of
pictures that hold them are encoded anew.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

import av

from concealer.bitstream import PARAMETER_SETS, nal_type, split_sample
from concealer.repair import Repairer
from concealer.standins import UnsupportedStandInError
from pipelines.errors import ConcealError
from pipelines.jobs.coded_span import CodedSpan, GroupCoder
from pipelines.jobs.copy import hindrance
from pipelines.jobs.facts import Known
from pipelines.jobs.passes import Pass
from pipelines.jobs.repairers import make_repairers
from pipelines.jobs.result import ConcealResult, Kept
from pipelines.jobs.run import Run
from pipelines.jobs.settings import OutputMode
from pipelines.jobs.spans import CannotKeepError, as_packet, put_in_front
from pipelines.jobs.splice_totals import SpliceTotals
from pipelines.jobs.spliced_span import SplicedSpan
from pipelines.jobs.survey import Span, Survey
from pipelines.jobs.untimed import Untimed
from pipelines.jobs.writing_out import write_out
from pipelines.reading import VideoPayload
from pipelines.writing import Sink

log = logging.getLogger(__name__)

Route = Literal["splice", "gop"]
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
        except (UnsupportedStandInError, CannotKeepError) as error:
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
    if totals.without_references or not survey.has_entries:
        return "it begins in the middle"
    reason = hindrance(run, track)
    return None if reason is None else f"it {reason}"


def _keep(run: Run, analysis: Pass, surveys: Mapping[int, Survey], route: Route) -> ConcealResult:
    """Raises CannotKeepError, UnsupportedStandInError where this route does not do."""
    run.source.rewind()
    with contextlib.ExitStack() as held:
        passed = held.enter_context(Pass(run, (), repair=False, track_taint=False, told=surveys.keys()))
        repairers = make_repairers(run, surveys.keys())
        streams = {
            index: held.enter_context(contextlib.closing(KeptStream(passed, index, survey, repairers[index], route)))
            for index, survey in surveys.items()
        }
        sink = Sink(run.output, run.settings.output_format, run.source, encoded=())
        stopped = write_out(run, sink, _packets(passed, sink, streams, analysis))
        result = _result(run, analysis, streams, route)
        changes = [change for stream in streams.values() for change in stream.changes]
        return passed.written(result, sink, stopped, changes)


class KeptStream:
    """One damaged stream of the file: payloads in, packets out, in decode order."""

    def __init__(self, passed: Pass, index: int, survey: Survey, repairer: Repairer, route: Route) -> None:
        """Raises CannotKeepError."""
        source, settings = passed.run.source, passed.run.settings
        whole = settings.report is not None or settings.compare is not None
        self._passed, self._index, self._survey, self._repairer = passed, index, survey, repairer
        self._coder = None
        if route == "gop":
            self._coder = GroupCoder(source, index, passed.run.settings.encoder, survey.used_ids)
            self._coder.announce()
        self._spans = [survey.whole] if whole and route == "splice" else survey.spans(closed=route == "gop")
        self._left = list(self._spans)
        self._number = 0
        self._untimed = Untimed(max(1, round(1 / (source.rate(index) * source.time_base(index)))))
        self._run: SplicedSpan | CodedSpan | None = None
        self.kept = Kept(route)
        self.splice = SpliceTotals()
        self.changes: list[dict[str, object]] = []
        self.repaired = self.sent = 0

    def push(self, payload: VideoPayload) -> list[av.Packet]:
        """The next payload."""
        number, packets = self._number, []
        self._number += 1
        if self._left and number >= self._left[0].end:
            packets += self._leave()
        if self._left and number == self._left[0].lead:
            self._enter(self._left[0])
        if self._run is not None:
            packets += self._run.push(payload)
        else:
            packets.append(self._copied(number, payload))
            comparison = self._passed.comparison(self._index)
            if comparison is not None:
                header = self._survey.header(number)
                comparison.copied(self._passed.run.source.codec(self._index), header, payload.data, payload.pts)
        return self._sent(packets)

    def finish(self) -> list[av.Packet]:
        """The stream ended."""
        packets = self._sent(self._leave()) if self._run is not None else []
        return packets + self._untimed.flush()

    def close(self) -> None:
        """Free what it holds."""
        if self._run is not None:
            self._run.close()

    def _enter(self, span: Span) -> None:
        comparison = self._passed.comparison(self._index)
        if comparison is not None:
            comparison.leave()
        header = self._survey.header(span.lead)
        if self._coder is None:
            self._run = SplicedSpan(self._passed, self._index, self._repairer, header)
        else:
            self._run = CodedSpan(self._passed, self._index, self._repairer, header, span, self._coder)

    def _leave(self) -> list[av.Packet]:
        run, span = self._run, self._left.pop(0)
        assert run is not None
        self._run = None
        with contextlib.closing(run):
            packets = run.finish()
            self.repaired += run.repaired
            if isinstance(run, SplicedSpan):
                self.splice.merge(run.totals)
                self.changes += run.changes
            else:
                self.kept.groups_encoded += self._survey.groups(span)
                self.kept.pictures_encoded += run.pictures
                self.kept.bytes_new += run.bytes
        return packets

    def _copied(self, number: int, payload: VideoPayload) -> av.Packet:
        survey, source = self._survey, self._passed.run.source
        self.kept.bytes_kept += survey.sizes[number]
        self.splice.count_copied(survey.nal_units[number], survey.sizes[number])
        coder = self._coder
        if coder is not None and not coder.leaves_sets and any(span.end == number for span in self._spans):
            known = survey.sets_at(number)
            own = {nal_type(coder.codec, nal) for nal in split_sample(payload.data, coder.length_size)[0]}
            if not own & set(PARAMETER_SETS[coder.codec]):
                return as_packet(source, payload, put_in_front(coder.codec, payload.data, known, coder.length_size))
        return as_packet(source, payload)

    def _sent(self, packets: list[av.Packet]) -> list[av.Packet]:
        self.sent += sum(not packet.is_discard for packet in packets)
        return [ready for packet in packets for ready in self._untimed.push(packet)]


def _packets(passed: Pass, sink: Sink, streams: Mapping[int, KeptStream], analysis: Pass) -> Iterator[None]:
    for event in passed.events("repairing", streams.keys()):
        packets = streams[event.stream].push(event) if isinstance(event, VideoPayload) else [event]
        for packet in packets:
            sink.copy(packet)
        yield
    for index, stream in streams.items():
        for packet in stream.finish():
            sink.copy(packet)
        track = analysis.known[index]
        sink.leave_out(index, track.left_out)
        missing = track.totals.pictures - stream.sent
        if missing > 0 and not passed.run.stopped():
            raise CannotKeepError(f"{missing} lost pictures cannot be put into stream #{index}")


def _result(run: Run, analysis: Pass, streams: Mapping[int, KeptStream], route: Route) -> ConcealResult:
    result = analysis.result("spliced" if route == "splice" else "repaired")
    splice, kept = SpliceTotals(), Kept(route)
    for index, stream in streams.items():
        splice.merge(stream.splice)
        kept.merge(stream.kept)
        result.streams[index].repaired = stream.repaired
    result.totals.repaired = sum(stream.repaired for stream in streams.values())
    seconds = time.monotonic() - run.began
    return replace(result, splice=splice if route == "splice" else None, kept=kept, seconds=seconds)
