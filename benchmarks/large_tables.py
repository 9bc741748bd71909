"""Large undamaged pictures as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import combination_title, markdown, number, select

FPS = 30

LARGE_HEAD = f"""\
Undamaged 2160p (x264 fast, x265 ultrafast), one slice a picture: PyAV in one thread, PyAV in two frame threads, and \
`ConcealingDecoder`, ready to repair, in its one thread. *A core*: pictures/s that one core has processor time for; \
{FPS} is real time. *Clock*: pictures/s as the clock saw them beside what else ran (*load*)."""


def large_table(rows: Sequence[Row]) -> str:
    """One line a stream."""
    lines = [
        [
            combination_title(row["codec"], row["structure"]),
            number(row["mbits"], 1),
            *(f"{1e3 / row[f'{way}_processor_ms']:.0f}" for way in ("plain", "frame", "hooked")),
            *(f"{1e3 / row[f'{way}_clock_ms']:.0f}" for way in ("plain", "frame", "hooked")),
            number(row["load_before"], 1),
        ]
        for row in select(rows, measure="large")
    ]
    heads = ["stream", "Mbit/s"]
    heads += [f"{what}: {way}" for what in ("a core", "clock") for way in ("PyAV", "frame threads", "hooked")]
    return markdown([*heads, "load"], lines) if lines else ""


def slowest(rows: Sequence[Row]) -> Row | None:
    """The stream whose hooked decoder takes most time."""
    return max(select(rows, measure="large"), key=lambda row: float(row["hooked_clock_ms"]), default=None)
