"""An archive with one file of every kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def archive(media: Path, tmp_path: Path) -> Path:
    """A damaged file, two intact ones, one that cannot be read, one that is no video."""
    place = tmp_path / "in"
    for name, source in (("a.mp4", "h264.mp4"), ("b/c.mp4", "damaged-h264.mp4"), ("b/d/e.mp4", "hevc.mp4")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(media / source, place / name)
    (place / "b" / "cut.mp4").write_bytes((media / "h264.mp4").read_bytes()[:60])
    (place / "b" / "notes.txt").write_text("no video")
    return place
