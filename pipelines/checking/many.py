"""Many files at once, each in one of several processes: one that crashes fails its own file and no other."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from pipelines.checking.candidates import Candidate
from pipelines.checking.check import check_file
from pipelines.checking.verdict import FileCheck
from pipelines.errors import Interrupted
from pipelines.stopping import uninterrupted

_AHEAD = 64
"""Results, for each process, that may wait for that of an earlier file, before no more files are begun."""
_PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""


def check_files(
    candidates: Iterable[Candidate], *, fast: bool = False, jobs: int = 1, stopped: Callable[[], bool] = lambda: False
) -> Iterator[FileCheck]:
    """What is found of each file, in the order of `candidates`; as of `check_file`, of at most `jobs` at once.

    Raises Interrupted once `stopped` is true; no process is left then.
    """
    waiting = iter(candidates)
    first = [one for _, one in zip(range(2), waiting, strict=False)]
    if jobs <= 1 or len(first) < 2:
        for one in (*first, *waiting):
            yield check_file(one, fast=fast, stopped=stopped)
            if stopped():
                raise Interrupted("interrupted")
        return
    pool = _Pool(fast, jobs)
    try:
        yield from pool.run((one for some in (first, waiting) for one in some), stopped)
    finally:
        pool.close()


class _Worker:
    """A process and the file it is at."""

    def __init__(self, fast: bool) -> None:
        context = get_context("spawn")  # forking after a decoder's threads have run is not safe
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(theirs, fast), daemon=True)
        resource_tracker.ensure_running()  # which would let it through again on its way
        with uninterrupted():
            self.process.start()
        theirs.close()
        self.number: int | None = None
        self.file: Candidate | None = None

    def begin(self, number: int, file: Candidate) -> None:
        self.number, self.file = number, file
        try:
            self.pipe.send(file)
        except OSError:  # it died meanwhile: the end of its pipe tells
            return

    def result(self) -> FileCheck | None:
        """None if the process died over it."""
        try:
            found = self.pipe.recv()
        except (EOFError, OSError):
            return None
        assert isinstance(found, FileCheck)
        return found

    def close(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


class _Pool:
    def __init__(self, fast: bool, jobs: int) -> None:
        self._fast, self._jobs = fast, jobs
        self._workers: list[_Worker] = []

    def run(self, files: Iterator[Candidate], stopped: Callable[[], bool]) -> Iterator[FileCheck]:
        begun = told = 0
        more = True
        done: dict[int, FileCheck] = {}
        while more or told < begun:
            while more and begun - told < self._jobs * _AHEAD and (worker := self._idle()) is not None:
                file = next(files, None)
                more = file is not None
                if file is not None:
                    worker.begin(begun, file)
                    begun += 1
            for worker in self._ready():
                assert worker.number is not None
                done[worker.number] = self._taken(worker)
            while told in done:
                yield done.pop(told)
                told += 1
            if stopped():
                raise Interrupted("interrupted")

    def _idle(self) -> _Worker | None:
        """A worker that has nothing to do; None if there is none and enough are busy."""
        idle = next((one for one in self._workers if one.file is None), None)
        if idle is None and len(self._workers) < self._jobs:
            idle = _Worker(self._fast)
            self._workers.append(idle)
        return idle

    def _ready(self) -> list[_Worker]:
        busy = {one.pipe: one for one in self._workers if one.file is not None}
        return [busy[pipe] for pipe in wait(list(busy), _PATIENCE) if isinstance(pipe, Connection)]

    def _taken(self, worker: _Worker) -> FileCheck:
        """The result of a worker, which is idle then, or gone if its process is."""
        assert worker.file is not None
        found = worker.result()
        if found is None:
            worker.process.join()
            reason = f"failed: the process that checked it ended with {_ending(worker.process.exitcode)}"
            method = "headers" if self._fast else "decoded"
            found = FileCheck(worker.file.path, method, "failed", reason)  # type: ignore[arg-type]
            worker.close()
            self._workers.remove(worker)
        worker.file = None
        return found

    def close(self) -> None:
        """Leave no process behind."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.close()
        self._workers.clear()


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _work(pipe: Connection, fast: bool) -> None:
    """What a process does: check what it is sent until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    while True:
        try:
            file = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(check_file(file, fast=fast))
