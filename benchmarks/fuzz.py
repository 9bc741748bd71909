"""Thousands of damaged files through the whole product: no crash, no hang, no lost picture, no sample touched outside
what is damaged.

python -m benchmarks.fuzz                     # 10,000 files: an hour or two on two cores; goes on where it stopped
python -m benchmarks.fuzz --streams 200 --seed 7
python -m benchmarks.fuzz --again h264-P-1.mp4:17 --keep FILE     # one of them, and its damaged file

Base files are small (14 pictures of 176x144; both codecs, P and B, fields, one slice and four, five containers, with
and without sound). Each is damaged by a model of `conceal-damage`, in the file, or both, and goes through
`conceal_file` in a child process with limits of memory and time; it is encoded losslessly, spliced, or as `auto` takes
it. A lost picture is one fewer than FFmpeg shows of the damaged file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.fuzz_damage import bases, damaged
from benchmarks.fuzz_tables import fuzz_table, lost
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import default_cache

KEY = ("base", "seed")
PATIENCE = 60.0
"""Seconds after which a file hangs; they take less than one."""
WORKER = ("-m", "benchmarks.fuzz_worker")


class Child:
    """A worker, begun anew where it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def do(self, base: Path, seed: int) -> dict[str, Any]:
        """What came of one file; a crash or a hang is an end too."""
        process = self._process or self._begin()
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps({"base": str(base), "seed": seed}) + "\n")
            process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if ready else ""
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        if not ready:
            process.kill()
        code = process.wait()
        self._process = None
        return {"base": base.name, "seed": seed, "end": "hung" if not ready else "crashed", "said": f"exit code {code}"}

    def _begin(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, *WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self._process

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()


def jobs(folder: Path, streams: int, seed: int) -> Iterator[tuple[Path, int]]:
    """Base files in turns, each time with another seed."""
    files = bases(folder)
    for number in range(streams):
        yield files[number % len(files)], seed * 1_000_000 + number // len(files)


def kept(row: Row) -> Row:
    """Of a file: everything where something is wrong, else what the table counts; `--again` has the rest."""
    if row["end"] in ("crashed", "hung", "raised") or row.get("changed") or lost(row):
        return row
    return {name: row[name] for name in ("base", "seed", "output", "end", "stock", "pictures") if name in row}


def run(store: Store, wanted: Sequence[tuple[Path, int]], sources: str, processes: int) -> None:
    """All of them in several workers."""
    local, lock, opened = threading.local(), threading.Lock(), list[Child]()

    def one(job: tuple[Path, int]) -> None:
        if not hasattr(local, "child"):
            local.child = Child()
            opened.append(local.child)
        row = kept(local.child.do(*job)) | {"sources": sources}
        with lock:
            pending.append(row)
            if len(pending) >= 100:
                _keep()

    def _keep() -> None:
        store.add(pending)
        print(f"{len(store.rows)} files", file=sys.stderr, flush=True)
        pending.clear()

    pending: list[Row] = []
    try:
        with ThreadPoolExecutor(processes) as pool:
            list(pool.map(one, wanted))
    finally:
        store.add(pending)
        for child in opened:
            child.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100 files; results go to the cache folder")
    parser.add_argument("--streams", type=int, default=10_000, help="files (default 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other files (default 1)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache() / "fuzz", help="folder for the base files")
    parser.add_argument("--again", metavar="BASE:SEED", help="one file alone, in this process's child")
    parser.add_argument("--keep", type=Path, help="with --again: write the damaged file here")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/fuzz.json)")
    options = parser.parse_args(arguments)
    if options.again:
        name, _, seed = options.again.rpartition(":")
        base = next(path for path in bases(options.cache) if path.name == name)
        if options.keep:
            damaged(base, options.keep, int(seed))
        print(json.dumps(Child().do(base, int(seed)), indent=1))
        return 0
    if options.quick:
        options.streams = 100
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "fuzz.json"
    store = Store(out, command_line("benchmarks.fuzz"), KEY)
    sources = fingerprint(("concealer", "pipelines", "benchmarks/fuzz_damage.py", "benchmarks/fuzz_worker.py"))
    every = list(jobs(options.cache, options.streams, options.seed))
    wanted = [(b, s) for b, s in every if not store.has({"base": b.name, "seed": s, "sources": sources})]
    run(store, wanted, sources, options.processes)
    print(fuzz_table(store.rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
