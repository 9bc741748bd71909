"""The cost of the hook on undamaged streams as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, markdown, number, select

HOOK_HEAD = """\
Undamaged streams that are quick to decode (x264 veryfast, x265 ultrafast, IPPP), one thread: `ConcealingDecoder`, \
ready to repair, against PyAV, taken in turns. *Processor*: processor time, which what else runs on the machine \
disturbs less than the time by the *clock*; ratios are medians over pairs of runs, with the least and the greatest. \
*Load*: how many processes wanted to run before."""

MOST = {1: 1.05, 8: 1.08}
"""Wanted, by slices a picture, at 720p and 1080p."""
_JUDGED = (720, 1080)


def hook_tables(rows: Sequence[Row]) -> list[str]:
    """One line a stream."""
    lines = [
        [
            f"{CODEC_NAMES[row['codec']]}, {row['slices']} slice{'s' if row['slices'] > 1 else ''}",
            f"{row['width']}x{row['height']}",
            number(row["plain_processor_ms"]),
            number(row["hooked_processor_ms"]),
            f"{1e3 * (row['hooked_processor_ms'] - row['plain_processor_ms']):.0f}",
            _ratio(row, "processor"),
            _ratio(row, "clock"),
            number(row["load_before"], 1),
        ]
        for row in select(rows, measure="hook")
    ]
    heads = ["stream", "size", "PyAV, ms", "hooked, ms", "more, us", "ratio, processor", "ratio, clock"]
    return [markdown([*heads, "load"], lines)] if lines else []


def worst(rows: Sequence[Row], slices: int) -> Row | None:
    """The row at 720p or 1080p with the greatest ratio."""
    judged = [row for row in select(rows, measure="hook", slices=slices) if row["height"] in _JUDGED]
    return max(judged, key=lambda row: float(row["ratio_processor"]), default=None)


def _ratio(row: Row, name: str) -> str:
    low, high = row[f"ratio_{name}_low"], row[f"ratio_{name}_high"]
    return f"{number(row[f'ratio_{name}'], 3)} ({number(low)} - {number(high)})"
