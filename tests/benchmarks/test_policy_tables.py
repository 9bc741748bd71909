"""Tables of joins and of confidence from the rows that the benchmarks wrote, or from made-up ones."""

from __future__ import annotations

from typing import Any

from benchmarks.policy_tables import BINS, confidence_table, joins_table, policy_tables


def _join(kind: str, **more: Any) -> dict[str, Any]:
    row = {"kind": kind, "useful": 3, "useful_stock": 5, "first_clean": 4, "flagged_psnr": 27.0, "grey": 0.01}
    row |= {"flagged_psnr_stock": 14.0, "invented": 0, "grey_stock": 0.9, "false_clean": 0, "worst_clean": 60.0}
    return row | more


def test_joins_that_never_showed_a_flagged_picture_have_no_figure_for_them() -> None:
    table = joins_table([_join("a"), _join("b", flagged_psnr=None, flagged_psnr_stock=None, useful=7)])
    lines = table.splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert "27.0 / 14.0" in lines[2]
    assert "| 1 |" in lines[3]


def test_confidence_is_held_against_what_came_of_it() -> None:
    bins = [[0, 0.0, 0] for _ in BINS[1:]]
    bins[5] = [10, 9.0, 9]
    row = {"way": "slices", "codec": "h264", "bins": bins, "touched": 10, "untouched": 90, "changed": 0}
    row["expected_error"] = 2.5
    table = confidence_table([row, row])
    assert "0.90: 0.90 (20)" in table
    assert "20 pictures that damage touches; 180 were called untouched, 0 of which were not" in table
    assert [name for name, *_ in policy_tables({"confidence": [row], "joins": [_join("a")]})] == ["confidence", "joins"]
