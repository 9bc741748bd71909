"""Results files: rows replace each other by key, and know what made them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.store import Store, command_line, fingerprint, read


def test_rows_survive_and_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    first = Store(path, "first command", ("clip", "seed"))
    first.add([{"clip": "a", "seed": 1, "psnr": 1.0, "sources": "x"}, {"clip": "a", "seed": 2, "sources": "x"}])
    second = Store(path, "second command", ("clip", "seed"))
    assert second.has({"clip": "a", "seed": 1, "sources": "x"})
    assert not second.has({"clip": "a", "seed": 1, "sources": "y"})
    assert not second.has({"clip": "a", "seed": 3, "sources": "x"})
    second.add([{"clip": "a", "seed": 1, "psnr": 2.0, "sources": "y"}])
    known = read(path)
    assert [(row["seed"], row.get("psnr"), row["run"]) for row in known["rows"]] == [(1, 2.0, 1), (2, None, 0)]
    assert [run["command"] for run in known["runs"]] == ["first command", "second command"]
    assert known["runs"][0]["machine"]["cores"] >= 1 and known["runs"][0]["versions"]["av"]


def test_runs_without_rows_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for command in ("old", "new"):
        Store(path, command, ("clip",)).add([{"clip": "a"}])
    known = read(path)
    assert [run["command"] for run in known["runs"]] == ["new"]
    assert known["rows"] == [{"clip": "a", "run": 0}]


def test_other_files_are_refused(tmp_path: Path) -> None:
    for text in ("{", json.dumps([1]), json.dumps({"rows": []})):
        path = tmp_path / "other.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"other\.json"):
            read(path)


def test_fingerprint_is_of_the_sources_named() -> None:
    assert fingerprint(["concealer/loss"]) == fingerprint(["concealer/loss"])
    assert fingerprint(["concealer/loss"]) != fingerprint(["concealer/repair"])
    assert fingerprint(["benchmarks/store.py"]) != fingerprint(["benchmarks/metrics.py"])


def test_a_command_tells_no_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["real.py", "--seeds", "2", "--out", "/home/me/x.json", "--cache", "/var/c", "-v"])
    assert command_line("benchmarks.real") == "python -m benchmarks.real --seeds 2 -v"
