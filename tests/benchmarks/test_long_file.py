"""The long recording in small, and what its tables say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import long_media
from benchmarks.clips import load, synthetic
from benchmarks.long_file import conceal, kept, out_of_step, plays
from benchmarks.long_media import ENCODING, GOP, TURN, write_long
from benchmarks.long_players import in_ffmpeg
from benchmarks.long_tables import long_tables, long_verdicts
from benchmarks.store import Row
from benchmarks.streams import FPS, AccessUnit, encode


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = load(synthetic(176, 144), TURN)
    for plane, value in zip(pictures[0], (235, 128, 128), strict=True):
        plane[:] = value
    units, _ = encode(pictures, replace(ENCODING, preset="veryfast"))

    def of(_: object) -> list[AccessUnit]:
        return units

    monkeypatch.setattr(long_media, "_units", of)


def test_a_recording_in_small(small: None, tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    recording = write_long(source, 3, 2)
    assert recording.pictures == 3 * TURN and len(recording.damaged_pictures) == 6
    assert {number // GOP for number in recording.damaged_pictures} == set(recording.damaged_groups)
    row = conceal(source, target, "auto", 1)
    assert row["bytes"] == target.stat().st_size
    found = kept(source, target, recording)
    assert found == {"whole_groups": 10, "same_groups": 10, "pictures": 3 * TURN, "others_same": True}
    assert abs(out_of_step(target)) < 20
    stretches = [(group * GOP / FPS, (group + 1) * GOP / FPS - 0.1) for group in recording.damaged_groups]
    before, after = in_ffmpeg(source, stretches), in_ffmpeg(target, stretches)
    assert before["errors"] > 0 and after == {"played": 2, "errors": 0}
    in_gstreamer = next((one for one in plays(target, recording) if one["player"] == "GStreamer"), None)
    assert in_gstreamer is None or (in_gstreamer["played"], in_gstreamer["errors"]) == (2, 0)


def rows(two: float, same: bool, errors: int) -> list[Row]:
    run: Row = {"measure": "run", "video_seconds": 7200.0, "input_bytes": 1000, "bytes": 1010, "load_before": 0.5}
    run |= {"processor_s": 600.0}
    file: Row = {"measure": "kept", "output": "auto", "jobs": 0, "whole_groups": 10, "same_groups": 10}
    file |= {"pictures": 600, "others_same": True, "ms": 1.0}
    player: Row = {"measure": "plays in FFmpeg", "player": "FFmpeg", "output": "auto", "stretches": 2, "played": 2}
    encode: Row = {"output": "encode", "jobs": 2, "part_seconds": 600.0, "wall_s": 300.0, "extrapolated_s": 3600.0}
    return [
        run | {"output": "auto", "jobs": 1, "wall_s": 600.0, "same_as_one": True},
        run | {"output": "auto", "jobs": 2, "wall_s": two, "same_as_one": same},
        run | encode,
        file,
        player | {"errors": errors},
    ]


@pytest.mark.parametrize(
    ("two", "same", "errors", "missed"),
    [(310.0, True, 0, 0), (400.0, True, 0, 1), (310.0, False, 0, 1), (500.0, True, 3, 3)],
)
def test_targets(two: float, same: bool, errors: int, missed: int) -> None:
    found = list(long_verdicts(rows(two, same, errors)))
    assert len(found) == 6 and sum(not met for _, _, met in found) == missed


def test_tables() -> None:
    runs, files = long_tables(rows(310.0, False, 3))
    assert "| auto, 2 processes | 310 s | 120 min of 120 | 600 s | +1.00 % | **no** | 0.5 |" in runs
    assert "| auto | 600 | 10 of 10 | yes | +1.0 ms | 2 of 2 (3) |" in files
