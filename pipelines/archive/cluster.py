"""A Ray cluster as executor: one of this machine, or one at an address. Ray is the extra `cluster`, imported here."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pipelines.archive.executors import Lost
from pipelines.archive.task import Found, Outcome, Task
from pipelines.archive.treat import perform
from pipelines.errors import ConcealError, UsageError, one_line

OWN = "ray"
"""In place of an address: a cluster of this machine alone, which ends with the run."""
_LOOPBACK = "127.0.0.1"
_REACHED_WITHIN = 10.0
"""Seconds in which the head of a cluster answers."""
_AHEAD = 2
"""Tasks given to the cluster for each of its processors, so that none waits for the next one."""
_COUNTED_EVERY = 5.0
"""Seconds between two looks at how many processors there are."""
_ENDED_WITHIN = 5.0


class Cluster:
    """An `Executor`."""

    def __init__(self, address: str, jobs: int) -> None:
        """jobs: tasks at once; 0: as many as the cluster has processors. Raises UsageError, ConcealError."""
        self._ray = _imported()
        self._jobs = jobs
        self._connect(address, jobs)
        self._work = self._ray.remote(max_retries=0, num_cpus=1)(_work)
        self._open: dict[Any, int] = {}
        self._processors, self._counted = 1, -_COUNTED_EVERY

    def _connect(self, address: str, jobs: int) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        if address == OWN:
            processors = jobs or len(os.sched_getaffinity(0))
            options |= {"address": "local", "num_cpus": processors, "include_dashboard": False}
            options["_node_ip_address"] = _LOOPBACK
        else:
            _reach(address)
            options["address"] = address
        try:
            with _same_signals():
                self._ray.init(**options)
        except Exception as error:
            raise ConcealError(f"--cluster {address}: cannot be used: {one_line(error)}") from error

    @property
    def width(self) -> int:
        if time.monotonic() - self._counted > _COUNTED_EVERY:
            self._counted = time.monotonic()
            self._processors = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        return min(self._jobs, self._processors) if self._jobs else self._processors

    @property
    def has_room(self) -> bool:
        return len(self._open) < _AHEAD * self.width

    def begin(self, number: int, task: Task) -> None:
        self._open[self._work.remote(task)] = number

    def ready(self, patience: float) -> list[tuple[int, Outcome | Found | Lost]]:
        if not self._open:
            return []
        known, _ = self._ray.wait(list(self._open), num_returns=1, timeout=patience)
        return [(self._open.pop(one), self._taken(one)) for one in known]

    def _taken(self, reference: Any) -> Outcome | Found | Lost:
        errors = self._ray.exceptions
        try:
            found = self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            memory = isinstance(error, errors.OutOfMemoryError)
            return Lost("the process that worked on it " + ("took all memory of its machine" if memory else "crashed"))
        except (errors.NodeDiedError, errors.ObjectLostError):
            return Lost("the machine that worked on it went away", "machine")
        except errors.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise ConcealError(
                f"the cluster cannot work on this: {one_line(cause)}; is concealer on all of it?"
            ) from error
        assert isinstance(found, Outcome | Found)
        return found

    def close(self) -> None:
        """End what is being worked on, and the cluster if it is ours."""
        with contextlib.suppress(Exception):  # whatever Ray says at its end, ours is an end too
            for one in self._open:
                self._ray.cancel(one, force=True)
            if self._open:
                self._ray.wait(list(self._open), num_returns=len(self._open), timeout=_ENDED_WITHIN)
        self._open.clear()
        self._ray.shutdown()


def _imported() -> ModuleType:
    # Before Ray is imported: nothing is sent to its makers, and a head that does not answer is given up in time.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError(f"--cluster needs Ray: pip install 'concealer[cluster]' ({one_line(error)})") from error
    return ray


def _reach(address: str) -> None:
    """Raise ConcealError if nobody answers at HOST:PORT; other addresses are Ray's to look up."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in address:
        return
    try:
        socket.create_connection((host, int(port)), _REACHED_WITHIN).close()
    except OSError as error:
        raise ConcealError(f"--cluster {address}: cannot be reached: {one_line(error)}") from error


@contextlib.contextmanager
def _same_signals() -> Iterator[None]:
    """Ray would answer SIGTERM itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(task: Task) -> Outcome | Found:
    """What a process of the cluster does."""
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    return perform(task)
