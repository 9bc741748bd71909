"""What is said of the measured cost of archives."""

from __future__ import annotations

from typing import Any

from benchmarks.archive_tables import archive_tables, archive_verdicts

HEAD = {"load_before": 0.5}


def rows(**changed: Any) -> list[dict[str, Any]]:
    """One run in which everything is met but for what is changed."""
    known = {"task_ms": 9.0, "grown_bytes": 5000, "file_s": 1.025, "right": 40, "most_tries": 2} | changed
    cost = {"measure": "cost", "clip": "a", "codec": "hevc", "width": 64, "height": 48} | HEAD
    overhead = {"measure": "overhead", "executor": "ray", "processor_ms": 1.0} | HEAD
    growth = {"measure": "growth", "processor_s": 1.0} | HEAD
    return [
        cost | {"damaged_per_hour": 0, "hour_s": 100.0},
        cost | {"damaged_per_hour": 600, "hour_s": 400.0},
        overhead | {"files": 200, "task_ms": 5.0, "grown_bytes": 5000},
        overhead | {"files": 2000, "task_ms": known["task_ms"], "grown_bytes": known["grown_bytes"]},
        growth | {"files": 40, "file_s": 1.1},  # with 4 s of beginning
        growth | {"files": 80, "file_s": 1.05},
        growth | {"files": 160, "file_s": known["file_s"]},
        {"measure": "cluster", "files": 40, "begun_again": 1, "wall_s": 30.0, **HEAD}
        | {name: known[name] for name in ("right", "most_tries")},
    ]


def test_a_damaged_group_costs_what_it_adds() -> None:
    cost = archive_tables(rows())[0].splitlines()
    assert "no damage | 600 an hour | a damaged group" in cost[0]
    assert [cell.strip() for cell in cost[2].split("|")][2:6] == ["64x48", "100", "400", "0.5"]
    assert len(archive_tables(rows())) == 4 and archive_tables([]) == []


def test_each_target_can_be_missed() -> None:
    assert [met for _, _, met in archive_verdicts(rows())] == [True] * 4
    missed = ({"task_ms": 21.0}, {"grown_bytes": 200_000}, {"file_s": 1.2}, {"right": 39}, {"most_tries": 3})
    found = [[met for _, _, met in archive_verdicts(rows(**one))].index(False) for one in missed]
    assert found == [0, 1, 2, 3, 3]
