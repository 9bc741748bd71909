"""What installing costs: the wheel's size, and the time and size of a fresh environment.

python -m benchmarks.packaging before=1c051a1 after=HEAD      # any names, any commits
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.store import RESULTS, Row, Store, command_line

INSTALLS = {"make_demo": ["-e", "."], "pip_install": ["."]}
"""What `make demo` does before it starts, and what README begins with; pip's cache is warm after the first round."""
REPOSITORY = Path(__file__).resolve().parent.parent
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packaging", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("states", nargs="+", metavar="NAME=COMMIT", help="what to measure, each in a fresh clone")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="environments of each; all are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "packaging.json", help="results (default: %(default)s)")
    options = parser.parse_args(arguments)
    store = Store(options.out, command_line("benchmarks.packaging"), ("state",))
    with tempfile.TemporaryDirectory(prefix="concealer-packaging-") as folder:
        trees: dict[str, Path] = {}
        rows: dict[str, Row] = {}
        for state in options.states:
            name, _, commit = state.partition("=")
            trees[name] = Path(folder) / name
            subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(trees[name])], check=True)
            subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=trees[name], check=True)
            rows[name] = {"state": name, "commit": _commit(trees[name]), "wheel_bytes": _wheel_bytes(trees[name])}
        for _ in range(options.rounds):
            for name, tree in trees.items():
                for install, what in INSTALLS.items():
                    cost = _install(tree, what)
                    print(f"{name}, {install}: {cost}", flush=True)
                    for kind, value in cost.items():
                        rows[name].setdefault(f"{install}_{kind}", []).append(value)
    store.add(rows.values())
    return 0


def _commit(tree: Path) -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True).stdout.strip()


def _wheel_bytes(tree: Path) -> int:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tree / "dist"), "."]
    subprocess.run(build, cwd=tree, check=True)
    (wheel,) = (tree / "dist").glob("*.whl")
    return wheel.stat().st_size


def _install(tree: Path, what: list[str]) -> dict[str, float]:
    """Seconds that a fresh environment takes, by the clock and of the processor, and its size in MB."""
    shutil.rmtree(tree / "build", ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="concealer-environment-") as folder:
        began, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([str(Path(folder) / "bin" / "python"), *_PIP, *what], cwd=tree, check=True)
        seconds, after = time.perf_counter() - began, os.times()
        worked = after.children_user + after.children_system - before.children_user - before.children_system
        files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        size = sum(path.stat().st_size for path in files)
        return {"s": round(seconds, 1), "processor_s": round(worked, 1), "environment_mb": round(size / 1e6)}


if __name__ == "__main__":
    raise SystemExit(main())
