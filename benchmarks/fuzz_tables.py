"""The table of the damaged files, and the four zeros."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import markdown

FUZZ_HEAD = """\
Small files (both codecs, P and B, fields, one slice and four; MP4 plain and fragmented, transport stream, Matroska, \
byte stream), damaged by every model of `conceal-damage`, in the file, or both, each in a child process with limits of \
memory and time. *Refused*: ended with an error in one line and left no output. *Lost*: fewer pictures than FFmpeg \
shows of the damaged file, of those that were sent. *Changed*: samples outside what is called damaged that repair \
touched. Files in which something was wrong were run again once it was mended."""
_ENDS = ("repaired", "spliced", "encoded", "copied", "refused")


SENT = 14
"""Pictures of every base file; FFmpeg may show more of a damaged one, one of them in two halves."""


def lost(row: Row) -> int:
    """Pictures fewer than FFmpeg shows; of a refused file all that it shows."""
    shown = min(SENT, row.get("stock", 0))
    return int(shown if row["end"] == "refused" else max(0, shown - row.get("pictures", 0)))


def fuzz_table(rows: Sequence[Row]) -> str:
    """A line for each kind of base file."""
    lines = []
    kinds = sorted({row["base"] for row in rows})
    for kind in (*kinds, ""):
        part = [row for row in rows if kind in ("", row["base"])]
        ends = [sum(row["end"] == end for row in part) for end in _ENDS]
        zeros = [
            sum(row["end"] in ("crashed", "raised") for row in part),
            sum(row["end"] == "hung" for row in part),
            sum(bool(lost(row)) for row in part),
            sum(bool(row.get("changed")) for row in part),
        ]
        lines.append([kind or "all", str(len(part)), *map(str, ends), *map(str, zeros)])
    return markdown(["base file", "files", *_ENDS, "crashed", "hung", "lost", "changed"], lines)


def fuzz_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met)."""
    if not rows:
        return
    found = {
        "crashes": sum(row["end"] in ("crashed", "raised") for row in rows),
        "hangs": sum(row["end"] == "hung" for row in rows),
        "with fewer pictures than FFmpeg shows": sum(bool(lost(row)) for row in rows),
        "with a sample changed outside the damage": sum(bool(row.get("changed")) for row in rows),
    }
    for name, count in found.items():
        yield f"fuzz, {len(rows)} damaged files: {name}: none", str(count), not count
