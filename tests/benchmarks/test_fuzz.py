"""The fuzzer: the same seed makes the same file, what goes wrong is an end of its own, the four zeros can be missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import fuzz, fuzz_parsers, fuzz_worker
from benchmarks.fuzz_damage import bases, damaged
from benchmarks.fuzz_parsers import TARGETS, seeds
from benchmarks.fuzz_tables import fuzz_table, fuzz_verdicts, lost
from benchmarks.store import read


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return bases(tmp_path_factory.mktemp("fuzz"))


def test_base_files_are_whole(files: list[Path]) -> None:
    assert len(files) == len({path.name for path in files}) == 25
    assert {fuzz_worker.shown(path, {}) for path in files if path.suffix in (".mp4", ".ts", ".mkv")} == {14}


def test_damage_is_the_seed_s(files: list[Path], tmp_path: Path) -> None:
    said = set()
    for seed in range(12):
        base, first, second = files[seed], tmp_path / f"a{files[seed].suffix}", tmp_path / f"b{files[seed].suffix}"
        said.add(damaged(base, first, seed))
        assert damaged(base, second, seed) in said
        assert first.read_bytes() == second.read_bytes()
    assert len(said) > 6


def test_some_go_through_whole_children(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "fuzz.json"
    assert not fuzz.main(["--streams", "30", "--cache", str(files[0].parent), "--out", str(out), "--processes", "1"])
    rows = read(out)["rows"]
    assert len(rows) == 30 and sum(row["end"] in ("repaired", "spliced") for row in rows) > 10
    assert all(row["end"] not in ("crashed", "hung", "raised") and not row.get("changed") for row in rows)
    assert all("damage" not in row for row in rows if not lost(row))


@pytest.mark.parametrize(
    ("code", "end"), [("import os; os.kill(os.getpid(), 11)", "crashed"), ("import time; time.sleep(60)", "hung")]
)
def test_crashes_and_hangs_are_told(files: list[Path], monkeypatch: pytest.MonkeyPatch, code: str, end: str) -> None:
    monkeypatch.setattr(fuzz, "WORKER", ("-c", code))
    monkeypatch.setattr(fuzz, "PATIENCE", 2.0)
    assert fuzz.Child().do(files[0], 1)["end"] == end


@pytest.mark.parametrize(
    ("name", "seed", "output", "end"),
    [
        # The first decode time a day early: in every container all that follows would be lost behind it.
        ("h264-P-1.ts", 1000007, "auto", "spliced"),
        ("h264-P-1.ts", 1000007, "splice", "spliced"),
        ("h264-P-1.ts", 1000007, "encode", "repaired"),
        # The first frame of the sound has lost its header, by which muxers describe all of it.
        ("h264-B-1-fields.ts", 1000064, "encode", "copied"),
        # The file cannot be read on, which a look at its first picture was told by an exception.
        ("h264-B-1-fields.frag.mp4", 1000074, "auto", "repaired"),
        # The header names a second video stream, of which no packet comes.
        ("h264-B-4.mkv", 1000198, "auto", "repaired"),
        # A lost picture of a size that the parameter sets tell otherwise.
        ("h264-B-1-fields.mp4", 1000294, "auto", "repaired"),
        # The last packet is to be decoded a second after it is shown.
        ("h264-B-1-fields.ts", 1000347, "splice", "spliced"),
        # What is left of the last frames of sound is none.
        ("hevc-P-1.ts", 1000235, "splice", "copied"),
        # Without an index, and hardly any packet of sound between the pictures.
        ("hevc-B-1.mp4", 1000131, "splice", "copied"),
    ],
)
def test_what_was_found_stays_mended(files: list[Path], name: str, seed: int, output: str, end: str) -> None:
    base = next(path for path in files if path.name == name)
    row = fuzz_worker.work({"base": str(base), "seed": seed, "output": output})
    assert row["end"] == end and not lost(row) and not row["changed"]


@pytest.mark.parametrize("target", list(TARGETS))
def test_parsers_take_what_fuzzing_begins_with(target: str, tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    seeds(target, tmp_path / "seeds")
    begun = sorted((tmp_path / "seeds").iterdir())
    assert len(begun) > 1
    for path in begun[:3]:
        TARGETS[target](path.read_bytes())
        assert not fuzz_parsers.main([target, "--replay", str(path)])


def test_each_zero_can_be_missed() -> None:
    good: dict[str, Any] = {"base": "a", "seed": 1, "end": "repaired", "pictures": 14, "stock": 14, "changed": 0}
    wrong = ({"end": "crashed"}, {"end": "hung"}, {"pictures": 13}, {"changed": 2})
    assert [met for *_, met in fuzz_verdicts([good])] == [True] * 4
    found = [[met for *_, met in fuzz_verdicts([good, good | one])].index(False) for one in wrong]
    assert found == [0, 1, 2, 3]
    assert "| all | 2 | 2 |" in fuzz_table([good, good])
