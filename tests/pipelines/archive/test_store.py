"""`conceal archive` from and to what fsspec reaches: a store in memory, files by address."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.archive.places import OWN
from pipelines.archive.store import Store
from pipelines.cli import main
from pipelines.errors import InputError, UsageError
from tests.conftest import require
from tests.pipelines.archive.runs import FIRST, QUICK, SECOND, files, kinds, run


@pytest.fixture
def memory() -> Any:
    """An empty store."""
    require("fsspec")
    import fsspec

    store = fsspec.filesystem("memory")
    for path in store.ls("/", detail=False):
        store.rm(path, recursive=True)
    return store


def stored(store: Any, folder: str) -> dict[str, bytes]:
    """Files below a folder by relative name, without the manifest."""
    found = (path.removeprefix(f"{folder}/") for path in store.find(folder))
    return {name: store.cat(f"{folder}/{name}") for name in found if not name.startswith(OWN)}


def test_a_store_gives_and_takes_the_same_files(memory: Any, archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out")
    memory.put(str(archive), "/in", recursive=True)
    assert kinds(run("memory://in", "memory://out")) == FIRST
    for trust_times in (False, True):
        assert kinds(run("memory://in", "memory://out", trust_times=trust_times)) == SECOND
    assert stored(memory, "/out") == files(tmp_path / "out")
    assert [path for path in memory.ls(f"/out/{OWN}", detail=False) if not path.endswith("manifest")] == []
    memory.pipe_file("/out/a.mp4", memory.cat("/out/a.mp4")[:-1])
    memory.pipe_file("/in/b/notes.txt", b"some other text")
    outcomes = run("memory://in", "memory://out", settings=QUICK)
    assert kinds(outcomes) == SECOND | {"a.mp4": "failed", "b/notes.txt": "done copied"}
    assert "exists in memory://out" in outcomes["a.mp4"].reason
    assert memory.cat("/out/b/notes.txt") == b"some other text"


def test_files_by_address(archive: Path, tmp_path: Path) -> None:
    require("fsspec")
    out = tmp_path / "out"
    assert kinds(run(f"file://{archive}", f"file://{out}")) == FIRST
    assert kinds(run(f"file://{archive}", f"file://{out}")) == SECOND
    whole = files(out)
    shutil.rmtree(out)
    assert kinds(run(archive, out)) == FIRST
    assert files(out) == whole
    assert kinds(run(f"file://{archive}", out)) == SECOND, "one manifest, however the folder is called"


def test_parts_of_a_manifest_do_not_grow_for_ever(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.archive.store._PART_BYTES", 20)
    store = Store("memory://out")
    for number in range(8):
        store.note("part", f"line number {number}\n")
    assert len(memory.ls(f"/out/{OWN}/manifest")) == 4
    assert list(Store("memory://out").parts()) == [f"line number {number}\n" for number in range(8)]


def test_what_cannot_be_reached_is_said_in_one_line(
    memory: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for source, error in (
        ("memory://none", InputError),
        ("nobody://in", UsageError),
        ("udp://127.0.0.1:5", UsageError),
    ):
        with pytest.raises(error):
            run(source, tmp_path / "out")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert main(["archive", "memory://another", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "pip install 'concealer[cluster]'" in told and len(told.splitlines()) == 1
