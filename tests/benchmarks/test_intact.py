"""The benchmarks of detection: nothing found where nothing is wrong, and what is wrong found."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clean_encodes import Recipe, make, recipes
from benchmarks.clips import synthetic
from benchmarks.detection_tables import blocks_table, intact_table
from benchmarks.intact import alarm
from benchmarks.real_blocks import Job, run_job
from benchmarks.side_by_side import Alarms, compare
from benchmarks.streams import Encoding
from pipelines.damage_cli import main as damage

PICTURES = 20


@pytest.mark.parametrize("encoder", sorted({recipe.encoder for recipe in recipes()}))
def test_an_encode_of_every_encoder_at_hand_raises_no_alarm(encoder: str, tmp_path: Path) -> None:
    recipe = next(one for one in recipes() if one.encoder == encoder)
    found = compare(make(recipe, tmp_path, None, PICTURES))
    assert found.pictures == PICTURES and found.blocks
    assert found == Alarms(found.pictures, found.blocks)


def test_damage_raises_it(tmp_path: Path) -> None:
    whole = make(Recipe("libx264", "preset=ultrafast:crf=20:keyint=10", 0), tmp_path, None, PICTURES)
    out = tmp_path / "damaged.mp4"
    assert not damage(["-q", str(whole), str(out), "--model", "rtp", "--mtu", "300", "--rate", "0.1", "--seed", "1"])
    found = compare(out)
    assert found.alarmed and found.alarmed_blocks and found.changed and found.told


def test_blocks_of_the_real_profile_are_found(tmp_path: Path) -> None:
    encoding = Encoding("h264", "P", 8, gop=1, slices=1)  # intra pictures are of many packets each
    (row,) = run_job(Job(synthetic(), encoding, "rtp", 0.1, "known", 1), "", tmp_path)
    assert row["judged"] and row["visible"] and row["visible_found"] > 0.9 * row["visible"]
    assert row["on_whole"] == 0


def test_tables_sum_over_streams() -> None:
    row = {"source": "x", "made_up": 0, "missing": 1, "pictures": 10, "blocks": 990, "alarmed": 0}
    row |= {"alarmed_blocks": 0, "changed": 0, "told": 2}
    assert alarm(row) and not alarm(row | {"missing": 0, "told": 0})
    assert intact_table([row, row]).splitlines()[-1] == "| **all** | 2 | 20 | 1,980 | 0 | 0 | 2 | 0 | 4 |"
    blocks = {"way": "rtp", "rate": 0.03, "place": "known", "codec": "h264", "structure": "P", "judged": 2}
    blocks |= {"visible": 10, "visible_found": 8, "visible_any": 9, "wrong_found": 15, "marked": 20, "on_whole": 0}
    assert blocks_table([blocks]).splitlines()[-1].endswith("| 2 | 0.800 | 0.900 | 0.750 | 0.400 | 0 |")
