"""Table and target of large pictures from rows as the benchmark writes them."""

from __future__ import annotations

from benchmarks.large_tables import large_table, slowest
from benchmarks.store import Row
from benchmarks.targets import verdicts


def row(codec: str, hooked: float) -> Row:
    one: Row = {"measure": "large", "codec": codec, "structure": "P", "mbits": 20.0, "load_before": 1.0}
    for way, ms in (("plain", 10.0), ("frame", 12.5), ("hooked", hooked)):
        one |= {f"{way}_processor_ms": ms, f"{way}_clock_ms": 2 * ms}
    return one


def test_a_line_tells_pictures_a_second() -> None:
    table = large_table([row("h264", 20.0)])
    assert "| 20.0 | 100 | 80 | 50 | 50 | 40 | 25 | 1.0 |" in table
    assert large_table([]) == ""


def test_the_slowest_stream_is_judged() -> None:
    rows = [row("h264", 15.0), row("hevc", 40.0)]
    found = slowest(rows)
    assert found is not None and found["codec"] == "hevc"
    assert [verdict.met for verdict in verdicts({"large": rows})] == [False]
    assert [verdict.met for verdict in verdicts({"large": rows[:1]})] == [True]
    assert verdicts({"large": []}) == []
