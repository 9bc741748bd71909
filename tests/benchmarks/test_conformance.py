"""Conformance: whole streams are as libav decodes them, and fluster knows the decoders."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.conformance import find, main, measure
from benchmarks.conformance_decoders import WHICH, digest, in_child
from benchmarks.conformance_tables import conformance_table, conformance_verdicts
from tests.media import Codec, clip, encode_bytes

PICTURES = 12


def _stream(folder: Path, codec: Codec, name: str = "whole") -> Path:
    path = folder / f"{name}{'.264' if codec == 'h264' else '.265'}"
    path.write_bytes(encode_bytes(clip(PICTURES, 352, 288), codec, bframes=2))
    return path


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_whole_streams_are_as_libav_decodes_them_and_damaged_ones_are_told(codec: Codec, tmp_path: Path) -> None:
    path = _stream(tmp_path, codec)
    ours, theirs = (digest(which, codec, path, "yuv420p") for which in WHICH)
    assert ours == theirs and ours["pictures"] == PICTURES and not ours["damaged"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.write_bytes(data)
    broken = digest("concealer", codec, path, "yuv420p")
    assert broken["damaged"] and broken["md5"] != ours["md5"]


def test_a_stream_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        in_child("libav", "h264", tmp_path / "missing.264", "yuv420p", 60)


def test_rows_and_table_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fluster")
    _stream(tmp_path, "h264")
    (tmp_path / "notes.txt").write_text("no stream")
    (vector,) = find([tmp_path])
    row = measure(vector)
    known = row | {"suite": "made", "expected": row["libav_md5"]}
    assert "| made | H.264 | 1 | 1 | 1 | 1 | none | 0 |" in conformance_table([known])
    assert [met for *_, met in conformance_verdicts([known])] == [True]
    assert [met for *_, met in conformance_verdicts([known | {"concealer_md5": "other"}])] == [False]
    assert [met for *_, met in conformance_verdicts([known | {"concealer_damaged": 1}])] == [False]
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nowhere")])
    assert capsys.readouterr().err.count("\n") == 1


def test_fluster_runs_the_decoders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fluster")
    name = _stream(tmp_path, "h264").name
    suite = {"name": "MADE", "codec": "H.264", "description": "made here", "test_vectors": []}
    suite["test_vectors"] = [
        {
            "name": kind,
            "source": "",
            "source_checksum": "",
            "input_file": name,
            "output_format": "yuv420p",
            "result": md5,
        }
        for kind, md5 in (("right", digest("libav", "h264", tmp_path / name, "yuv420p")["md5"]), ("wrong", "0" * 32))
    ]
    for kind in ("right", "wrong"):
        (tmp_path / "resources" / "MADE" / kind).mkdir(parents=True)
        (tmp_path / "resources" / "MADE" / kind / name).symlink_to(tmp_path / name)
    (tmp_path / "suites" / "h.264").mkdir(parents=True)
    (tmp_path / "suites" / "h.264" / "MADE.json").write_text(json.dumps(suite))
    places = ["-r", str(tmp_path / "resources"), "-tsd", str(tmp_path / "suites"), "-o", str(tmp_path / "out"), "-ne"]
    told = ["-f", "json", "-so", str(tmp_path / "told.json")]
    with pytest.raises(SystemExit):  # as fluster ends where a vector fails
        main(["--fluster", *places, "run", "-ts", "MADE", "-d", "concealer-H.264", "-j", "1", "-s", *told])
    shown = capsys.readouterr().out
    results = dict(re.findall(r"\)(?: TEST)? (\w+) +\.\.\. (\w+)", shown))
    assert results == {"VECTOR": "RESULT", "right": "Success", "wrong": "Fail"}
    assert "Ran 1/2 tests successfully" in shown
