"""From every container to every container, by every way: is what a player shows all there, and in time?

python -m benchmarks.containers [--quick] [--only CONTAINER ...]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import av

from benchmarks.container_files import PICTURES, SUFFIXES, Codec, Shown, remux, shown, suffix, write_original
from benchmarks.container_tables import container_tables
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.workers import run_all
from pipelines.cli import main as conceal

KEY = ("codec", "source", "way", "target")
WAYS = ("copy", "repair", "splice")
_OPTIONS = {"copy": [], "repair": ["--preset", "ultrafast"], "splice": ["--splice"]}
_SOURCES = (
    "pipelines",
    "concealer/bitstream",
    "concealer/splice",
    "concealer/decoder",
    "benchmarks/container_files.py",
)
_CUT = (5, 16, 31)
"""Video packets of which half is lost, in decode order."""
_HALF_TICK = 0.011
"""Seconds by which a time in AVI may be rounded, which counts in halves of a picture."""
_TIME, _SYNC, _SOUND = 0.002, 0.020, 0.1
"""Seconds by which a picture's time, the distance of sound and picture, and the length of sound may differ."""


@dataclass(frozen=True)
class Case:
    """One input, one way."""

    codec: Codec
    source: str
    way: str

    @property
    def title(self) -> str:
        return f"{self.codec} {self.source} {self.way}"


def run_case(case: Case, targets: Sequence[str], sources: str) -> list[Row]:
    """A row for each target."""
    with tempfile.TemporaryDirectory(prefix="concealer-containers-") as name:
        folder = Path(name)
        base = {"codec": case.codec, "source": case.source, "way": case.way, "sources": sources}
        try:
            whole, given = _inputs(folder, case)
        except (av.FFmpegError, ValueError) as error:
            return [
                base | {"target": target, "verdict": "no input", "reason": str(error).replace(f"{folder}/", "")}
                for target in targets
            ]
        original = folder / "original.mkv"
        if case.way == "repair":  # what FFmpeg is given to write is then what our encoder made
            model = folder / "model.mkv"
            with contextlib.redirect_stderr(io.StringIO()):
                conceal([*_OPTIONS["repair"], str(given), str(model)])
        else:
            model = whole
        known = [shown(original), shown(whole)]
        if model != whole and any(not _differences(shown(model), one, "MKV", case.source == "raw") for one in known):
            known.append(shown(model))
        return [base | {"target": target} | _row(folder, case, target, model, given, known) for target in targets]


def _inputs(folder: Path, case: Case) -> tuple[Path, Path]:
    """The undamaged input and the one that is given."""
    original = write_original(
        folder / "original.mkv", case.codec, "pcm_s16le" if case.source in ("MXF", "AVI") else "aac"
    )
    whole = folder / f"whole{suffix(case.source, case.codec)}"
    remux(original, whole, case.source)
    if case.way == "copy":
        return whole, whole
    given = folder / f"given{whole.suffix}"
    remux(original, given, case.source, _CUT)
    return whole, given


def _row(folder: Path, case: Case, target: str, model: Path, given: Path, known: Sequence[Shown]) -> Row:
    """model: the file that FFmpeg writes into the target's container, for comparison; known: other right results."""
    ending = suffix(target, case.codec)
    stock_file, out = folder / f"stock-{target}{ending}", folder / f"out-{target}{ending}"
    stock: Shown | None = None
    with contextlib.suppress(av.FFmpegError, ValueError, IndexError):
        remux(model, stock_file, target)
        stock = shown(stock_file)
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        code = conceal([*_OPTIONS[case.way], "-y", str(given), str(out)])
    said = [line.removeprefix("conceal: ") for line in told.getvalue().splitlines()]
    row: Row = {"exit": code, "said": [line.replace(str(folder) + "/", "") for line in said]}
    row["stock_pictures"] = None if stock is None else stock.pictures
    if code:
        able = stock is not None and stock.pictures == PICTURES and _has_sound(stock, known)
        return row | {"verdict": "refused" if code in (2, 4) and said and not out.exists() and not able else "wrong"}
    try:
        ours = shown(out)
    except (av.FFmpegError, IndexError) as error:
        return row | {"verdict": "wrong", "differences": [str(error)]}
    trusted = stock is not None and (case.way != "repair" or len(known) > 2)
    expected = [stock, *known] if stock is not None and trusted else known
    mute = case.source == "raw"
    differences = min((_differences(ours, one, target, mute) for one in expected), key=len)
    silent_sound = differences == ["sound"] and any("left out" in line for line in said)
    row |= {"pictures": ours.pictures, "packets": ours.packets, "sound_seconds": round(ours.sound_seconds, 3)}
    row |= {"differences": differences}
    return row | {"verdict": "without sound" if silent_sound else "wrong" if differences else "whole"}


def _has_sound(stock: Shown, known: Sequence[Shown]) -> bool:
    """Whether FFmpeg brought along whatever sound there was."""
    return stock.sound_seconds > 0 or not any(one.sound_seconds for one in known)


def _differences(ours: Shown, other: Shown, target: str, mute: bool) -> list[str]:
    """In what a file is not like another. mute: no sound was given."""
    found = [name for name in ("pictures", "packets") if getattr(ours, name) != getattr(other, name)]
    if target == "raw":
        return found
    tolerance = _HALF_TICK if target == "AVI" else _TIME
    count = min(len(ours.times), len(other.times))
    if count < ours.packets - 1 or any(
        abs(a - b) > tolerance for a, b in zip(ours.times[:count], other.times[:count], strict=True)
    ):
        found.append("times")
    if mute:
        return found
    if ours.sound_seconds < other.sound_seconds - _SOUND:
        found.append("sound")
    elif ours.sync is not None and other.sync is not None and abs(ours.sync - other.sync) > _SYNC:
        found.append(f"sync {ours.sync - other.sync:+.3f} s")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.containers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="MP4 and TS only")
    parser.add_argument("--only", nargs="+", choices=SUFFIXES, help="these containers as inputs")
    parser.add_argument("--results", type=Path, default=RESULTS / "containers.json")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    inputs = options.only or (["MP4", "TS"] if options.quick else list(SUFFIXES))
    targets = ["MP4", "TS"] if options.quick else list(SUFFIXES)
    sources = fingerprint(_SOURCES)
    store = Store(options.results, command_line("benchmarks.containers"), KEY)
    cases = [Case(codec, source, way) for codec in get_args(Codec) for source in inputs for way in WAYS]
    jobs = [(case, targets, sources) for case in cases]
    failed = run_all(run_case, jobs, store.add, options.processes)
    print("\n\n".join(container_tables(store.rows)))
    wrong = [row for row in store.rows if row["verdict"] == "wrong"]
    for row in wrong:
        print("wrong:", *(row[name] for name in KEY), row.get("differences", ""), row.get("exit"), *row.get("said", ()))
    return 1 if failed or wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
