"""Many files at once, each in one of several processes: one that crashes fails its own file and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from pipelines.checking.candidates import Candidate
from pipelines.checking.check import check_file
from pipelines.checking.verdict import FileCheck
from pipelines.errors import Interrupted
from pipelines.workers import Died, Workers

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
    workers = Workers(partial(check_file, fast=fast), jobs)
    try:
        yield from _in_order(workers, (one for some in (first, waiting) for one in some), fast, jobs, stopped)
    finally:
        workers.close()


def _in_order(
    workers: Workers, files: Iterator[Candidate], fast: bool, jobs: int, stopped: Callable[[], bool]
) -> Iterator[FileCheck]:
    begun = told = 0
    more = True
    names: dict[int, str] = {}
    done: dict[int, FileCheck] = {}
    while more or told < begun:
        while more and begun - told < jobs * _AHEAD and workers.has_room:
            file = next(files, None)
            more = file is not None
            if file is not None:
                names[begun] = file.path
                workers.begin(begun, file)
                begun += 1
        for number, found in workers.ready(_PATIENCE):
            path = names.pop(number)
            done[number] = _lost(path, found, fast) if isinstance(found, Died) else found
        while told in done:
            yield done.pop(told)
            told += 1
        if stopped():
            raise Interrupted("interrupted")


def _lost(path: str, died: Died, fast: bool) -> FileCheck:
    reason = f"failed: the process that checked it ended with {died.ending}"
    return FileCheck(path, "headers" if fast else "decoded", "failed", reason)
