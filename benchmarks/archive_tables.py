"""The cost of `conceal archive` as Markdown tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, markdown, number, select

ARCHIVE_HEAD = """\
*Cost*: seconds of one processor for an hour of video at 25 pictures/s, one slice a picture with B-pictures, IDR \
pictures every 2.4 s, without damage and with so many damaged groups of pictures an hour; *a damaged group*: what each \
adds, by the most damaged file. *Overhead*: files of a few bytes, which are read, copied and noted, milliseconds of a \
process each, and by processor time; *grown*: bytes that the planning process held more at the last file than at a \
tenth of them. *Growth*: equal damaged files, seconds of a process each, and by processor time. *Lost node*: one of \
two Ray nodes stands still after a quarter of the files and is killed after half; *right*: outputs that are those of \
`conceal`. *Load*: how many processes wanted to run before."""

_MOST_MS, _MOST_GROWTH, _MOST_TRIES, _MOST_BYTES = 20.0, 0.10, 2, 50
"""Of a task, of the seconds a file takes, of a file, held for a file more."""


def archive_tables(rows: Sequence[Row]) -> list[str]:
    """One for each part that was measured."""
    tables = [_cost(select(rows, measure="cost"))]
    overhead = [
        [
            row["executor"], str(row["files"]), number(row["task_ms"], 1), number(row["processor_ms"], 1),
            str(row["grown_bytes"]), _load(row),
        ]
        for row in select(rows, measure="overhead")
    ]  # fmt: skip
    growth = [
        [str(row["files"]), number(row["file_s"], 3), number(row["processor_s"], 3), _load(row)]
        for row in select(rows, measure="growth")
    ]
    cluster = [
        [
            str(row["files"]), str(row["right"]), str(row["begun_again"]), str(row["most_tries"]),
            number(row["wall_s"], 1), _load(row),
        ]
        for row in select(rows, measure="cluster")
    ]  # fmt: skip
    tables.append(
        markdown(["overhead", "files", "ms a file", "processor", "grown", "load"], overhead) if overhead else ""
    )
    tables.append(markdown(["growth: files", "s a file", "processor", "load"], growth) if growth else "")
    head = ["lost node: files", "right", "begun again", "begun at most", "s", "load"]
    tables.append(markdown(head, cluster) if cluster else "")
    return [table for table in tables if table]


def _cost(rows: Sequence[Row]) -> str:
    rates = sorted({row["damaged_per_hour"] for row in rows})
    lines = []
    for clip, codec in dict.fromkeys((row["clip"], row["codec"]) for row in rows):
        own = {row["damaged_per_hour"]: row for row in select(rows, clip=clip, codec=codec)}
        first = next(iter(own.values()))
        cells = [f"{own[rate]['hour_s']:.0f}" if rate in own else "" for rate in rates]
        lines.append(
            [CODEC_NAMES[codec], f"{first['width']}x{first['height']}", *cells, number(_group(own), 1), _load(first)]
        )
    heads = [f"{rate} an hour" if rate else "no damage" for rate in rates]
    return markdown(["cost", "size", *heads, "a damaged group", "load"], lines) if lines else ""


def _group(own: dict[int, Row]) -> float | None:
    most = max(own)
    return (own[most]["hour_s"] - own[0]["hour_s"]) / most if most and 0 in own else None


def _load(row: Row) -> str:
    return number(row["load_before"], 1)


def archive_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met)."""
    overhead = select(rows, measure="overhead")
    worst = max(overhead, key=lambda row: row["task_ms"], default=None)
    if worst is not None:
        told = f"{worst['task_ms']:.1f} ms at worst ({worst['executor']}, {worst['files']} files)"
        yield f"archive: less than {_MOST_MS:g} ms a task", told, worst["task_ms"] < _MOST_MS
    most = max(overhead, key=lambda row: row["files"], default=None)
    if most is not None:
        grown = most["grown_bytes"] / most["files"]
        target = f"archive: planning {most['files']} tasks holds less than {_MOST_BYTES} bytes a file more"
        yield target, f"{grown:.0f}", grown < _MOST_BYTES
    times = sorted((row["files"], row["files"] * row["file_s"]) for row in select(rows, measure="growth"))
    if len(times) > 2:
        # Of one more file: what beginning takes is in every run once, and makes few files dearer than many.
        further = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(times)]
        spread = max(further) / min(further) - 1
        target = f"archive: every further file takes as long, up to {times[-1][0]}, within {_MOST_GROWTH:.0%}"
        yield target, f"{spread:.1%} ({', '.join(f'{one:.3f} s' for one in further)})", spread <= _MOST_GROWTH
    for row in select(rows, measure="cluster"):
        target = f"archive: of {row['files']} files all are right where a node is killed, none begun more than twice"
        met = row["right"] == row["files"] and row["most_tries"] <= _MOST_TRIES
        yield target, f"{row['right']}, {row['most_tries']} times at most", met
