"""Long files: several processes look for damage in one, and what treats it uses what they found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import conceal_file
from pipelines.archive.executors import Local, Lost
from pipelines.archive.manifest import Manifest
from pipelines.archive.places import Entry
from pipelines.archive.task import Found, Job, Outcome, Task
from pipelines.archive.work import Work
from pipelines.jobs import search_share
from pipelines.jobs.chunks import LEAST
from tests.media import clip, encode_file
from tests.pipelines.archive.runs import QUICK, run
from tests.pipelines.files import VideoPacket, rewrite_video

GOP = 50


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a file of two chunks, in/long.mp4, damaged in both; whole.mp4 is the same without damage."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "in").mkdir()
    frames = clip(50, 64, 48)
    whole = encode_file(folder / "whole.mp4", [frames[n % 50] for n in range(LEAST + 3 * GOP)], gop=GOP)

    def damage(packets: list[VideoPacket]) -> list[VideoPacket]:
        hit = {320, LEAST + GOP + 20}
        return [replace(p, data=p.data[: len(p.data) * 2 // 3]) if n in hit else p for n, p in enumerate(packets)]

    rewrite_video(whole, folder / "in" / "long.mp4", damage)
    return folder


def test_what_others_found_is_what_is_repaired(long: Path, tmp_path: Path) -> None:
    damaged = str(long / "in" / "long.mp4")
    shares = [search_share(damaged, QUICK, which, 2) for which in range(2)]
    assert shares[0] is not None and shares[1] is not None
    single = conceal_file(damaged, tmp_path / "single.mp4", QUICK)
    result = conceal_file(damaged, tmp_path / "out.mp4", QUICK, shares=[shares[1], shares[0]])
    assert result.damaged_pictures == single.damaged_pictures == 2
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "single.mp4").read_bytes()
    half = conceal_file(damaged, tmp_path / "half.mp4", QUICK, shares=[shares[1]])
    assert half.damaged_pictures == 2, "half a search is none"
    blind = [one for one in (search_share(str(long / "whole.mp4"), QUICK, which, 2) for which in range(2)) if one]
    assert conceal_file(damaged, tmp_path / "blind.mp4", QUICK, shares=blind).action == "copied"


class _Watched(Local):
    """Remembers what it was given; loses the first share of a search once, or always."""

    def __init__(self, losses: int) -> None:
        super().__init__(2)
        self.given: list[Task] = []
        self._losses = losses
        self._watched: set[int] = set()

    def begin(self, number: int, task: Task) -> None:
        self.given.append(task)
        if task.share == (0, 2):
            self._watched.add(number)
        super().begin(number, task)

    def ready(self, patience: float) -> list[tuple[int, Outcome | Found | Lost]]:
        found = super().ready(patience)
        for place, (number, _) in enumerate(found):
            if number in self._watched and self._losses:
                self._losses -= 1
                found[place] = number, Lost("the process ended")
        return found


def _work(folder: Path, out: Path, losses: int, known: list[str] | None = None) -> tuple[Outcome, list[Task]]:
    (out / ".conceal-archive" / "manifest").mkdir(parents=True, exist_ok=True)
    place = folder / "in"
    entry = Entry("long.mp4", (place / "long.mp4").stat().st_size)
    executor = _Watched(losses)
    try:
        job = Job(str(place), str(out), QUICK, "a-run")
        work = Work(job, iter([entry]), Manifest(known or []), executor, segment=entry.size - 1)
        (outcome,) = work.outcomes(lambda: False)
    finally:
        executor.close()
    return outcome, executor.given


def test_a_long_file_is_searched_by_several(long: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome, given = _work(long, out, losses=1)
    assert [task.share for task in given] == [(0, 2), (1, 2), (0, 2), None]
    assert len(given[-1].found) == 2 and all(one.share is not None for one in given[-1].found)
    assert (outcome.kind, outcome.tries) == ("done", 2)
    assert outcome.record is not None and outcome.record.repaired == 2
    conceal_file(long / "in" / "long.mp4", tmp_path / "single.mp4", QUICK)
    assert (out / "long.mp4").read_bytes() == (tmp_path / "single.mp4").read_bytes()
    assert [one.kind for one in run(long / "in", out).values()] == ["known"]
    lines = [line for part in (out / ".conceal-archive" / "manifest").iterdir() for line in part.open()]
    outcome, given = _work(long, out, losses=0, known=lines)
    assert (outcome.kind, len(given)) == ("known", 1), "looked up before it is searched"


def test_a_search_that_kills_its_workers_fails_the_file_once(long: Path, tmp_path: Path) -> None:
    outcome, given = _work(long, tmp_path / "out", losses=2)
    assert (outcome.kind, outcome.reason) == ("failed", "given up: the process ended, twice")
    assert all(task.share is not None for task in given)
    assert not (tmp_path / "out" / "long.mp4").exists()
