"""Worker processes that end: over a task, and while they have none."""

from __future__ import annotations

import os
import signal
import time

from pipelines.workers import Died, Workers


def told(workers: Workers, tasks: int = 1) -> list[object]:
    """Results of so many tasks."""
    found: list[object] = []
    while len(found) < tasks:
        found += [result for _, result in workers.ready(1.0)]
    return found


def test_a_process_that_ends_over_its_task_is_told() -> None:
    workers = Workers(os._exit, 1)
    try:
        workers.begin(0, 9)
        assert told(workers) == [Died("exit code 9")]
    finally:
        workers.close()


def test_a_process_that_ended_without_a_task_costs_none() -> None:
    workers = Workers(os.getenv, 2)
    try:
        workers.begin(0, "NOTHING")
        workers.begin(1, "NOTHING")
        assert told(workers, 2) == [None, None]
        idle = [one.process for one in workers._workers]
        for one in idle:
            assert one.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            while one.is_alive():
                time.sleep(0.01)
        workers.begin(2, "NOTHING")
        assert told(workers) == [None]
    finally:
        workers.close()
    assert not any(one.is_alive() for one in idle)
