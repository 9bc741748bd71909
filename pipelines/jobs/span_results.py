"""Repaired spans of a file, worked on here or by several child processes at once."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from pipelines.errors import OutputError, one_line
from pipelines.jobs.children import TICK, Channel, Child
from pipelines.jobs.span_work import SpanWorker, Task, Work
from pipelines.jobs.spans import Piece, SpanFacts
from pipelines.reporting import Comparison

_PURPOSE = "repaired damage"
_LEAST_SHARE = 150
"""Payloads for which a child process is worth its start."""


class Results(Protocol):
    """What comes of the tasks of a `Work`."""

    @property
    def tasks(self) -> Sequence[Task]:
        """In the order of the file."""

    def pieces(self, task: Task) -> Iterator[Piece]:
        """Packets in decode order. Raises what repairing raises; ends early once the run is stopped."""

    def facts(self, task: Task) -> SpanFacts:
        """To be asked for once all pieces were taken; of one that was ended early, nothing."""

    @property
    def share(self) -> float:
        """Of the work that is done, 0 to 1."""

    def close(self) -> None:
        """Free what they hold."""


def open_results(work: Work, cores: int, folder: str, waiting: Callable[[], bool]) -> Results:
    """folder: for temporary files. waiting: asked while a span is waited for; false: no longer."""
    payloads = sum(task.span.end - task.span.lead for task in work.tasks)
    count = min(cores, len(work.tasks), payloads // _LEAST_SHARE)
    return Together(work, count, folder, waiting) if count > 1 else Here(work, waiting)


class Here:
    """Each is worked on in this process, when its turn has come."""

    def __init__(
        self, work: Work, waiting: Callable[[], bool], comparisons: Mapping[int, Comparison] | None = None
    ) -> None:
        """waiting: false: no longer. comparisons: by stream, shown every picture of its spans."""
        self._work, self._waiting, self._comparisons = work, waiting, comparisons or {}
        self._workers: dict[int, SpanWorker] = {}
        self._done: dict[Task, SpanFacts] = {}

    @property
    def tasks(self) -> Sequence[Task]:
        return self._work.tasks

    def pieces(self, task: Task) -> Iterator[Piece]:
        if task.stream not in self._workers:
            comparison = self._comparisons.get(task.stream)
            self._workers[task.stream] = SpanWorker(self._work, task.stream, comparison)
        worker = self._workers[task.stream]
        with contextlib.closing(worker.pieces(task)) as pieces:
            for piece in pieces:
                if not self._waiting():
                    return
                yield piece
        self._done[task] = worker.facts

    def facts(self, task: Task) -> SpanFacts:
        return self._done.get(task, SpanFacts())

    @property
    def share(self) -> float:
        return len(self._done) / len(self._work.tasks)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


@dataclass(frozen=True)
class SpanJob:
    """A child process that repairs the spans whose places it is sent, until its parent closes the channel."""

    spans: Work
    descriptor: int
    """Of the file that it writes their pieces to."""
    told = ("pipelines.writing.encoder",)

    def work(self, channel: Channel) -> None:
        """Tells "span" for each: its place, where in the file it lies, its size, its facts."""
        workers: dict[int, SpanWorker] = {}
        with os.fdopen(self.descriptor, "wb") as file:
            while True:
                try:
                    place = channel.hear()
                except EOFError:
                    return
                assert isinstance(place, int)
                task = self.spans.tasks[place]
                if task.stream not in workers:
                    workers[task.stream] = SpanWorker(self.spans, task.stream)
                start = file.tell()
                try:
                    for piece in workers[task.stream].pieces(task):
                        pickle.dump(tuple(piece), file, pickle.HIGHEST_PROTOCOL)
                    file.flush()
                except OSError as error:
                    raise OutputError(f"a temporary file cannot be written: {one_line(error)}") from error
                channel.tell("span", place, start, file.tell() - start, workers[task.stream].facts)


class Together:
    """Several child processes work on them in the order of the file. What they make waits in unnamed files."""

    def __init__(self, work: Work, count: int, folder: str, waiting: Callable[[], bool]) -> None:
        self._work, self._waiting = work, waiting
        self._files: list[BinaryIO] = []
        self._children: list[Child] = []
        self._left = iter(range(len(work.tasks)))
        self._done: dict[Task, tuple[BinaryIO, int, int, SpanFacts]] = {}
        try:
            for _ in range(count):
                file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
                self._files.append(file)
                child = Child(SpanJob(work, file.fileno()), _PURPOSE, [file.fileno()])
                self._children.append(child)
                self._send_next(child)
        except OSError as error:
            self.close()
            raise OutputError(f"{folder}: temporary files cannot be written: {one_line(error)}") from error

    @property
    def tasks(self) -> Sequence[Task]:
        return self._work.tasks

    def pieces(self, task: Task) -> Iterator[Piece]:
        self._hear()
        while task not in self._done:
            if not self._waiting():
                return
            time.sleep(TICK)
            self._hear()
        file, start, size, _ = self._done[task]
        stretch = io.BufferedReader(_Stretch(file.fileno(), start, size))
        while stretch.peek(1):
            yield Piece(*pickle.load(stretch))

    def facts(self, task: Task) -> SpanFacts:
        return self._done[task][3] if task in self._done else SpanFacts()

    @property
    def share(self) -> float:
        self._hear()
        return len(self._done) / len(self._work.tasks)

    def close(self) -> None:
        for child in self._children:
            child.close()
        for file in self._files:
            file.close()

    def _hear(self) -> None:
        for child, file in zip(self._children, self._files, strict=True):
            for _, place, start, size, facts in child.messages():
                assert isinstance(place, int) and isinstance(start, int) and isinstance(size, int)
                assert isinstance(facts, SpanFacts)
                self._done[self._work.tasks[place]] = file, start, size, facts
                self._send_next(child)

    def _send_next(self, child: Child) -> None:
        place = next(self._left, None)
        if place is not None:
            child.send(place)


class _Stretch(io.RawIOBase):
    """A part of a file whose position is another process's."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor, self._place, self._end = descriptor, start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._place), self._place)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
