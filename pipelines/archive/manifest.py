"""What earlier runs finished, by name: the manifest's lines, sorted into a file that is looked up, so that memory does
not grow with the archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from pipelines.archive.record import Record, read_record


class Manifest:
    """Looked up by name; also remembers which names were planned."""

    def __init__(self, lines: Iterable[str]) -> None:
        """lines: of all parts. What is not whole is passed over: it was never finished."""
        self._table = sqlite3.connect("")  # a temporary file, gone when it is closed
        self._table.execute("PRAGMA cache_size = -2000")
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("CREATE TABLE records (name BLOB, line TEXT)")
        self._table.execute("CREATE TABLE planned (name BLOB PRIMARY KEY) WITHOUT ROWID")
        rows = ((_key(record.name), line) for line in lines if (record := read_record(line)) is not None)
        self._table.executemany("INSERT INTO records VALUES (?, ?)", rows)
        self._table.execute("CREATE INDEX by_name ON records (name)")

    def records(self, name: str) -> tuple[Record, ...]:
        """Of a name, oldest first within each part of the manifest."""
        rows = self._table.execute("SELECT line FROM records WHERE name = ? ORDER BY rowid", (_key(name),))
        return tuple(record for (line,) in rows if (record := read_record(line)) is not None)

    def plan(self, name: str) -> bool:
        """Remember a name; False if it was planned before."""
        return self._table.execute("INSERT OR IGNORE INTO planned VALUES (?)", (_key(name),)).rowcount == 1

    def close(self) -> None:
        self._table.close()


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
