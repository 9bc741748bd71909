"""What became of the files in words: one line a file, one line of all, progress between."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import TextIO

from pipelines.archive.record import Record
from pipelines.archive.task import Outcome
from pipelines.checking.verdict import percent
from pipelines.summary import counted

_EVERY, _EVERY_JSON = 0.2, 1.0


def line(one: Outcome) -> str:
    """One file."""
    name = one.name.translate({code: f"\\x{code:02x}" for code in (*range(32), 127)})
    if one.record is None:
        return f"failed    {name}: {one.reason}"
    text = f"{one.record.status:9} {name}: {_done(one.record)}"
    return f"{text}, known from an earlier run" if one.kind == "known" else f"{text}, {one.seconds:.1f} s"


def as_dict(one: Outcome) -> dict[str, object]:
    """One file in JSON's types."""
    record = {} if one.record is None else one.record.as_dict()
    return {
        "event": "file",
        "name": one.name,
        "kind": one.kind,
        "reason": one.reason or None,
        "tries": one.tries,
        **record,
        "seconds": round(one.seconds, 3),
        "processor_seconds": round(one.processor_seconds, 3),
    }


def _done(record: Record) -> str:
    if not record.video:
        return "no H.264 or HEVC video"
    pictures = counted(record.pictures, "picture")
    if record.status in ("copied", "left out"):
        return f"no damage in {pictures}"
    if record.status == "rewritten":
        return f"no damage in {pictures}, written anew"
    text = f"{record.repaired} of {pictures} repaired"
    if record.damaged > record.repaired:
        text += f", {counted(record.damaged - record.repaired, 'damaged one')} left to the decoder's concealment"
    ways = {"splice": "spliced", "gop": "groups with damage encoded", "encode": "encoded"}
    return f"{text}, {ways[record.route or 'encode']}"


class Sum:
    """All files of a run."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._by_status: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self.processor_seconds = 0.0
        self.files = self.failed = self.known = 0

    def add(self, one: Outcome) -> None:
        self.files += 1
        self.processor_seconds += one.processor_seconds
        self.known += one.kind == "known"
        if one.record is None:
            self.failed += 1
            return
        self._by_status[one.record.status] += 1
        for name in ("pictures", "damaged", "repaired", "bytes_kept"):
            self._counts[name] += getattr(one.record, name)
        self._counts["bytes"] += one.record.input.size

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def line(self) -> str:
        """In one line."""
        states = [f"{count} {name}" for name, count in sorted(self._by_status.items())] + [f"{self.failed} failed"]
        known = [f"{self.known} of them known from earlier runs"] if self.known else []
        counts = self._counts
        return "; ".join(
            [
                ", ".join([f"{counted(self.files, 'file')}: {', '.join(states)}", *known]),
                f"{counts['repaired']} of {counted(counts['damaged'], 'damaged picture')} repaired, "
                f"{counts['pictures']} in all",
                f"{percent(counts['bytes_kept'], counts['bytes'])} of {counts['bytes'] / 1e6:.1f} MB kept as they were",
                f"{self.seconds:.1f} s, {self.processor_seconds:.1f} s of processor time",
            ]
        )

    def as_dict(self) -> dict[str, object]:
        """In JSON's types."""
        counts = ("pictures", "damaged", "repaired", "bytes", "bytes_kept")
        return {
            "event": "summary",
            "files": self.files,
            "failed": self.failed,
            "known": self.known,
            "by_status": dict(self._by_status),
            **{name: self._counts[name] for name in counts},
            "seconds": round(self.seconds, 3),
            "processor_seconds": round(self.processor_seconds, 3),
        }


class Progress:
    """How many files are done, on a terminal as one line that is written over, else as JSON lines."""

    def __init__(self, total: Sum, as_json: bool, file: TextIO = sys.stderr) -> None:
        self._total, self._json, self._file = total, as_json, file
        self._last = 0.0
        self._shown = False

    def tell(self) -> None:
        """At most a few times a second."""
        now, total = time.monotonic(), self._total
        if now - self._last < (_EVERY_JSON if self._json else _EVERY):
            return
        self._last = now
        if self._json:
            known = {"event": "progress", "files": total.files, "failed": total.failed}
            text = json.dumps(known | {"seconds": round(total.seconds, 1)}) + "\n"
        else:
            text = f"\r\x1b[K{counted(total.files, 'file')}, {total.failed} failed, {total.seconds:.0f} s"
            self._shown = True
        self._file.write(text)
        self._file.flush()

    def clear(self) -> None:
        """Take the line away, so that another can be written."""
        if self._shown:
            self._file.write("\r\x1b[K")
            self._file.flush()
            self._shown = False
