"""The suite for other decoders: its promises are kept by what is whole, broken by what is not."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks import concealment_suite
from benchmarks.concealment_suite import NAME, PROMISES, load, main
from benchmarks.real import Way


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One stream."""
    folder = tmp_path_factory.mktemp("suite")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concealment_suite, "WAYS", (Way("rtp", 0.03),))
        patch.setattr(concealment_suite, "COMBINATIONS", (("h264", "P"),))
        assert not main(["make", str(folder), "--seeds", "1", "--cache", str(folder / "cache")])
    return folder


def run(suite: Path, *options: str) -> tuple[int, dict[str, object]]:
    out = suite / "rows.json"
    code = main(["run", str(suite), "--json", str(out), *options])
    (row,) = json.loads(out.read_text())["rows"]
    return code, row


def test_conceal_keeps_its_promises(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, row = run(suite)
    assert code == 0 and row["kept"] == dict.fromkeys(PROMISES, True) and not row["error"]
    assert row["psnr"] > row["psnr_ffmpeg"]
    assert "1 of 1 | 1 of 1 | 1 of 1" in capsys.readouterr().out


def test_promises_can_be_broken(suite: Path) -> None:
    (vector,) = load(suite)
    assert 1 < len(vector["whole"]) < vector["pictures_clean"]
    clean = shlex.quote(str(suite / vector["clean"]))
    assert run(suite, "--decoder", f"sh -c 'cp {clean} \"$1\"' sh {{out}} {{in}}")[0] == 0
    code, row = run(suite, "--decoder", "cp {in} {out}")  # what FFmpeg makes of the damage: no better, no worse
    assert row["kept"] == {"whole": True, "pictures": not row["missing"], "psnr": True}
    other = f"{shlex.quote(sys.executable)} -m pipelines.cli -q --encoder mpeg4 --always-encode {{in}} {{out}}"
    code, row = run(suite, "--decoder", other)
    assert code == 1 and row["changed"] and not row["kept"]["whole"]
    code, row = run(suite, "--decoder", "false {in} {out}")
    assert code == 1 and "ended with 1" in row["error"] and not any(row["kept"].values())


def test_bad_use_is_one_line(suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / NAME).write_text('{"schema": "other"}')
    for arguments in (["run", str(tmp_path)], ["run", str(tmp_path / "none")], ["run", str(suite), "--decoder", "cp"]):
        with pytest.raises(SystemExit):
            main(arguments)
        assert capsys.readouterr().err.count("\n") == 1
