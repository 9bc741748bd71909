"""Where files come from and go to: a folder, or by fsspec what an address with :// names."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from pipelines.archive.record import Content

OWN = ".conceal-archive"
"""Folder in the target that holds the manifest and what is not finished; passed over in sources."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file of the source."""

    name: str
    """Relative to the place, with "/"."""
    size: int = 0
    fault: str | None = None
    """Why it cannot be read, where that is known already."""


class Draft(Protocol):
    """A file that gets its name in the target when it is whole."""

    path: str
    """Of a local file, with the suffix of the name."""

    def stamp(self) -> str:
        """That it will have in the target; empty if nobody can know. Raises OSError."""

    def commit(self) -> None:
        """Raises OSError."""


class Place(Protocol):
    """One of the two. Its methods raise OSError, but where another is named."""

    address: str
    in_process: bool
    """Only this process sees what it holds."""

    def check(self, writing: bool) -> None:
        """Raise InputError or OutputError if it cannot be read or written to."""

    def entries(self, without: str | None = None) -> Iterator[Entry]:
        """All files below, in order of names, folder by folder; without those of one folder, by its relative name."""

    def entry(self, name: str) -> Entry: ...

    def stamp(self, name: str) -> Content | None:
        """Size and stamp of a file, without digest; None if there is none."""

    def digest(self, name: str) -> Content:
        """Of what it holds now."""

    def local(self, name: str) -> contextlib.AbstractContextManager[str]:
        """Path of a local file that holds the same."""

    def free(self) -> int | None:
        """Bytes that there is room for; None where that is not known."""

    def draft(self, name: str, run: str) -> contextlib.AbstractContextManager[Draft]:
        """Of a file in the target; nothing is left of it unless it is committed."""

    def note(self, part: str, line: str) -> None:
        """Put a line on the disk, at the end of a part of the manifest which nobody else writes."""

    def parts(self, run: str = "") -> Iterator[str]:
        """Lines of the manifest, of the parts of a run, or of all."""

    def clear(self, run: str) -> None:
        """Remove what a run left unfinished, and what runs that ended long ago did."""


def digest(file: BinaryIO) -> tuple[int, str]:
    """(size, SHA-256) of what is left of it. Raises OSError."""
    size, found = 0, hashlib.sha256()
    while block := file.read(_BLOCK):
        size += len(block)
        found.update(block)
    return size, found.hexdigest()
