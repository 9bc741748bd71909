"""Which files to check: those named, and those in folders, in an order that is always the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipelines.errors import one_line
from pipelines.reading import STDIN, is_live


@dataclass(frozen=True)
class Candidate:
    """A path that may be checked."""

    path: str
    named: bool
    """By the user; others are of folders, where what is no video is passed over."""
    fault: str | None = None
    """Why it cannot be checked, where that is known already."""


def find_candidates(names: Iterable[str]) -> Iterator[Candidate]:
    """All files below `names`, each once, whatever links lead to it; folders in order of their names."""
    seen: set[str] = set()
    entered: set[tuple[int, int]] = set()
    for name in names:
        for one in _below(name, entered):
            place = os.path.realpath(one.path)
            if place not in seen:
                seen.add(place)
                yield one


def _below(name: str, entered: set[tuple[int, int]]) -> Iterator[Candidate]:
    if name == STDIN or is_live(name):
        yield Candidate(name, True, "only files and folders can be checked")
        return
    waiting = [(name, True)]
    while waiting:
        path, named = waiting.pop()
        try:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                key = status.st_dev, status.st_ino
                if key not in entered:
                    entered.add(key)
                    inside = sorted(os.listdir(path), reverse=True)
                    waiting += [(os.path.join(path, entry), False) for entry in inside]
            elif stat.S_ISREG(status.st_mode):
                yield Candidate(path, named)
            elif named:
                yield Candidate(path, named, "is no regular file")
        except OSError as error:
            if named or not os.path.islink(path):  # in folders links that lead nowhere are nobody's video
                yield Candidate(path, named, one_line(error))
