"""What installing costs: the wheel's size, and the time and size of a fresh environment.

python -m benchmarks.packaging before=/checkout/of/then after=.      # any names, any checkouts without changes
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.store import RESULTS, Row, Store, command_line

INSTALLS = {"make demo": ["-e", "."], "pip install": ["."]}
"""What `make demo` does before it starts, and what README begins with; pip's cache is warm after the first round."""
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packaging", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("states", nargs="+", metavar="NAME=CHECKOUT", help="what to measure, each from a fresh clone")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="environments of each; the quickest counts")
    parser.add_argument("--out", type=Path, default=RESULTS / "packaging.json", help="results (default: %(default)s)")
    options = parser.parse_args(arguments)
    store = Store(options.out, command_line("benchmarks.packaging"), ("state",))
    with tempfile.TemporaryDirectory(prefix="concealer-packaging-") as folder:
        trees: dict[str, Path] = {}
        rows: dict[str, Row] = {}
        for state in options.states:
            name, _, checkout = state.partition("=")
            trees[name] = Path(folder) / name
            subprocess.run(["git", "clone", "--quiet", checkout, str(trees[name])], check=True)
            rows[name] = _wheel(name, trees[name])
        for _ in range(options.rounds):
            for name, tree in trees.items():
                for install, what in INSTALLS.items():
                    seconds, megabytes = _install(tree, what)
                    print(f"{name}, {install}: {seconds:.1f} s, {megabytes} MB", flush=True)
                    best = min(seconds, rows[name].get(f"{install}, s", seconds))
                    rows[name] |= {f"{install}, s": round(best, 1), f"{install}, MB": megabytes}
    store.add(rows.values())
    return 0


def _wheel(name: str, tree: Path) -> Row:
    """Commit and wheel of a checkout."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=tree, capture_output=True, text=True, check=True
    )
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tree / "dist"), "."]
    subprocess.run(build, cwd=tree, check=True)
    (wheel,) = (tree / "dist").glob("*.whl")
    return {"state": name, "commit": commit.stdout.strip(), "wheel, bytes": wheel.stat().st_size}


def _install(tree: Path, what: list[str]) -> tuple[float, int]:
    """Seconds that a fresh environment takes, and its size in MB."""
    with tempfile.TemporaryDirectory(prefix="concealer-environment-") as folder:
        shutil.rmtree(tree / "build", ignore_errors=True)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([str(Path(folder) / "bin" / "python"), *_PIP, *what], cwd=tree, check=True)
        seconds = time.perf_counter() - started
        files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        return seconds, round(sum(path.stat().st_size for path in files) / 1e6)


if __name__ == "__main__":
    raise SystemExit(main())
