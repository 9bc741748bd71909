"""A suite for decoders that conceal: damaged streams, and what a decoder is to make of each, for any decoder to run.

python -m benchmarks.concealment_suite make FOLDER       # streams and suite.json; the same everywhere for one FFmpeg
python -m benchmarks.concealment_suite run FOLDER        # conceal
python -m benchmarks.concealment_suite run FOLDER --decoder 'ffmpeg -v error -i {in} -c:v ffv1 {out}'

Each stream holds three promises, that of no harm first:

whole      a picture that FFmpeg decodes as if nothing were missing comes out as it is, sample by sample
pictures   every picture of the undamaged stream has one in its place
psnr       PSNR-Y of the sequence is not below the better of FFmpeg's two outputs (as shipped, and with output_corrupt)

{out} is a file that FFmpeg reads, with pictures at their times and without loss (FFV1 in Matroska).
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av

from benchmarks.clips import pick, synthetic
from benchmarks.metrics import Luma
from benchmarks.real import DamagedStream, Way, damaged_file, decode, from_zero, sequence_psnr, write
from benchmarks.store import Row, versions
from benchmarks.streams import COMBINATIONS, Encoding, default_cache, encoded
from benchmarks.tables import markdown

SCHEMA = "concealment-suite/1"
NAME = "suite.json"
WAYS = (Way("rtp", 0.03), Way("ts", 0.01), Way("zeros", 0.05), Way("flips", 1e-5), Way("first", 0.03))
CONCEAL = f"{shlex.quote(sys.executable)} -m pipelines.cli -q -y --always-encode --encoder ffv1 {{in}} {{out}}"
PROMISES = ("whole", "pictures", "psnr")
_PICTURES, _GOP = 50, 25
_TOLERANCE = 0.05
"""dB below FFmpeg that count as none: what rounding and a single repaired block change."""
_CORRUPT = {"flags": "+output_corrupt"}


def make(folder: Path, clips: Sequence[str], seeds: Sequence[int], cache: Path) -> list[Row]:
    """Write the streams and what is promised of them; the vectors. Raises OSError, RuntimeError."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors = []
    for clip in pick(clips) if clips else [synthetic()]:
        for codec, structure in COMBINATIONS:
            encoding = Encoding(codec, structure, _PICTURES, gop=_GOP, slices=1)
            stream = encoded(clip, encoding, cache)
            for way in WAYS:
                for seed in seeds:
                    job = DamagedStream(clip, encoding, way, seed)
                    name = f"{clip.name}-{codec}-{structure}-{way.name}-{seed}"
                    with tempfile.TemporaryDirectory(dir=folder) as work:
                        made = damaged_file(stream, job, Path(work))
                        target = folder / f"{name}{made.suffix}"
                        made.replace(target)
                    clean = folder / f"{clip.name}-{codec}-{structure}-clean{made.suffix}"
                    if not clean.exists():
                        write(stream, clean)
                    vectors.append(_promised(name, clean, target, way) | job.key)
    text = {"schema": SCHEMA, "made_with": versions(), "promises": list(PROMISES), "vectors": vectors}
    (folder / NAME).write_text(json.dumps(text, indent=1) + "\n")
    return vectors


def _promised(name: str, clean: Path, damaged: Path, way: Way) -> Row:
    wanted = _places(decode(clean), way)
    stock = [_places(decode(damaged, options), way) for options in ({}, _CORRUPT)]
    return {
        "name": name,
        "clean": clean.name,
        "damaged": damaged.name,
        "pictures_clean": len(wanted),
        "whole": [place for place in wanted if all(_same(one.get(place), wanted[place]) for one in stock)],
        "psnr_ffmpeg": round(max(sequence_psnr(_listed(wanted), one) for one in stock), 3),
    }


def _places(pictures: dict[int, Luma], way: Way) -> dict[int, Luma]:
    return from_zero(pictures) if way.name == "ts" else pictures


def _listed(pictures: dict[int, Luma]) -> list[Luma]:
    return [pictures[place] for place in sorted(pictures)]


def _same(picture: Luma | None, wanted: Luma) -> bool:
    return picture is not None and picture.shape == wanted.shape and bool((picture == wanted).all())


def load(folder: Path) -> list[Row]:
    """The vectors of a suite. Raises OSError, and ValueError if there is none in the folder."""
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / NAME} is no JSON: {error}") from error
    if found.get("schema") != SCHEMA:
        raise ValueError(f"{folder / NAME} has schema {found.get('schema')!r}, this version reads {SCHEMA}")
    vectors: list[Row] = found["vectors"]
    return vectors


def run(folder: Path, vector: Row, decoder: str, timeout: float) -> Row:
    """One stream through a decoder: what it reaches, and which promises it keeps."""
    way = Way(vector["way"], vector["rate"])
    clean = _places(decode(folder / vector["clean"]), way)
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "out.mkv"
        places = {"{in}": str(folder / vector["damaged"]), "{out}": str(out)}
        command = [places.get(word, word) for word in shlex.split(decoder)]
        said = ""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
            if done.returncode:
                said = f"ended with {done.returncode}: {(done.stderr.strip().splitlines() or ['silent'])[-1]}"
            pictures = _places(decode(out), way)
        except (OSError, subprocess.TimeoutExpired, av.FFmpegError) as error:
            said, pictures = said or f"{type(error).__name__}: {error}", {}
    psnr = sequence_psnr(_listed(clean), pictures)
    changed = [place for place in vector["whole"] if not _same(pictures.get(place), clean[place])]
    missing = [place for place in clean if place not in pictures]
    kept = {"whole": not changed, "pictures": not missing, "psnr": psnr >= vector["psnr_ffmpeg"] - _TOLERANCE}
    return {
        "name": vector["name"],
        "psnr": round(psnr, 3),
        "psnr_ffmpeg": vector["psnr_ffmpeg"],
        "changed": changed,
        "missing": missing,
        "error": said,
        "kept": {name: bool(value and not said) for name, value in kept.items()},
    }


def table(rows: Sequence[Row]) -> str:
    """A line for each stream, and one for all."""
    lines = [
        [
            row["name"],
            f"{row['psnr_ffmpeg']:.2f}",
            f"{row['psnr']:.2f}",
            *("yes" if row["kept"][name] else "**no**" for name in PROMISES),
            row["error"],
        ]
        for row in rows
    ]
    kept = [f"{sum(row['kept'][name] for row in rows)} of {len(rows)}" for name in PROMISES]
    mean = [f"{sum(row[name] for row in rows) / len(rows):.2f}" for name in ("psnr_ffmpeg", "psnr")]
    return markdown(["stream", "FFmpeg, dB", "decoder, dB", *PROMISES, "error"], [*lines, ["all", *mean, *kept, ""]])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concealment_suite", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write the streams and what is promised of them")
    making.add_argument("folder", type=Path)
    making.add_argument("--clips", nargs="*", default=[], help="names of evaluation clips (default: a made-up one)")
    making.add_argument("--seeds", type=int, default=2, help="seeds 1..N (default 2)")
    making.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    running = commands.add_parser("run", help="run a decoder over them; exit code 1 if a promise is broken")
    running.add_argument("folder", type=Path)
    running.add_argument("--decoder", default=CONCEAL, help="command with {in} and {out} (default: conceal)")
    running.add_argument("--timeout", type=float, default=300.0, help="seconds a stream may take (default 300)")
    running.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args(arguments)
    try:
        if options.command == "make":
            vectors = make(options.folder, options.clips, range(1, options.seeds + 1), options.cache)
            print(f"{len(vectors)} streams, {options.folder / NAME}")
            return 0
        if not {"{in}", "{out}"} <= set(shlex.split(options.decoder)):
            raise ValueError("--decoder needs {in} and {out} as words of their own")
        rows = [run(options.folder, vector, options.decoder, options.timeout) for vector in load(options.folder)]
    except (OSError, ValueError, RuntimeError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(table(rows))
    if options.json:
        options.json.write_text(
            json.dumps({"schema": SCHEMA, "decoder": options.decoder, "rows": rows}, indent=1) + "\n"
        )
    return 0 if all(all(row["kept"].values()) for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
