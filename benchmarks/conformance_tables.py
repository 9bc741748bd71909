"""The table of conformance, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, markdown

CONFORMANCE_HEAD = """\
*Suite*: MD5 of all pictures against that of [fluster](https://github.com/fluendo/fluster)'s suite, where one of its \
vectors has the file's name. *As FFmpeg*: the same pictures as libav without the hook. Streams that lack pieces, and \
those that FFmpeg does not decode as the suite wants, are among them; nothing is called damaged in a stream that \
decodes as its suite wants."""


def conformance_table(rows: Sequence[Row]) -> str:
    """Streams by suite: how many each decoder decodes as wanted, how many alike, damaged pictures in whole streams."""
    lines = []
    for suite, codec in sorted({(row["suite"], row["codec"]) for row in rows}):
        part = [row for row in rows if (row["suite"], row["codec"]) == (suite, codec)]
        known = [row for row in part if row["expected"]]
        lines.append(
            [
                suite or "none knows them",
                CODEC_NAMES[codec],
                str(len(part)),
                *(str(sum(_right(row, which) for row in known)) if known else "-" for which in ("libav", "concealer")),
                str(sum(map(_alike, part))),
                ", ".join(row["file"] for row in part if not _alike(row)) or "none",
                str(sum(row.get("concealer_damaged", 0) for row in known if _right(row, "libav"))) if known else "-",
            ]
        )
    head = ["suite", "", "streams", "FFmpeg right", "concealer right", "as FFmpeg", "others", "false damage"]
    return markdown(head, lines)


def _right(row: Row, which: str) -> bool:
    return bool(row.get(f"{which}_md5") == row["expected"])


def _alike(row: Row) -> bool:
    return row.get("libav_md5") is not None and row.get("libav_md5") == row.get("concealer_md5")


def conformance_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met): vectors of fluster's suites."""
    known = [row for row in rows if row["expected"]]
    if not known:
        return
    ours, theirs = ({row["file"] for row in known if _right(row, which)} for which in ("concealer", "libav"))
    false = sum(row.get("concealer_damaged", 0) for row in known if row["file"] in theirs)
    met = ours == theirs and not false
    measured = f"{len(ours)} and {len(theirs)} of {len(known)}, {false} pictures called damaged"
    yield "fluster: the vectors that FFmpeg decodes rightly, none called damaged", measured, met
