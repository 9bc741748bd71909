"""Quality of concealment: clips x codecs x loss models x seeds x methods, against the clean decode.

python -m benchmarks.quality            # everything; rows that are there already are skipped
python -m benchmarks.quality --quick    # under two minutes; results go to the cache folder
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.channel import MODELS, SLICE, Loss, transmit
from benchmarks.clips import Clip, pick
from benchmarks.methods import Method, methods_for
from benchmarks.metrics import score
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded
from benchmarks.tables import quality_tables
from benchmarks.workers import run_all

SETS = ("main", "sweep", "models", "lookahead", "pictures")
KEY = ("clip", "codec", "structure", "settings", "pictures", "model", "rate", "detail", "seed", "method")
RATE = 0.03
SWEEP = (0.005, 0.01, 0.03, 0.05, 0.1, 0.2)
SWEEP_CLIPS = ("foreman", "hdtf", "cups")
MODEL_CLIPS = ("foreman", "retalk")
PICTURES = (Loss("picture", RATE), Loss("idr"))
"""Losses of whole access units."""
IDR_EVERY = 20
WHOLE = ("ffmpeg", "ffmpeg_corrupt", "freeze", "copy", "concealer", "ahead_2")
AHEAD = ("concealer", "ahead_1", "ahead_2", "ahead_3")
FEW = ("ffmpeg", "ffmpeg_corrupt", "copy", "concealer")


@dataclass(frozen=True)
class QualityJob:
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


def measure(stream: Stream, job: QualityJob, methods: Sequence[Method]) -> Iterator[Row]:
    """One row per method."""
    damaged = transmit(stream, job.loss, job.seed)
    clean = [planes[0] for planes in stream.clean]
    holes = damaged.holes(stream)
    for method in methods:
        played = method.play(stream, damaged)
        scores = score(clean, played.pictures, holes) if played.out else None
        yield {
            **job.key(method.name),
            **({} if scores is None else rounded(asdict(scores))),
            "pictures_in": len(stream.units),
            "pictures_arrived": len(damaged.samples),
            "pictures_out": played.out,
            "width": stream.width,
            "height": stream.height,
            "encoder": stream.writer,
            "damaged_pictures": sum(hole is not None for hole in holes),
        }


def run_job(job: QualityJob, names: Sequence[str], sources: dict[str, str], cache: Path) -> list[Row]:
    """Measure the methods `names` in this process."""
    stream = encoded(job.clip, job.encoding, cache)
    methods = methods_for(job.encoding.codec, names)
    return [row | {"sources": sources[str(row["method"])]} for row in measure(stream, job, methods)]


def plan(
    clips: Sequence[Clip], pictures: int, seeds: Sequence[int], sets: Sequence[str], methods: tuple[str, ...]
) -> list[QualityJob]:
    """All jobs, those of the main table first."""
    few = _among(FEW, methods)

    def jobs(
        names: Sequence[str], losses: Sequence[Loss], seeds: Sequence[int], methods: tuple[str, ...]
    ) -> list[QualityJob]:
        chosen = [clip for clip in clips if not names or clip.name in names] or list(clips[:1])
        return [
            QualityJob(clip, Encoding(codec, structure, pictures), loss, seed, methods)
            for clip in chosen
            for codec, structure in COMBINATIONS
            for loss in losses
            for seed in seeds
        ]

    planned = jobs((), [Loss(SLICE, RATE)], seeds, methods) if "main" in sets else []
    if "sweep" in sets:
        planned += jobs(SWEEP_CLIPS, [Loss(SLICE, rate) for rate in SWEEP], seeds[:2], few)
    if "models" in sets:
        planned += jobs(MODEL_CLIPS, MODELS, seeds[:2], few)
    if "lookahead" in sets:
        planned += jobs((), [Loss(SLICE, RATE)], seeds, _among(AHEAD, methods))
    if "pictures" in sets:
        lost_pictures, lost_idrs = PICTURES
        planned += jobs((), [lost_pictures], seeds[:2], _among(WHOLE, methods))
        planned += [
            replace(job, encoding=replace(job.encoding, gop=IDR_EVERY))
            for job in jobs((), [lost_idrs], seeds[:1], _among(WHOLE, methods))
        ]
    return planned


def _among(names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not wanted or name in wanted)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 24 pictures, few rates and models")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--methods", nargs="*", default=[], help="names of methods (default: all)")
    parser.add_argument("--sets", nargs="*", default=list(SETS), help=", ".join(SETS))
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
    todo: list[tuple[QualityJob, list[str], dict[str, str], Path]] = []
    planned: set[tuple[Clip, Encoding, Loss, int, str]] = set()
    for job in jobs:
        names = []
        for method in methods_for(job.encoding.codec, job.methods):
            place = (job.clip, job.encoding, job.loss, job.seed, method.name)
            known = store.has(job.key(method.name) | {"sources": sources[method.name]})
            if not known and place not in planned:
                planned.add(place)
                names.append(method.name)
        if names:
            todo.append((job, names, sources, options.cache))
    failed = run_all(run_job, todo, store.add, options.processes)
    print("\n\n".join(quality_tables(store.rows)))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
