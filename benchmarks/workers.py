"""Jobs in several processes, with progress; one that fails does not stop the others."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from benchmarks.store import Row

_EVERY = 20
"""Jobs between two lines of progress where stderr is no terminal."""


def run_all(
    function: Callable[..., list[Row]],
    jobs: Sequence[tuple[Any, ...]],
    keep: Callable[[list[Row]], None],
    processes: int,
) -> int:
    """Call `function(*job)` for every job and `keep` with each result; returns the number of jobs that failed.

    The first element of a job names it (`title`). Workers run at a lower priority.
    """
    started, failed = time.monotonic(), 0
    # Forking after a decoder's threads have run is not safe.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_lower_priority) as pool:
        running = {pool.submit(function, *job): job[0].title for job in jobs}
        for done, future in enumerate(as_completed(running), 1):
            error = future.exception()
            if error is None:
                keep(future.result())
            else:
                failed += 1
                print(f"\n{running[future]}: {type(error).__name__}: {error}", file=sys.stderr)
            left = (time.monotonic() - started) / done * (len(jobs) - done)
            progress = f"{done}/{len(jobs)}  {left / 60:4.1f} min left  {running[future]}"
            if sys.stderr.isatty():
                print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)
            elif done % _EVERY == 0 or done == len(jobs):
                print(progress, file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return failed


def _lower_priority() -> None:
    os.nice(5)
