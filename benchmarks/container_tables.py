"""Tables of the container matrix from rows as the benchmark writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, distinct, markdown, select

CONTAINERS_HEAD = """\
Two seconds with B-pictures and sound, by `conceal` from every container (rows) to every other (columns), undamaged \
(copy), with half of three pictures lost (repair, splice). Held against FFmpeg's own remux of the undamaged input, \
read by FFmpeg: decoded pictures, packets, times within 2 ms, sound, its distance from pictures within 20 ms. *yes*: \
all of them equal; *mute*: all but the sound, which the container cannot hold and of which `conceal` says so; *4*: \
refused with exit code 4 and one line, *2* likewise as bad usage; **no**: none of these. Empty: FFmpeg itself writes \
no such input."""

_CELLS = {"whole": "yes", "without sound": "mute", "wrong": "**no**", "no input": ""}


def container_tables(rows: Sequence[Row]) -> list[str]:
    """A table for each codec and way."""
    tables = []
    for codec in distinct(rows, "codec"):
        for way in distinct(rows, "way"):
            part = select(rows, codec=codec, way=way)
            if not part:
                continue
            targets = distinct(part, "target")
            lines = [
                [source, *(_cell(select(part, source=source, target=target)) for target in targets)]
                for source in distinct(part, "source")
            ]
            counts = Counter(row["verdict"] for row in part)
            told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
            tables += [f"### {CODEC_NAMES[codec]}, {way}", markdown(["from", *targets], lines), f"{told}."]
    return tables


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    row = rows[0]
    return str(row["exit"]) if row["verdict"] == "refused" else _CELLS[row["verdict"]]


def container_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met)."""
    tried = [row for row in rows if row["verdict"] != "no input"]
    if tried:
        good = sum(row["verdict"] != "wrong" for row in tried)
        target = "containers: as FFmpeg's own remux, or refused in one line: all"
        yield target, f"{good} of {len(tried)}", good == len(tried)
