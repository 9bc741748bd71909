"""How much of broken recordings comes back: several encoders and muxers, several ways to break.

python -m benchmarks.salvage            # about ten minutes on two cores
python -m benchmarks.salvage --quick    # three recordings; results go to the cache folder
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av

from benchmarks.salvage_files import RECORDINGS, WAYS, Recording, broken, has_gstreamer, make
from benchmarks.salvage_measure import outcome
from benchmarks.salvage_tables import is_good, salvage_tables
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import default_cache
from benchmarks.workers import run_all
from pipelines.cli import main as conceal
from pipelines.errors import InputError

KEY = ("recording", "encoder", "way")
_SOURCES = ("pipelines/salvage", "pipelines/reading", "benchmarks/salvage_files.py", "benchmarks/salvage_measure.py")
_SECONDS = 6.0
_QUICK = 3


@dataclass(frozen=True)
class Case:
    """One recording, broken in every way."""

    recording: Recording

    @property
    def title(self) -> str:
        return self.recording.name


def run_case(case: Case, sources: str) -> list[Row]:
    """A row for each way; none where the recording cannot be made here."""
    recording = case.recording
    av.logging.set_level(av.logging.PANIC)
    with tempfile.TemporaryDirectory(prefix="concealer-salvage-") as name:
        folder = Path(name)
        try:
            original = make(recording, folder / f"original{recording.suffix}", _SECONDS)
        except (av.FFmpegError, ValueError, OSError, subprocess.CalledProcessError) as error:
            print(f"{recording.name}: cannot be made here: {type(error).__name__}")
            return []
        return [_row(recording, original, way, sources) for way in WAYS]


def _row(recording: Recording, original: Path, way: str, sources: str) -> Row:
    row: Row = {"recording": recording.name, "encoder": recording.encoder, "muxer": recording.muxer}
    row |= {"way": way, "sources": sources, "error": None}
    copy = broken(original, way, original.with_name(f"broken{original.suffix}"))
    out = original.with_name("out.mkv")
    with contextlib.redirect_stderr(io.StringIO()):
        row["conceal"] = conceal([str(copy.path), str(out), "-y", "--preset", "ultrafast"])
    try:
        found = outcome(original, copy)
    except InputError as error:
        return row | {"error": str(error).replace(str(copy.path), "the file")}
    row |= asdict(found)
    row["out_pictures"] = _pictures(out) if row["conceal"] == 0 else 0
    return rounded(row)


def _pictures(path: Path) -> int:
    with av.open(str(path)) as opened:
        return sum(packet.size > 0 for packet in opened.demux(opened.streams.video[0]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.salvage", description="Salvage of broken recordings.")
    parser.add_argument("--quick", action="store_true", help="three recordings")
    parser.add_argument("--out", type=Path, help="results file")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default: %(default)s)")
    options = parser.parse_args(arguments)
    chosen = [one for one in RECORDINGS if has_gstreamer() or not one.pipeline]
    out = options.out or (default_cache() / "quick" if options.quick else RESULTS) / "salvage.json"
    store = Store(out, command_line("benchmarks.salvage"), KEY)
    jobs = [(Case(one), fingerprint(_SOURCES)) for one in (chosen[:_QUICK] if options.quick else chosen)]
    failed = run_all(run_case, jobs, store.add, options.processes)
    print("\n\n".join(salvage_tables(store.rows)))
    return 1 if failed or not all(map(is_good, store.rows)) and options.quick else 0


if __name__ == "__main__":
    raise SystemExit(main())
