"""Tables of what is found on the real profile and of alarms on undamaged streams."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import distinct, markdown, select

INTACT_HEAD = """\
Undamaged streams through the product's decoder as `conceal` opens it, with look-ahead 2, and beside it through plain \
libav; then `conceal --dry-run`. *Alarmed*: pictures with any block marked or doubted. *Missing*: pictures made up, or \
more or fewer than libav's. *Changed*: pictures that differ from libav's in any sample. *Told*: damage, missing pictures \
and wrong times that the command tells of. The encodes are of many structures, sizes, containers and formats, 25 \
pictures a second."""


def intact_table(rows: Sequence[Row]) -> str:
    """Sources of streams x alarms; all but the first three columns must be 0."""
    lines = []
    for source in distinct(rows, "source"):
        lines.append(_sums(source, select(rows, source=source)))
    lines.append(_sums("**all**", rows))
    return markdown(
        ["from", "streams", "pictures", "blocks", "alarmed", "blocks alarmed", "missing", "changed", "told"], lines
    )


def _sums(title: str, rows: Sequence[Row]) -> list[str]:
    sums = {name: sum(row[name] for row in rows) for name in ("pictures", "blocks", "alarmed", "alarmed_blocks")}
    missing = sum(row["made_up"] + row["missing"] for row in rows)
    rest = [sum(row[name] for row in rows) for name in ("changed", "told")]
    return [title, str(len(rows)), *(f"{n:,}" for n in (*sums.values(), missing, *rest))]
