"""Table and targets of the hook benchmark from rows as the benchmark writes them."""

from __future__ import annotations

from benchmarks.hook_tables import hook_tables, worst
from benchmarks.store import Row
from benchmarks.targets import verdicts


def row(slices: int, height: int, ratio: float) -> Row:
    one: Row = {
        "measure": "hook", "clip": "cups-720p", "codec": "h264", "slices": slices, "width": 16 * height // 9,
        "height": height, "load_before": 1.0,
    }  # fmt: skip
    for name in ("processor", "clock"):
        one |= {f"plain_{name}_ms": 1.0, f"hooked_{name}_ms": ratio, f"ratio_{name}": ratio}
        one |= {f"ratio_{name}_low": ratio - 0.02, f"ratio_{name}_high": ratio + 0.02}
    return one


def test_a_line_for_each_stream() -> None:
    (table,) = hook_tables([row(1, 360, 1.3), row(8, 2160, 1.01)])
    assert "H.264, 1 slice |" in table and "H.264, 8 slices |" in table
    assert "1.300 (1.28 - 1.32)" in table and "| 300 |" in table
    assert hook_tables([]) == []


def test_the_targets_are_held_to_the_worst_of_the_sizes_they_name() -> None:
    rows = [row(1, 360, 1.4), row(1, 720, 1.04), row(1, 1080, 1.03), row(8, 720, 1.2), row(8, 1080, 1.0)]
    found = worst(rows, 1)
    assert found is not None and found["height"] == 720
    judged = {verdict.target: verdict for verdict in verdicts({"hook": rows})}
    assert [verdict.met for verdict in judged.values()] == [True, False]
    assert verdicts({"hook": []}) == []
