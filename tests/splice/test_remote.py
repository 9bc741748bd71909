"""The process that writes slices: what it loads, and what becomes of it where there is no interpreter."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import concealer
from concealer.bitstream import NalUnit
from tests.media import clip, encode_bytes
from tests.splice.test_splicer import payload_of, spliced
from tests.standins.splicing import parse

POISON = "from pathlib import Path\nPath({mark!r}).touch()\nraise ImportError('of the wrong folder')\n"


@pytest.fixture(scope="module")
def payloads() -> list[bytes]:
    """A stream that lacks a slice."""
    aus = parse(encode_bytes(clip(8, 176, 144, seed=3), "h264", slices=4), "h264")
    return [payload_of(au, (1,) if number == 4 else ()) for number, au in enumerate(aus)]


def splice_beside(payloads: list[bytes]) -> list[list[NalUnit]]:
    units, _ = spliced(payloads, own_process=True)
    assert sum(len(unit.written) for unit in units) == 1
    return [unit.nals for unit in units]


@pytest.mark.parametrize("search", [None, "", ".", os.pathsep, f"{os.pathsep}/nowhere"])
def test_nothing_in_the_current_folder_is_executed(
    payloads: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    search: str | None,
) -> None:
    mark, folder = tmp_path / "executed", tmp_path / "videos"
    folder.mkdir()
    for name in ("numpy", "pickle", "concealer", "av", "cv2", "signal", "sitecustomize", "usercustomize"):
        (folder / f"{name}.py").write_text(POISON.format(mark=str(mark)))
    expected, _ = spliced(payloads)
    monkeypatch.chdir(folder)
    if search is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", search)
    with caplog.at_level(logging.WARNING, "concealer"):
        assert splice_beside(payloads) == [unit.nals for unit in expected]
    assert not mark.exists()
    assert not caplog.records, "it was not done in a process of its own"


def test_nothing_beside_the_package_is_executed(payloads: list[bytes], tmp_path: Path) -> None:
    """Neither in a checkout nor where `pip install --target` has put it."""
    mark = tmp_path / "executed"
    (tmp_path / "concealer").symlink_to(Path(concealer.__file__).parent)
    for name in ("numpy", "pickle", "av", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(POISON.format(mark=str(mark)))
    code = (
        "import sys, numpy, cv2, av, pickle, pathlib\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from concealer.splice.remote import RemoteCarrier\n"
        "from concealer.splice import remote\n"
        f"assert remote.__file__.startswith({str(tmp_path)!r}), remote.__file__\n"
        "from concealer.bitstream import NalUnit\n"
        "from concealer.splice.open_unit import OpenUnit\n"
        "carrier = RemoteCarrier('h264', [], 0.04)\n"
        "assert carrier.give(OpenUnit([NalUnit(b'a')], 0, True, True)) == []\n"
        "assert carrier.rest() == [[]]\n"
        "carrier.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd="/")
    assert not mark.exists()


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/gst-launch-1.0"])
def test_interpreter_is_found_inside_another_program(
    payloads: list[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, executable: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with caplog.at_level(logging.WARNING, "concealer"):
        splice_beside(payloads)
    assert not caplog.records


@pytest.mark.parametrize("answer", ["echo 2.7", "exit 1"])
def test_slices_are_written_here_where_the_interpreter_is_another(
    payloads: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: str,
) -> None:
    other = tmp_path / "python3"
    other.write_text(f"#!/bin/sh\n{answer}\n")
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    with caplog.at_level(logging.WARNING, "concealer"):
        splice_beside(payloads)
    assert "not of the version" in caplog.text
