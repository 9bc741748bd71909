"""Repairing single stretches of streams, one after the other: each reads on in the file where the last one ended."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import av

from pipelines.jobs.coded_span import CodedSpan, GroupCoder
from pipelines.jobs.repairers import make_repairers
from pipelines.jobs.run import Run
from pipelines.jobs.settings import Settings
from pipelines.jobs.spans import Piece, Route, SpanFacts, SpanRun
from pipelines.jobs.spliced_span import SplicedSpan
from pipelines.jobs.survey import Span
from pipelines.reading import Source, VideoPayload, Wanted
from pipelines.reporting import Comparison


@dataclass(frozen=True)
class Task:
    """A span to be repaired."""

    stream: int
    span: Span
    header: bytes | None
    """What its decoder is opened with."""
    follower: int | None
    """Number of the payload with which the decoding of the stream's next span begins."""


@dataclass(frozen=True)
class Work:
    """All spans of a file, and how they are repaired."""

    wanted: Wanted
    settings: Settings
    route: Route
    used_ids: Mapping[int, set[int]]
    """Identifiers of parameter sets by stream."""
    tasks: tuple[Task, ...]


class SpanWorker:
    """Repairs spans of one stream, in the order of the file."""

    def __init__(self, work: Work, stream: int, comparison: Comparison | None = None) -> None:
        """comparison: is shown every picture. Raises CannotKeepError."""
        self._source = Source("", again=work.wanted)
        self._work, self._stream, self._comparison = work, stream, comparison
        self._reader = _Reader(self._source, stream)
        self._run = Run(self._source, None, "", work.settings, None, lambda: False, time.monotonic())
        self._coder: GroupCoder | None = None
        if work.route == "gop":
            self._coder = GroupCoder(self._source, stream, work.settings.encoder, work.used_ids[stream])
            self._coder.announce()
        self.facts = SpanFacts()
        """Of the latest span, once all of its pieces were taken."""

    def pieces(self, task: Task) -> Generator[Piece]:
        """The packets of a span, in decode order. Raises CannotKeepError, UnsupportedStandInError."""
        pieces = _Pieces(task.span)
        with contextlib.closing(self._open(task)) as run:
            for payload in self._reader.payloads(task):
                pieces.arrived(payload)
                yield from pieces.of(run.push(payload))
            yield from pieces.of(run.finish())
            self.facts = run.facts

    def close(self) -> None:
        """Free what it holds."""
        self._source.close()

    def _open(self, task: Task) -> SpanRun:
        # Of its own, as a repairer remembers what it saw: spans are repaired in any order.
        repairer = make_repairers(self._run, {self._stream})[self._stream]
        if self._coder is None:
            return SplicedSpan(self._run, self._stream, repairer, task.header, task.span, self._comparison)
        return CodedSpan(self._run, self._stream, repairer, task.header, task.span, self._coder, self._comparison)


class _Reader:
    """Payloads of one stream of a file, onwards; from the beginning again where that does not do."""

    def __init__(self, source: Source, stream: int) -> None:
        self._source, self._stream = source, stream
        self._kept: deque[tuple[int, VideoPayload]] = deque()
        """Read already, and to be read once more."""
        self._read = 0
        self._events = self._payloads()

    def payloads(self, task: Task) -> Iterator[VideoPayload]:
        """Those of a span, from its lead on."""
        span, again = task.span, task.span.end if task.follower is None else task.follower
        if span.lead < (self._kept[0][0] if self._kept else self._read):
            self._source.rewind()
            self._kept.clear()
            self._read, self._events = 0, self._payloads()
        before, self._kept = self._kept, deque()
        for number, payload in chain(before, self._events):
            if again <= number < span.end:
                self._kept.append((number, payload))
            if number >= span.lead:
                yield payload
            if number + 1 >= span.end:
                return

    def _payloads(self) -> Iterator[tuple[int, VideoPayload]]:
        for event in self._source.events({self._stream}):
            if isinstance(event, VideoPayload):
                number = self._read
                self._read += 1
                yield number, event


class _Pieces:
    """What became of the payloads of a span."""

    def __init__(self, span: Span) -> None:
        self._lead, self._next = span.lead, span.lead
        self._waiting: dict[int, av.Packet] = {}
        self._sent = span.first - 1

    def arrived(self, payload: VideoPayload) -> None:
        """It goes into the decoder."""
        if payload.packet is not None:
            self._waiting[self._next] = payload.packet
        self._next += 1

    def of(self, packets: list[av.Packet]) -> Iterator[Piece]:
        """Packets that left."""
        for packet in packets:
            number = packet.opaque[0] + self._lead if isinstance(packet.opaque, list) else None
            came = None if number is None else self._waiting.pop(number, None)
            if number is not None and number <= self._sent:  # whoever puts them together is past it
                number = came = None
            elif number is not None:
                self._sent = number
            for past in [one for one in self._waiting if one <= self._sent]:
                del self._waiting[past]
            data = None if packet is came else bytes(packet)
            yield Piece(number, data, packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe)
