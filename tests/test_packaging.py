"""What the wheel holds, and that it works where there is nothing but the wheel and what it depends on."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from engines import open_zoo
from tests.conftest import require
from tests.media import clip, decode_luma, encode_file

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_BYTES = 20_000_000
PACKAGES = {"concealer", "engines", "pipelines"}
LEFT_OUT = {"train", "benchmarks", "tests"}
_BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
_SETUPTOOLS = 77
"""The oldest that pyproject.toml can be built with."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without what earlier builds left in it, which would get into the wheel."""
    require("setuptools")
    if int(metadata.version("setuptools").split(".")[0]) < _SETUPTOOLS:
        reason = f"setuptools is older than {_SETUPTOOLS}: pip install -e '.[dev]'"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    tree = tmp_path_factory.mktemp("tree")
    for path in REPOSITORY.iterdir():
        hidden = path.name.startswith(".") and path.name != ".ci"
        if not hidden and path.name not in ("build", "dist") and path.suffix != ".egg-info":
            (tree / path.name).symlink_to(path)
    return tree


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without an environment of its own, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([sys.executable, "-c", _BUILD, str(folder)], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, which is all that installing it does but for the commands; `_command` is what those run."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def _python(installed: Path, folder: Path, code: str, *arguments: str, more: str = "") -> str:
    """What Python prints, run in `folder` on the installed wheel; this repository is not on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *([more] if more else [])])}
    environment.pop("CONCEALER_ZOO", None)
    command = [sys.executable, "-P", "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
    return done.stdout


def _command(installed: Path, folder: Path, name: str, *arguments: str) -> str:
    """What one of the wheel's commands prints."""
    text = next(installed.glob("*.dist-info/entry_points.txt")).read_text()
    module, function = re.search(rf"^{name} = ([\w.]+):(\w+)$", text, re.MULTILINE).groups()  # type: ignore[union-attr]
    return _python(installed, folder, f"import sys, {module}; sys.exit({module}.{function}())", *arguments)


def test_the_wheel_is_small_and_holds_what_run_time_needs(wheel: Path) -> None:
    assert wheel.stat().st_size <= MOST_BYTES
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert tops == PACKAGES
    shared = {name.partition(".data/data/share/")[2] for name in names if ".data/" in name}
    assert shared == {
        "man/man1/conceal.1",
        "man/man1/conceal-archive.1",
        "man/man1/conceal-check.1",
        "bash-completion/completions/conceal",
        "zsh/site-functions/_conceal",
        "fish/vendor_completions.d/conceal.fish",
    }
    assert "pipelines/reporting/report.html.j2" in names and "pipelines/generated/conceal" in names
    for package in PACKAGES:
        modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / package).rglob("*.py")}
        assert modules <= set(names) and f"{package}/py.typed" in names


def test_of_the_zoo_the_wheel_holds_what_is_opened_without_asking(wheel: Path) -> None:
    zoo = open_zoo(REPOSITORY / "engines" / "zoo")
    entries = zoo.entries.values()
    opened = [zoo.inpainters()[0]]
    opened += [one for one in entries if one.task == "choose"]
    wanted = {"zoo.json"} | {name for one in opened for name in (one.card, one.graphs["fp32"].file)}
    held = {name.split("/")[-1] for name in zipfile.ZipFile(wheel).namelist() if name.startswith("engines/zoo/")}
    assert {name for name in held if not name.endswith(".py")} == wanted


def test_nothing_in_the_wheel_imports_what_is_left_out(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith(".py"):
                continue
            for node in ast.walk(ast.parse(archive.read(name))):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    modules = [node.module or ""]
                assert not LEFT_OUT & {module.split(".")[0] for module in modules}, name


def test_the_source_distribution_is_the_repository(tree: Path, wheel: Path) -> None:
    """By the list that the build leaves, which follows MANIFEST.in."""
    listed = set((tree / "concealer.egg-info" / "SOURCES.txt").read_text().splitlines())
    kept = [path for top in (*PACKAGES, *LEFT_OUT, "docs", ".ci") for path in (REPOSITORY / top).rglob("*")]
    files = {str(path.relative_to(REPOSITORY)) for path in kept if path.is_file() and "__pycache__" not in path.parts}
    assert files <= listed
    assert {"Makefile", "CHANGELOG.md", "CONTRIBUTING.md"} <= listed


def test_commands_work_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    code = "import concealer, engines, pipelines; print(concealer.__file__, engines.__file__, pipelines.__file__)"
    assert _python(installed, tmp_path, code).count(str(installed)) == 3
    assert "--lookahead" in _command(installed, tmp_path, "conceal", "--help")
    listed = json.loads(_command(installed, tmp_path, "conceal-engines", "list", "--json"))
    states = {row["name"]: row["state"] for row in listed["networks"]}
    assert listed["zoo"] == str(installed / "engines" / "zoo")
    opened = ("face-boosted-128", "video-choice", "video-choice-low")
    assert {states.pop(name) for name in opened} == {"ok, not for torch"}
    assert set(states.values()) == {"not installed"}
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_repaired(installed: Path, tmp_path: Path) -> None:
    pictures = clip(10)
    encode_file(tmp_path / "clean.mp4", pictures, slices=8)
    damage = ["clean.mp4", "damaged.mp4", "--model", "slice", "--rate", "0.2", "--seed", "1"]
    _command(installed, tmp_path, "conceal-damage", *damage)
    _command(installed, tmp_path, "conceal", "damaged.mp4", "out.mp4", "--report", "report.json")
    assert len(decode_luma(tmp_path / "out.mp4")) == len(pictures)
    assert "motion" in (tmp_path / "report.json").read_text()


def test_the_generative_network_opens(installed: Path, tmp_path: Path) -> None:
    """With a stand-in for MediaPipe, which wants an environment of its own."""
    stand_in = tmp_path / "mediapipe" / "python" / "solutions"
    stand_in.mkdir(parents=True)
    (stand_in / "face_mesh.py").write_text("class FaceMesh:\n    def __init__(self, **_): pass\n")
    code = (
        "import logging, sys\nlogging.basicConfig(level=logging.INFO, stream=sys.stdout)\n"
        "from pipelines import generative\ngenerative.BUCKETS = (1,)\ngenerative.open_generative('openvino')"
    )
    assert "repair by face-boosted-128 on Engine(openvino" in _python(installed, tmp_path, code, more=str(tmp_path))
