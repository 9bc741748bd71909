"""A file appears under its name when it is complete, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import OutputError
from pipelines.writing import Draft


def test_a_draft_takes_the_name_and_mode_of_its_target(tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    target.write_bytes(b"before")
    target.chmod(0o640)
    draft = Draft(str(target))
    Path(draft.path).write_bytes(b"after")
    assert Path(draft.path).suffix == ".mkv" and target.read_bytes() == b"before"
    draft.commit()
    draft.discard()
    assert target.read_bytes() == b"after" and target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_discarded_draft_leaves_nothing(tmp_path: Path) -> None:
    draft = Draft(str(tmp_path / "out.mkv"))
    draft.discard()
    draft.discard()
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Draft(str(tmp_path / "no" / "out.mkv"))
