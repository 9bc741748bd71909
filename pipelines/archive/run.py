"""A run over an archive: plans task by task, keeps the executor busy, does again what was lost."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from pipelines.archive.executors import Executor, Here, Local
from pipelines.archive.manifest import Manifest
from pipelines.archive.names import Shard, listed
from pipelines.archive.opening import open_place
from pipelines.archive.places import Place
from pipelines.archive.task import Job, Outcome
from pipelines.archive.work import SEGMENT, Work
from pipelines.errors import UsageError
from pipelines.jobs import Settings


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
    segment: int = SEGMENT
    """Bytes of a file for each process that looks for damage in it."""


def run_archive(wanted: Wanted, stopped: Callable[[], bool] = lambda: False) -> Generator[Outcome, None, None]:
    """What became of each file, as they are finished. Raises ConcealError; Interrupted once `stopped` is true.

    However it ends, no process is left, and no output that is not whole.
    """
    wanted.settings.check()
    source, target = open_place(wanted.source), open_place(wanted.target)
    without = _apart(wanted)
    alone = next((place.address for place in (source, target) if place.in_process), None)
    if alone is not None and wanted.cluster is not None:
        raise UsageError(f"{alone}: no machine of a cluster sees it")
    source.check(writing=False)
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
        mine = (one for one in entries if wanted.shard.has(one.name))
        yield from Work(job, mine, manifest, executor, wanted.segment).outcomes(stopped)


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
    if wanted.cluster is None:
        return Here(stopped) if source.in_process or target.in_process else Local(wanted.settings.cores)
    from pipelines.archive.cluster import Cluster

    return Cluster(wanted.cluster, wanted.settings.jobs)
