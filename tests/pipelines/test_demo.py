"""The demo runs through and writes what it says."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from pipelines import demo


def test_demo_writes_its_picture_and_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "FRAMES", 10)
    monkeypatch.setattr(demo, "LOSS_RATE", 0.1)
    assert demo.main(["--out", str(tmp_path / "demo")]) == 0
    told = capsys.readouterr().out
    assert "H.264 " in told and "HEVC " in told and "packets lost" in told
    sheet = cv2.imread(str(tmp_path / "demo" / "demo.png"))
    assert sheet is not None
    assert sheet.shape[1] > 4 * demo.WIDTH
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"clean.264", "damaged.265", "repaired-h264.mkv", "report-hevc.json", "demo.png"} <= names
