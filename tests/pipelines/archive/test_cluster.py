"""`conceal archive --cluster` on Ray's own cluster of several nodes in one machine."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines import conceal_file
from pipelines.archive import Wanted, run_archive
from pipelines.archive.places import Entry
from pipelines.archive.task import Job
from pipelines.archive.work import Work
from pipelines.cli import main
from pipelines.errors import ConcealError, UsageError
from tests.conftest import require
from tests.pipelines.archive.runs import QUICK, Poisoned, children_of, files, is_clean, kinds, run

LOOPBACK = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of a network card."""
SMALL = 80_000_000
"""Bytes of memory for what tasks share."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One node of one processor; it sends nothing to Ray's makers."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        require("ray")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "node_ip_address": LOOPBACK, "include_dashboard": False, "object_store_memory": SMALL}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        yield cluster
        cluster.shutdown()


def test_a_file_that_kills_its_workers_fails_alone(cluster: Any, archive: Path, tmp_path: Path) -> None:
    from pipelines.archive.cluster import Cluster

    out = tmp_path / "out"
    job = Job(str(archive), str(out), QUICK, "a-run")
    executor = Cluster(cluster.address, 0)
    entries = iter([Entry("a.mp4"), Entry("b/d/e.mp4"), Entry("b/notes.txt")])
    (out / ".conceal-archive" / "manifest").mkdir(parents=True)
    try:
        work = Work(job, entries, Poisoned([]), executor)
        outcomes = {one.name: one for one in work.outcomes(lambda: False)}
    finally:
        executor.close()
    assert kinds(outcomes) == {"a.mp4": "done copied", "b/d/e.mp4": "failed", "b/notes.txt": "done copied"}
    assert outcomes["b/d/e.mp4"].reason == "given up: the process that worked on it crashed, twice"


def signal_all(processes: list[int], number: int) -> None:
    """To those that are still there."""
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, number)


def test_a_node_that_is_killed_loses_nothing(cluster: Any, media: Path, tmp_path: Path) -> None:
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    sources = ("h264.mp4", "damaged-hevc.mp4", "h264.ts", "hevc.mp4")
    names = [
        f"{number:02}{Path(name).suffix}" for number, name in zip(range(40), itertools.cycle(sources), strict=False)
    ]
    for name, source in zip(names, itertools.cycle(sources), strict=False):
        shutil.copyfile(media / source, place / name)
    node = cluster.add_node(num_cpus=1, node_ip_address=LOOPBACK, object_store_memory=SMALL)
    outcomes = {}
    for one in run_archive(Wanted(str(place), str(out), replace(QUICK, jobs=0), cluster=cluster.address)):
        assert one.name not in outcomes
        outcomes[one.name] = one
        if len(outcomes) == 10:  # whatever its worker is given from here on is lost
            workers = children_of(node.all_processes["raylet"][0].process.pid)
            signal_all(workers, signal.SIGSTOP)
        elif len(outcomes) == 20:
            cluster.remove_node(node, allow_graceful=False)
            signal_all(workers, signal.SIGKILL)
    assert set(kinds(outcomes).values()) == {"done copied", "done repaired"}
    assert max(one.tries for one in outcomes.values()) == 2
    found = files(out)
    assert list(found) == names
    for first, source in enumerate(sources):
        single = tmp_path / f"{first}{Path(source).suffix}"
        result = conceal_file(media / source, single, QUICK)
        expected = (media / source if result.action == "copied" else single).read_bytes()
        assert {found[name] for name in names[first::4]} == {expected}
    assert is_clean(out)
    assert {one.kind for one in run(place, out).values()} == {"known"}, "one machine trusts what the cluster did"


def test_what_cannot_work_is_said_in_one_line(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require("ray")
    with pytest.raises(ConcealError, match="cannot be reached"):
        run(archive, tmp_path / "out", cluster="127.0.0.1:9")
    with pytest.raises(UsageError, match="sees it"):
        run("memory://in", "memory://out", cluster="127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["archive", str(archive), str(tmp_path / "out"), "--cluster", "ray"]) == 2
    told = capsys.readouterr().err
    assert "pip install 'concealer[cluster]'" in told and len(told.splitlines()) == 1
