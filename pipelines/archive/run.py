"""A run over an archive: plans task by task, keeps the executor busy, does again what was lost."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

from pipelines.archive.executors import Executor, Here, Local, Lost
from pipelines.archive.manifest import Manifest
from pipelines.archive.names import Shard, listed
from pipelines.archive.opening import open_place
from pipelines.archive.places import Entry, Place
from pipelines.archive.task import Job, Outcome, Task
from pipelines.errors import ConcealError, InputError, Interrupted, UsageError
from pipelines.jobs import Settings

_PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""
_MOST_DEATHS = 2
"""Workers that end over a task before it is given up: the file kills them."""
_MOST_MACHINES = 4
"""Machines that go away over a task before it is given up."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a run."""

    source: str
    """A folder, or an address that fsspec knows."""
    target: str
    settings: Settings = Settings()
    names: str | None = None
    """File with the names of the files, "-" for standard input; None: all files below the source."""
    shard: Shard = Shard()
    cluster: str | None = None
    """"ray", or the address of a Ray cluster; None: processes of this machine."""
    skip_intact: bool = False
    trust_times: bool = False


def run_archive(wanted: Wanted, stopped: Callable[[], bool] = lambda: False) -> Generator[Outcome, None, None]:
    """What became of each file, as they are finished. Raises ConcealError; Interrupted once `stopped` is true.

    However it ends, no process is left, and no output that is not whole.
    """
    wanted.settings.check()
    source, target = open_place(wanted.source), open_place(wanted.target)
    source.check(writing=False)
    without = _apart(wanted)
    target.check(writing=True)
    share = f"{wanted.shard.which}-of-{wanted.shard.of}"
    run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{share}-{secrets.token_hex(4)}"
    places = [one if "://" in one else os.path.abspath(one) for one in (wanted.source, wanted.target)]
    job = Job(places[0], places[1], wanted.settings, run, wanted.skip_intact, wanted.trust_times)
    with contextlib.ExitStack() as held:
        held.callback(target.clear, run)
        manifest = held.enter_context(contextlib.closing(Manifest(target.parts())))
        executor = held.enter_context(contextlib.closing(_executor(wanted, source, target, stopped)))
        entries = source.entries(without) if wanted.names is None else listed(wanted.names, source)
        yield from _Run(job, entries, manifest, wanted.shard, executor).outcomes(stopped)


def _apart(wanted: Wanted) -> str | None:
    """The target's name in the source, if it lies there. Raises UsageError where outputs could replace inputs."""
    if "://" in wanted.source or "://" in wanted.target:
        source, target = wanted.source.rstrip("/"), wanted.target.rstrip("/")
    else:
        source, target = os.path.realpath(wanted.source), os.path.realpath(wanted.target)
    if source == target:
        raise UsageError(f"{wanted.target}: input and output are the same")
    if source.startswith(target.rstrip("/") + "/"):
        raise UsageError(f"{wanted.source}: lies in the output, {wanted.target}")
    return target.removeprefix(source.rstrip("/") + "/") if target.startswith(source.rstrip("/") + "/") else None


def _executor(wanted: Wanted, source: Place, target: Place, stopped: Callable[[], bool]) -> Executor:
    alone = next((place.address for place in (source, target) if place.in_process), None)
    if wanted.cluster is None:
        return Local(wanted.settings.cores) if alone is None else Here(stopped)
    if alone is not None:
        raise UsageError(f"{alone}: no machine of a cluster sees it")
    from pipelines.archive.cluster import Cluster

    return Cluster(wanted.cluster, wanted.settings.jobs)


@dataclass
class _Try:
    """A task that is not finished."""

    task: Task
    deaths: int = 0
    machines: int = 0


class _Run:
    def __init__(
        self, job: Job, entries: Iterator[Entry], manifest: Manifest, shard: Shard, executor: Executor
    ) -> None:
        self._job, self._manifest, self._executor = job, manifest, executor
        self._entries = (one for one in entries if shard.has(one.name) and manifest.plan(one.name))
        self._numbers = 0
        self._again: deque[_Try] = deque()
        self._open: dict[int, _Try] = {}

    def outcomes(self, stopped: Callable[[], bool]) -> Iterator[Outcome]:
        more = True
        while more or self._open or self._again:
            while (more or self._again) and self._executor.has_room and not stopped():
                if self._again:
                    self._begin(self._again.popleft())
                    continue
                entry = next(self._entries, None)
                more = entry is not None
                if entry is not None and entry.fault is not None:
                    reason = f"cannot be read: {entry.fault}"
                    yield Outcome(entry.name, "failed", None, reason, InputError.exit_code)
                elif entry is not None:
                    self._begin(_Try(Task(self._job, entry.name, self._manifest.records(entry.name))))
            for number, found in self._executor.ready(_PATIENCE):
                outcome = self._finished(self._open.pop(number), found)
                if outcome is not None:
                    yield outcome
            if stopped():
                raise Interrupted("interrupted")

    def _begin(self, one: _Try) -> None:
        self._open[self._numbers] = one
        self._executor.begin(self._numbers, one.task)
        self._numbers += 1

    def _finished(self, one: _Try, found: Outcome | Lost) -> Outcome | None:
        """None if it is to be done again."""
        if isinstance(found, Outcome):
            return replace(found, tries=1 + one.deaths + one.machines)
        if found.by == "worker":
            one.deaths += 1
        else:
            one.machines += 1
        if one.deaths < _MOST_DEATHS and one.machines < _MOST_MACHINES:
            self._again.append(one)
            return None
        tries = one.deaths + one.machines
        reason = f"given up: {found.reason}, {'twice' if tries == 2 else f'after {tries} tries'}"
        return Outcome(one.task.name, "failed", None, reason, ConcealError.exit_code, tries=tries)
