"""Workers that are lost when their work is whole, before they told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.archive.executors import Here, Lost
from pipelines.archive.manifest import Manifest
from pipelines.archive.opening import open_place
from pipelines.archive.places import Entry
from pipelines.archive.task import Found, Job, Outcome, Task
from pipelines.archive.work import Work
from tests.conftest import require
from tests.pipelines.archive.runs import QUICK, kinds


class _Deaf(Here):
    """Hears nothing of the first end of each task: its worker was lost on the way."""

    def __init__(self) -> None:
        super().__init__(lambda: False)
        self.given: list[Task] = []

    def begin(self, number: int, task: Task) -> None:
        self.given.append(task)
        super().begin(number, task)

    def ready(self, patience: float) -> list[tuple[int, Outcome | Found | Lost]]:
        return [
            (number, found if self.given[-1].again else Lost("its process ended with signal 9"))
            for number, found in super().ready(patience)
        ]


@pytest.mark.parametrize("kind", ["folder", "file", "memory"])
def test_work_that_was_whole_counts(kind: str, archive: Path, tmp_path: Path) -> None:
    target = {"folder": f"{tmp_path}/out", "file": f"file://{tmp_path}/out", "memory": "memory://lost"}[kind]
    if kind != "folder":
        require("fsspec")
    place = open_place(target)
    place.check(writing=True)
    other = Job(str(archive), target, QUICK, "20200101T000000-0-of-1-another")
    names = ("a.mp4", "b/c.mp4", "b/cut.mp4", "b/notes.txt")
    job = Job(str(archive), target, QUICK, "20200101T000000-0-of-1-one")
    work = Work(job, iter([Entry(name) for name in names]), Manifest([]), _Deaf())
    outcomes = {one.name: one for one in work.outcomes(lambda: False)}
    states = {"a.mp4": "done copied", "b/c.mp4": "done repaired", "b/cut.mp4": "failed", "b/notes.txt": "done copied"}
    assert kinds(outcomes) == states
    assert {one.tries for one in outcomes.values()} == {2}
    lines = list(place.parts())
    assert len(lines) == 3, "none was done twice"
    assert list(place.parts(job.run)) == lines
    assert list(place.parts(other.run)) == []
    known = Work(other, iter([Entry(name) for name in names]), Manifest(lines), _Deaf())
    earlier = {name: state.replace("done", "known") for name, state in states.items()}
    assert kinds({one.name: one for one in known.outcomes(lambda: False)}) == earlier


def test_what_is_not_whole_is_done_again(archive: Path, tmp_path: Path) -> None:
    """Lost between the note and the name, and where somebody wrote there meanwhile."""
    out = tmp_path / "out"
    place = open_place(str(out))
    place.check(writing=True)

    class Meddled(_Deaf):
        def begin(self, number: int, task: Task) -> None:
            if task.again and task.name == "a.mp4":
                (out / "a.mp4").unlink()
            elif task.again:
                (out / task.name).write_text("somebody's")
            super().begin(number, task)

    job = Job(str(archive), str(out), QUICK, "a-run")
    work = Work(job, iter([Entry("a.mp4"), Entry("b/notes.txt")]), Manifest([]), Meddled())
    outcomes = {one.name: one for one in work.outcomes(lambda: False)}
    assert kinds(outcomes) == {"a.mp4": "done copied", "b/notes.txt": "failed"}
    assert (out / "a.mp4").read_bytes() == (archive / "a.mp4").read_bytes()
    assert "-y replaces it" in outcomes["b/notes.txt"].reason
    assert (out / "b" / "notes.txt").read_text() == "somebody's"
