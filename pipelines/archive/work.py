"""The work of a run as tasks: planned one by one, so that an executor is busy; what was lost is done again.

A file is one task. A long one is looked for damage in by several first, which begin at other entries of the stream;
the task that treats it gets what they found.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pipelines.archive.executors import Executor, Lost
from pipelines.archive.manifest import Manifest
from pipelines.archive.places import Entry
from pipelines.archive.task import Found, Job, Outcome, Task
from pipelines.errors import ConcealError, InputError, Interrupted
from pipelines.reading import ELEMENTARY

SEGMENT = 256 << 20
"""Bytes of a file for each process that looks for damage in it: each reads the whole file, which costs little beside
decoding its share where that is some minutes of video."""
_MOST_SHARES = 16
"""Of one file: so many times it is read."""
_PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""
_MOST_DEATHS = 2
"""Workers that end over a task before it is given up: the file kills them."""
_MOST_MACHINES = 4
"""Machines that go away over a task before it is given up."""


@dataclass
class _File:
    """One that is being worked on."""

    task: Task
    """The one that treats it."""
    shares: int
    """Tasks that its search for damage is made of; 1: the search is part of treating it."""
    found: list[Found] = field(default_factory=list)
    tries: int = 1
    given_up: bool = False


@dataclass
class _Try:
    """A task that is not finished."""

    file: _File
    task: Task
    deaths: int = 0
    machines: int = 0


class Work:
    """On the entries of one run."""

    def __init__(
        self, job: Job, entries: Iterator[Entry], manifest: Manifest, executor: Executor, segment: int = SEGMENT
    ) -> None:
        """segment: bytes of a file for each process that looks for damage in it."""
        self._job, self._manifest, self._executor, self._segment = job, manifest, executor, segment
        self._entries = (one for one in entries if manifest.plan(one.name))
        self._numbers = 0
        self._next: deque[_Try] = deque()
        """Tasks of files that were begun."""
        self._open: dict[int, _Try] = {}

    def outcomes(self, stopped: Callable[[], bool]) -> Iterator[Outcome]:
        """What became of each file, as they are finished. Raises Interrupted, and what the executor raises."""
        more = True
        while more or self._open or self._next:
            while (more or self._next) and self._executor.has_room and not stopped():
                if self._next:
                    self._begin(self._next.popleft())
                    continue
                entry = next(self._entries, None)
                more = entry is not None
                if entry is not None and entry.fault is not None:
                    reason = f"cannot be read: {entry.fault}"
                    yield Outcome(entry.name, "failed", None, reason, InputError.exit_code)
                elif entry is not None:
                    self._plan(entry)
            for number, found in self._executor.ready(_PATIENCE):
                outcome = self._finished(self._open.pop(number), found)
                if outcome is not None:
                    yield outcome
            if stopped():
                raise Interrupted("interrupted")

    def _plan(self, entry: Entry) -> None:
        task = Task(self._job, entry.name, self._manifest.records(entry.name))
        file = _File(task, self._shares(entry))
        if file.shares == 1:
            self._next.append(_Try(file, task))
        elif task.known:
            self._next.append(_Try(file, replace(task, only_look_up=True)))
        else:
            self._search(file)

    def _shares(self, entry: Entry) -> int:
        settings = self._job.settings
        if not settings.keeps or os.path.splitext(entry.name)[1].lower() in ELEMENTARY:
            return 1  # the search ends at the first damage
        return max(1, min(-(-entry.size // self._segment), self._executor.width, _MOST_SHARES))

    def _search(self, file: _File) -> None:
        for which in range(file.shares):
            self._next.append(_Try(file, replace(file.task, known=(), share=(which, file.shares))))

    def _begin(self, one: _Try) -> None:
        if one.file.given_up:
            return
        self._open[self._numbers] = one
        self._executor.begin(self._numbers, one.task)
        self._numbers += 1

    def _finished(self, one: _Try, found: Outcome | Found | Lost) -> Outcome | None:
        """What became of the file, None if that is still open, or told."""
        file = one.file
        file.tries = max(file.tries, 1 + one.deaths + one.machines)
        if file.given_up:
            return None
        if isinstance(found, Lost):
            return self._lost(one, found)
        if isinstance(found, Found):
            file.found.append(found)
            if len(file.found) == file.shares:
                self._next.append(_Try(file, replace(file.task, found=tuple(file.found))))
            return None
        if found.kind == "to do":
            self._search(file)
            return None
        return replace(found, tries=file.tries)

    def _lost(self, one: _Try, lost: Lost) -> Outcome | None:
        if lost.by == "worker":
            one.deaths += 1
        else:
            one.machines += 1
        if one.deaths < _MOST_DEATHS and one.machines < _MOST_MACHINES:
            one.task = replace(one.task, again=True)
            self._next.append(one)
            return None
        one.file.given_up = True
        tries = one.deaths + one.machines
        reason = f"given up: {lost.reason}, {'twice' if tries == 2 else f'after {tries} tries'}"
        return Outcome(one.task.name, "failed", None, reason, ConcealError.exit_code, tries=tries)
