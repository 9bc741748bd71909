"""`conceal-engines` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.cli import main
from engines.differences import LIMITS
from tests.conftest import require
from tests.engines.zoos import make_zoo


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCEALER_CACHE", str(tmp_path / "cache"))
    make_zoo(tmp_path / "zoo", "fill", half=True)
    return tmp_path / "zoo"


def test_list_names_networks_and_backends(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--zoo", str(zoo)]) == 0
    out = capsys.readouterr().out
    assert "fill" in out and "openvino" in out and "pip install tensorrt" in out
    assert main(["list", "--zoo", str(zoo), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["networks"][0]["state"] == "ok"
    assert listed["backends"]["openvino"] is None


def test_list_shows_damaged_files(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(zoo.glob("fill-*.onnx")).write_bytes(b"")
    assert main(["list", "--zoo", str(zoo)]) == 1
    assert "damaged" in capsys.readouterr().out


def test_what_is_not_installed_is_listed_and_otherwise_left_out(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_zoo(zoo, "fill", "step")
    next(zoo.glob("step-*.onnx")).unlink()
    assert main(["list", "--zoo", str(zoo)]) == 0
    told = capsys.readouterr().out
    assert "not installed: the repository" in told and "CONCEALER_ZOO=FOLDER" in told
    assert main(["build", "--zoo", str(zoo), "--backend", "openvino", "--buckets", "1", "--json"]) == 0
    assert [row["network"] for row in json.loads(capsys.readouterr().out)["built"]] == ["fill"]
    assert main(["build", "step", "--zoo", str(zoo), "--backend", "openvino"]) == 1
    assert "is not installed" in capsys.readouterr().err
    for path in zoo.glob("fill-*.onnx"):
        path.unlink()
    assert main(["bench", "--zoo", str(zoo)]) == 1
    assert "no network is installed" in capsys.readouterr().err


def test_shipped_zoo_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "backend" in capsys.readouterr().out


def test_build_says_what_is_ready(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--zoo", str(zoo), "--backend", "openvino", "--buckets", "1,2", "--json"]) == 0
    told = capsys.readouterr()
    built = json.loads(told.out)["built"]
    assert [row["backend"] for row in built] == ["openvino"] and not built[0]["reason"]
    assert "ready" in told.err


def test_verify_compares_on_pictures(zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("onnxruntime")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(2):
        noise = np.random.default_rng(index).integers(0, 255, (90, 70, 3), np.uint8)
        cv2.imwrite(str(pictures / f"{index}.png"), cv2.blur(noise, (9, 9)))
    assert main(["verify", "--zoo", str(zoo), "--crops", str(pictures), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["comparisons"]
    compared = {(row["backend"], row["precision"]): row["difference"] for row in rows if row["difference"] is not None}
    assert ("openvino", "fp32") in compared or ("onnxruntime", "fp32") in compared
    assert 0 < compared["onnxruntime", "fp16"] < 2e-2
    assert all(row["inputs"] == "5 crops of pictures" for row in rows)


def test_verify_fails_where_a_backend_differs(
    zoo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require("onnxruntime")
    monkeypatch.setitem(LIMITS, "fp16", 1e-9)
    assert main(["verify", "--zoo", str(zoo), "--precision", "fp16"]) == 1
    assert "TOO FAR" in capsys.readouterr().err


def test_bench_states_what_is_timed(zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "latency.json"
    args = ["bench", "--zoo", str(zoo), "--backend", "openvino", "--buckets", "1,2", "--rounds", "12"]
    assert main([*args, "--out", str(out)]) == 0
    assert "copying" in capsys.readouterr().out
    made = json.loads(out.read_text())
    assert "copying" in made["includes"]
    assert [row["bucket"] for row in made["timings"]] == [1, 2]
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in made["timings"])


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["bench", "nothing"], 1, "no network 'nothing'"),
        (["list", "--zoo", "/nowhere"], 1, "no zoo"),
        (["verify", "--crops", "/nowhere.png"], 2, "cannot read /nowhere.png"),
        (["verify", "--precision", "auto"], 2, "stated precision"),
    ],
)
def test_errors_are_one_line(
    zoo: Path, args: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = [] if "--zoo" in args else ["--zoo", str(zoo)]
    assert main([*args, *extra]) == code
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_wrong_usage_is_exit_code_2() -> None:
    for args in (["bench", "--buckets", "0,1"], ["bench", "--backend", "cuda"], []):
        with pytest.raises(SystemExit) as caught:
            main(args)
        assert caught.value.code == 2


def test_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "engines.cli", "--help"], capture_output=True, text=True, check=True)
    assert "exit codes" in done.stdout
