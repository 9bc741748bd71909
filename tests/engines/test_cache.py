"""Files made for this machine."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from engines.cache import BlobCache, cache_folder, write_atomic

KEY = {"onnx": "12ab", "buckets": [1, 2]}


def test_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "concealer"
    monkeypatch.setenv("CONCEALER_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("CONCEALER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "concealer"


def test_a_blob_comes_back_under_its_key_only(tmp_path: Path) -> None:
    cache = BlobCache("plans", ".plan", tmp_path)
    assert cache.load(KEY) is None
    cache.store(KEY, b"compiled")
    assert cache.load(dict(reversed(KEY.items()))) == b"compiled"
    assert cache.load(KEY | {"onnx": "12ac"}) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "no note", "bad note", "other key"])
def test_what_is_damaged_is_not_trusted(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = BlobCache("plans", ".plan", tmp_path)
    cache.store(KEY, b"compiled")
    path = cache.path(KEY)
    note = path.with_suffix(".json")
    match damage:
        case "cut":
            path.write_bytes(b"compile")
        case "flipped":
            path.write_bytes(b"Compiled")
        case "no note":
            note.unlink()
        case "bad note":
            note.write_text("{")
        case "other key":
            note.write_text(json.dumps(json.loads(note.read_text()) | {"key": {}}))
    with caplog.at_level(logging.WARNING):
        assert cache.load(KEY) is None
    assert len(caplog.records) == (0 if damage == "no note" else 1)
    cache.store(KEY, b"compiled again")
    assert cache.load(KEY) == b"compiled again"


@pytest.mark.parametrize("fault", ["open to all", "another's", "its parent open to all"])
def test_a_folder_that_others_may_write_to_is_not_used(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = BlobCache("plans", ".plan", tmp_path / "cache")
    cache.store(KEY, b"compiled")
    folder = cache.path(KEY).parent
    match fault:
        case "open to all":
            folder.chmod(0o777)
        case "its parent open to all":
            folder.parent.chmod(0o777)
        case _ if os.geteuid() == 0:
            os.chown(folder, 65534, -1)
        case _:
            monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with caplog.at_level(logging.WARNING):
        assert cache.load(KEY) is None
        cache.store(KEY | {"onnx": "other"}, b"compiled")
    assert len(caplog.records) == 2 and all("others may write" in record.getMessage() for record in caplog.records)
    assert not cache.path(KEY | {"onnx": "other"}).exists()


def test_a_sticky_folder_of_all_may_hold_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    cache = BlobCache("plans", ".plan", tmp_path / "shared")
    cache.store(KEY, b"compiled")
    assert cache.load(KEY) == b"compiled"


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        BlobCache("plans", ".plan", tmp_path / "file").store(KEY, b"x")
    assert "cannot keep" in caplog.text
    assert BlobCache("plans", ".plan", tmp_path / "file").load(KEY) is None


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.onnx"
    write_atomic(path, b"old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
