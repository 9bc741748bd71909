"""Which files an archive run is about: those of a folder or of a list, all of them or the share of one machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.archive.places import OWN, Entry, Place
from pipelines.errors import InputError, UsageError, one_line


@dataclass(frozen=True)
class Shard:
    """One of several shares of the names, which hang on the names alone."""

    which: int = 0
    of: int = 1

    def has(self, name: str) -> bool:
        """Whether a name is in this share."""
        if self.of == 1:
            return True
        found = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(found[:8], "big") % self.of == self.which


def parse_shard(text: str) -> Shard:
    """Of "i/N", i from 0. Raises UsageError."""
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal()) or not int(which) < int(of):
        raise UsageError(f"--shard must be i/N with i from 0 to N-1, got {text!r}")
    return Shard(int(which), int(of))


def listed(path: str, place: Place) -> Iterator[Entry]:
    """Files that a list names, one a line, relative to the place; "-" is standard input. Raises InputError."""
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            for line in file:
                name = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
                if name:
                    yield _inside(name, place)
    except OSError as error:
        raise InputError(f"{path}: cannot read the list: {one_line(error)}") from error


def _inside(name: str, place: Place) -> Entry:
    steps = [step for step in name.split("/") if step not in ("", ".")]
    if name.startswith("/") or ".." in steps or OWN in steps or not steps:
        return Entry(name, fault=f"is not below {place.address}; lists hold names relative to it")
    return place.entry("/".join(steps))
