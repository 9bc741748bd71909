"""The speed of `conceal check` as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, markdown, number, select

CHECK_HEAD = """\
`conceal check` on undamaged 720p streams with B-pictures, start of the command included. *Headers*: `--fast` on one \
file, in times real time at 25 pictures/s. *Decoded*: three files a core at once, against FFmpeg's decoder with one \
thread (through PyAV) on one of them times the cores: 1 is as fast. *Processor*: the same by processor time, which \
what else runs on the machine disturbs less; *load*: how many processes wanted to run before."""

_LEAST_HEADERS, _LEAST_DECODED = 200.0, 0.9


def check_tables(rows: Sequence[Row]) -> list[str]:
    """One line a stream, by either way."""
    headers, decoded = select(rows, measure="headers"), select(rows, measure="decoded")
    first = [
        [
            _stream(row),
            f"{number(row['bitrate'], 1)} Mbit/s",
            f"{row['times_real_time']:.0f}",
            f"{row['times_by_processor']:.0f}",
            number(row["load_before"], 1),
        ]
        for row in headers
    ]
    second = [
        [
            _stream(row),
            f"{row['files']} on {row['jobs']}",
            number(row["speed_of_plain"]),
            number(row["speed_by_processor"]),
            number(row["load_before"], 1),
        ]
        for row in decoded
    ]
    tables = []
    if first:
        tables.append(markdown(["headers", "bit rate", "times real time", "processor", "load"], first))
    if second:
        tables.append(markdown(["decoded", "files on cores", "speed of FFmpeg", "processor", "load"], second))
    return tables


def _stream(row: Row) -> str:
    slices = f"{row['slices']} slice{'s' if row['slices'] > 1 else ''}"
    return f"{CODEC_NAMES[row['codec']]}, {slices}, {row['container'][1:]}"


def check_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met)."""
    headers = [row for row in select(rows, measure="headers") if row["container"] == ".ts"]
    worst = min(headers, key=lambda row: row["times_real_time"], default=None)
    if worst is not None:
        speed = worst["times_real_time"]
        target = f"check --fast on 720p TS: at least {_LEAST_HEADERS:g} times real time"
        yield target, f"{speed:.0f} at worst ({_stream(worst)})", speed >= _LEAST_HEADERS
    worst = min(select(rows, measure="decoded"), key=lambda row: row["speed_of_plain"], default=None)
    if worst is not None:
        speed = worst["speed_of_plain"]
        target = f"check: at least {_LEAST_DECODED:g} times FFmpeg's decoder with one thread, times the cores"
        yield target, f"{speed:.2f} at worst ({_stream(worst)})", speed >= _LEAST_DECODED
