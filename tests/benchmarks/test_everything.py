"""The command that runs all benchmarks knows them all, and what each understands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import everything
from benchmarks.everything import BENCHMARKS
from benchmarks.store import RESULTS, commit

NOT_RUN = {"house", "packaging", "soak"}
"""Comparisons of one change with the state before it, and the two hours of `make soak`."""


def test_every_published_result_is_made_again() -> None:
    assert {path.stem for path in RESULTS.glob("*.json")} - NOT_RUN == {one.name for one in BENCHMARKS}


@pytest.mark.parametrize("name", sorted({one.name for one in BENCHMARKS}))
def test_options_are_understood(name: str) -> None:
    asked = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--help"], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    for one in BENCHMARKS:
        if one.name == name:
            wanted = [option for option in (*one.options, *["--quick"] * one.quick) if option.startswith("--")]
            assert all(option in asked.stdout for option in wanted)


def test_what_would_run_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert everything.main(["--list", "--quick", "--timed", "no"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "python -m benchmarks.real --quick" in lines and "python -m benchmarks.hook --quick" not in lines


def test_a_failure_is_told_and_does_not_hold_up(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    missing, real = everything.Benchmark("no_such_module"), everything.Benchmark("store")
    monkeypatch.setattr(everything, "BENCHMARKS", (missing, real))
    assert everything.main(["--quick"]) == 1
    told = capfd.readouterr().err
    assert "2/2 done" in told and "failed: python -m benchmarks.no_such_module --quick" in told


def test_the_commit_is_that_of_the_code() -> None:
    git = ["git", "-C", str(Path(__file__).parents[2]), "rev-parse", "HEAD"]
    if shutil.which("git") is None or subprocess.run(git, capture_output=True).returncode:
        pytest.skip("not in a clone")
    assert len(commit().rstrip("+")) == 8
