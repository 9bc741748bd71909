"""Runs over archives, and what came of them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines import Settings
from pipelines.archive import Outcome, Wanted, run_archive
from pipelines.archive.manifest import Manifest
from pipelines.archive.places import OWN
from pipelines.archive.record import Record

QUICK = Settings(jobs=1, method="motion")
"""Without networks to open."""
TWO = replace(QUICK, jobs=2)
REPLACE = replace(QUICK, overwrite=True)

FIRST = {
    "a.mp4": "done copied",
    "b/c.mp4": "done repaired",
    "b/cut.mp4": "failed",
    "b/d/e.mp4": "done copied",
    "b/notes.txt": "done copied",
}
"""What a first run makes of the archive of conftest."""
SECOND = {name: state.replace("done", "known") for name, state in FIRST.items()}


def run(source: Path | str, target: Path | str, **more: Any) -> dict[str, Outcome]:
    """Outcomes by name; each file must have one only."""
    settings = more.pop("settings", QUICK)
    outcomes = list(run_archive(Wanted(str(source), str(target), settings, **more)))
    assert len({one.name for one in outcomes}) == len(outcomes)
    return {one.name: one for one in outcomes}


def files(folder: Path) -> dict[str, bytes]:
    """By relative name, without the manifest."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and OWN not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def kinds(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """How each ended."""
    return {
        name: one.kind if one.record is None else f"{one.kind} {one.record.status}" for name, one in outcomes.items()
    }


def is_clean(target: Path) -> bool:
    """Whether nothing unfinished is left."""
    return [path.name for path in (target / OWN).iterdir()] == ["manifest"]


def children_of(parent: int) -> list[int]:
    """Processes that a process started, where there is /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class Poisoned(Manifest):
    """Knows something of one file that ends the process which is sent it."""

    def records(self, name: str) -> tuple[Record, ...]:
        return (_Deadly(),) if name == "b/d/e.mp4" else ()  # type: ignore[return-value]


class _Deadly:
    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)
