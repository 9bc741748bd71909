"""Matroska, FLV and AVI whose first bytes are lost or zeros."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from benchmarks.salvage_files import make, x264
from pipelines.cli import main

SOUND = {".mkv": "aac", ".flv": "aac", ".avi": "libmp3lame"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    kinds = {
        suffix: x264("m", params={"bframes": 0, "keyint": 25}, suffix=suffix, sound=sound, sound_rate=44100)
        for suffix, sound in SOUND.items()
    }
    return {suffix: make(kind, folder / f"whole{suffix}", 2.0).read_bytes() for suffix, kind in kinds.items()}


def _packets(path: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {"video": [], "audio": []}
    with av.open(str(path)) as opened:
        for packet in opened.demux():
            if packet.size:
                found[packet.stream.type].append(bytes(packet))
    return found


@pytest.mark.parametrize("zeros", [False, True], ids=["cut", "zeros"])
@pytest.mark.parametrize("lost", [4, 33, 64])
@pytest.mark.parametrize("suffix", SOUND)
def test_what_is_behind_is_copied(
    recorded: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, lost: int, zeros: bool
) -> None:
    whole, path, out = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}", tmp_path / "out.mkv"
    whole.write_bytes(recorded[suffix])
    path.write_bytes(bytes(lost) * zeros + recorded[suffix][lost:])
    assert main([str(path), str(out)]) == 0
    assert "could not be read: passed over" in capsys.readouterr().err
    want, found = _packets(whole), _packets(out)
    assert found["audio"] == want["audio"] and len(found["video"]) == len(want["video"]) == 50


@pytest.mark.parametrize("suffix", SOUND)
def test_where_nothing_describes_the_streams_it_is_one_line(
    recorded: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path, out = tmp_path / f"cut{suffix}", tmp_path / "out.mkv"
    path.write_bytes(recorded[suffix][9000:])
    assert main([str(path), str(out), "-q"]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"conceal: {path}: ") and not out.exists()
