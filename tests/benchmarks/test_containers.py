"""The container matrix: one row made for real, its tables from rows as the benchmark writes them."""

from __future__ import annotations

from benchmarks.container_tables import container_tables, container_verdicts
from benchmarks.containers import Case, run_case
from benchmarks.store import Row


def row(target: str, verdict: str, code: int = 0) -> Row:
    return {"codec": "h264", "source": "MP4", "way": "copy", "target": target, "verdict": verdict, "exit": code}


def test_a_row_is_made_by_the_command_and_held_against_ffmpeg() -> None:
    made = run_case(Case("h264", "TS", "splice"), ["MKV", "MXF"], "x")
    assert [one["verdict"] for one in made] == ["whole", "without sound"]
    assert all(one["pictures"] == 50 for one in made) and made[0]["stock_pictures"] == 50


def test_refusals_are_good_and_what_is_wrong_is_bold() -> None:
    rows = [row("MKV", "whole"), row("AVI", "refused", 4), row("MXF", "without sound"), row("TS", "wrong")]
    text = "\n".join(container_tables(rows))
    assert "| MP4 | yes | 4 | mute | **no** |" in text
    assert list(container_verdicts(rows))[0][1:] == ("3 of 4", False)
    assert list(container_verdicts(rows[:3]))[0][1:] == ("3 of 3", True)


def test_decode_times_become_times_of_presentation_at_their_distance_from_the_sound() -> None:
    for source in ("AVI", "ASF"):
        made = run_case(Case("h264", source, "repair"), ["MKV"], "x")
        assert [one["verdict"] for one in made] == ["whole"], made
