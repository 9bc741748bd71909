"""Quality of concealment: clips x codecs x loss models x seeds x methods, against the clean decode.

python -m benchmarks.quality            # everything; rows that are there already are skipped
python -m benchmarks.quality --quick    # under two minutes; results go to the cache folder
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.channel import MODELS, SLICE, Loss, transmit
from benchmarks.clips import Clip, pick
from benchmarks.methods import Method, methods_for
from benchmarks.metrics import score
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded
from benchmarks.tables import quality_tables

KEY = ("clip", "codec", "structure", "settings", "pictures", "model", "rate", "detail", "seed", "method")
RATE = 0.03
SWEEP = (0.005, 0.01, 0.03, 0.05, 0.1, 0.2)
SWEEP_CLIPS = ("foreman", "hdtf", "cups")
MODEL_CLIPS = ("foreman", "retalk")
FEW = ("ffmpeg", "ffmpeg_corrupt", "copy", "concealer")


@dataclass(frozen=True)
class Job:
    """One damaged stream and the methods to try on it."""

    clip: Clip
    encoding: Encoding
    loss: Loss
    seed: int
    methods: tuple[str, ...]
    """Names; empty: all."""

    @property
    def title(self) -> str:
        encoding = f"{self.encoding.codec} {self.encoding.structure}"
        return f"{self.clip.name} {encoding} {self.loss.title} seed {self.seed}"

    def key(self, method: str) -> Row:
        """The fields that tell this measurement from others, without `sources`."""
        return {
            "clip": self.clip.name,
            "codec": self.encoding.codec,
            "structure": self.encoding.structure,
            "settings": self.encoding.settings,
            "pictures": self.encoding.pictures,
            "model": self.loss.model,
            "rate": self.loss.rate,
            "detail": self.loss.detail,
            "seed": self.seed,
            "method": method,
        }


def measure(stream: Stream, job: Job, methods: Sequence[Method]) -> Iterator[Row]:
    """One row per method."""
    damaged = transmit(stream, job.loss, job.seed)
    clean = [planes[0] for planes in stream.clean]
    holes = damaged.holes(stream)
    for method in methods:
        played = method.play(stream, damaged)
        scores = score(clean, played.pictures, holes) if played.out else None
        yield {
            **job.key(method.name),
            **({} if scores is None else asdict(scores)),
            "pictures_in": len(stream.units),
            "pictures_arrived": len(damaged.samples),
            "pictures_out": played.out,
            "width": stream.width,
            "height": stream.height,
            "encoder": stream.writer,
            "damaged_pictures": sum(hole is not None for hole in holes),
        }


def run_job(job: Job, names: Sequence[str], sources: dict[str, str], cache: Path) -> list[Row]:
    """Measure the methods `names` in this process."""
    stream = encoded(job.clip, job.encoding, cache)
    methods = methods_for(job.encoding.codec, names)
    return [row | {"sources": sources[str(row["method"])]} for row in measure(stream, job, methods)]


def plan(
    clips: Sequence[Clip], pictures: int, seeds: Sequence[int], sets: Sequence[str], methods: tuple[str, ...]
) -> list[Job]:
    """All jobs, those of the main table first."""
    main = [(clip, pair) for clip in clips for pair in COMBINATIONS]
    jobs = []
    if "main" in sets:
        loss = Loss(SLICE, RATE)
        for clip, (codec, structure) in main:
            jobs += [Job(clip, Encoding(codec, structure, pictures), loss, seed, methods) for seed in seeds]
    if "sweep" in sets:
        chosen = [clip for clip in clips if clip.name in SWEEP_CLIPS] or list(clips[:1])
        for clip, (codec, structure) in [(c, pair) for c in chosen for pair in COMBINATIONS]:
            for rate in SWEEP:
                loss = Loss(SLICE, rate)
                few = tuple(name for name in FEW if not methods or name in methods)
                jobs += [Job(clip, Encoding(codec, structure, pictures), loss, seed, few) for seed in seeds[:3]]
    if "models" in sets:
        chosen = [clip for clip in clips if clip.name in MODEL_CLIPS] or list(clips[:1])
        for clip, (codec, structure) in [(c, pair) for c in chosen for pair in COMBINATIONS]:
            for loss in MODELS:
                few = tuple(name for name in FEW if not methods or name in methods)
                jobs += [Job(clip, Encoding(codec, structure, pictures), loss, seed, few) for seed in seeds[:2]]
    return jobs


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 24 pictures, few rates and models")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--methods", nargs="*", default=[], help="names of methods (default: all)")
    parser.add_argument("--sets", nargs="*", default=["main", "sweep", "models"], help="main, sweep, models")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1..N (default 5)")
    parser.add_argument("--pictures", type=int, default=60, help="pictures a clip (default 60)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/quality.json)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    clips = pick(options.clips)
    seeds = list(range(1, options.seeds + 1))
    if options.quick:
        clips, seeds, options.pictures = clips[:2], seeds[:1], 24
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "quality.json"
    jobs = plan(clips, options.pictures, seeds, options.sets, tuple(options.methods))
    if options.quick:
        jobs = [job for job in jobs if job.loss.model != SLICE or job.loss.rate in (RATE, 0.1)]
    store = Store(out, command_line("benchmarks.quality"), KEY)
    sources = {m.name: fingerprint(m.rooms) for codec in ("h264", "hevc") for m in methods_for(codec)}
    todo: list[tuple[Job, list[str]]] = []
    for job in dict.fromkeys(jobs):
        names = [m.name for m in methods_for(job.encoding.codec, job.methods)]
        names = [name for name in names if not store.has(job.key(name) | {"sources": sources[name]})]
        if names:
            todo.append((job, names))
    _run(todo, store, sources, options.cache, options.processes)
    print("\n\n".join(quality_tables(store.rows)))
    print(f"\n{out}")
    return 0


def _run(todo: list[tuple[Job, list[str]]], store: Store, sources: dict[str, str], cache: Path, processes: int) -> None:
    started, done = time.monotonic(), 0
    # Forking after the decoder's threads have run is not safe.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_be_nice) as pool:
        running = {pool.submit(run_job, job, names, sources, cache): job for job, names in todo}
        for future in as_completed(running):
            store.add(future.result())
            done += 1
            left = (time.monotonic() - started) / done * (len(todo) - done)
            print(
                f"\r{done}/{len(todo)}  {left / 60:4.1f} min left  {running[future].title:60}",
                end="",
                file=sys.stderr,
            )
    print(file=sys.stderr)


def _be_nice() -> None:
    os.nice(5)


if __name__ == "__main__":
    raise SystemExit(main())
