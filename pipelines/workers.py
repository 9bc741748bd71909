"""Worker processes, each at one task at a time: one that crashes loses its own task and no other."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from pipelines.stopping import uninterrupted


@dataclass(frozen=True)
class Died:
    """In place of a result: the process ended over its task."""

    ending: str
    """In words."""


class Workers:
    """Up to `most` processes that run `function`, which must be one of a module, take one argument, never raise."""

    def __init__(self, function: Callable[[Any], Any], most: int) -> None:
        self._function, self._most = function, most
        self._workers: list[_Worker] = []

    @property
    def has_room(self) -> bool:
        """Whether a task that is begun now is worked on at once."""
        return len(self._workers) < self._most or any(one.number is None for one in self._workers)

    def begin(self, number: int, argument: object) -> None:
        """Give a task to a process that has none; there must be room."""
        self._drop_dead()
        idle = next((one for one in self._workers if one.number is None), None)
        if idle is None:
            idle = _Worker(self._function)
            self._workers.append(idle)
        idle.begin(number, argument)

    def ready(self, patience: float) -> list[tuple[int, Any]]:
        """(number, result or Died) of the tasks that ended. patience: seconds to wait for one."""
        busy = {one.pipe: one for one in self._workers if one.number is not None}
        return [self._taken(busy[pipe]) for pipe in wait(list(busy), patience) if isinstance(pipe, Connection)]

    def close(self) -> None:
        """Leave no process behind."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.close()
        self._workers.clear()

    def _drop_dead(self) -> None:
        """A process that ended while it had no task must not count as one that ended over the next."""
        for worker in [one for one in self._workers if one.number is None and not one.process.is_alive()]:
            worker.close()
            self._workers.remove(worker)

    def _taken(self, worker: _Worker) -> tuple[int, Any]:
        number = worker.number
        assert number is not None
        worker.number = None
        try:
            return number, worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            worker.close()
            self._workers.remove(worker)
            return number, Died(_ending(worker.process.exitcode))


class _Worker:
    def __init__(self, function: Callable[[Any], Any]) -> None:
        context = get_context("spawn")  # forking after a decoder's threads have run is not safe
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(theirs, function), daemon=True)
        resource_tracker.ensure_running()  # which would let it through again on its way
        with uninterrupted():
            self.process.start()
        theirs.close()
        self.number: int | None = None
        """Of the task it is at."""

    def begin(self, number: int, argument: object) -> None:
        self.number = number
        try:
            self.pipe.send(argument)
        except OSError:  # it died meanwhile: the end of its pipe tells
            return

    def close(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """What a process does: work on what it is sent until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    while True:
        try:
            argument = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(function(argument))
