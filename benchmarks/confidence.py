"""How true confidence is: of the pictures that are called 0.9, nine in ten should be worth what a repair promises.

python -m benchmarks.confidence            # everything; rows that are there already are skipped
python -m benchmarks.confidence --quick    # two clips, one seed; results go to the cache folder

The evaluation clips were not used to fit it. Every picture that damage touches, by itself or through what it is
predicted from, counts once; those that are called untouched must be exactly as they were sent.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.channel import Damaged, Loss, through, transmit
from benchmarks.clips import Clip, pick, to_planes
from benchmarks.methods import by_position, decode
from benchmarks.metrics import psnr_of, squared_error
from benchmarks.policy_tables import BINS, confidence_table
from benchmarks.product import NETWORKS, product_repairer
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import COMBINATIONS, Codec, Encoding, Stream, Structure, default_cache, encoded
from benchmarks.workers import run_all
from concealer.loss import RtpLoss
from concealer.outcome import PROMISED, SLACK

KEY = ("clip", "codec", "structure", "settings", "pictures", "way", "rate", "seed")
PICTURES, GOP = 48, 24
RATES = (0.01, 0.03, 0.05)
WAYS = ("slices", "packets", "packets, place known", "pictures")
_SOURCES = ("concealer", "concealer/decoder/promising/model.json", NETWORKS, "benchmarks/confidence.py")


@dataclass(frozen=True)
class DamagedStream:
    """One damaged stream."""

    clip: Clip
    encoding: Encoding
    way: str
    """One of `WAYS`: slices of many a picture, packets of one slice a picture, whole pictures."""
    rate: float
    seed: int

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.encoding.codec} {self.encoding.structure} {self.way} {self.rate} {self.seed}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {
            "clip": self.clip.name,
            "codec": self.encoding.codec,
            "structure": self.encoding.structure,
            "settings": self.encoding.settings,
            "pictures": self.encoding.pictures,
            "way": self.way,
            "rate": self.rate,
            "seed": self.seed,
        }


def damage(stream: Stream, job: DamagedStream) -> Damaged:
    """What arrives of it."""
    if job.way.startswith("packets"):
        return through(stream, RtpLoss(job.rate, seed=job.seed, closed_up=True), "known" in job.way)
    return transmit(stream, Loss("slice" if job.way == "slices" else "picture", job.rate), job.seed)


def run_job(job: DamagedStream, sources: str, cache: Path) -> list[Row]:
    """One row: pictures by bin of confidence, and how many of them kept the promise."""
    stream = encoded(job.clip, job.encoding, cache)
    shown = by_position(decode(stream, damage(stream, job), product_repairer(), lookahead=2), len(stream.units))
    bins = [[0, 0.0, 0] for _ in BINS[1:]]
    errors: list[float] = []
    untouched = changed = 0
    for clean, picture in zip(stream.clean, shown, strict=True):
        if picture is None:
            continue
        luma = to_planes(picture.frame)[0]
        if picture.confidence == 1.0:
            untouched += 1
            changed += not np.array_equal(luma, clean[0])
            continue
        worth = min(psnr_of(squared_error(clean[0], luma), luma.size), 55.0)
        place = int(np.searchsorted(BINS, picture.confidence, side="right")) - 1
        bins[place][0] += 1
        bins[place][1] += picture.confidence
        bins[place][2] += worth >= PROMISED - SLACK
        if picture.promise is not None:
            errors.append(abs(min(picture.promise.expected_psnr, 55.0) - worth))
    return [
        {
            **job.key,
            "bins": [[count, round(said, 3), kept] for count, said, kept in bins],
            "expected_error": round(float(np.mean(errors)), 3) if errors else None,
            "within_1": sum(error <= 1.0 for error in errors),
            "touched": sum(count for count, _, _ in bins),
            "untouched": untouched,
            "changed": changed,
            "width": stream.width,
            "height": stream.height,
            "encoder": stream.writer,
            "sources": sources,
        }
    ]


def _encoding(codec: Codec, structure: Structure, way: str) -> Encoding:
    return Encoding(codec, structure, PICTURES, gop=GOP, slices=int("packets" in way))


def plan(clips: Sequence[Clip], seeds: Sequence[int]) -> list[DamagedStream]:
    """All jobs: every way with every structure of every clip, the rates in turns."""
    turns = list(product(seeds, clips, COMBINATIONS, WAYS))
    return [
        DamagedStream(clip, _encoding(codec, structure, way), way, RATES[turn % len(RATES)], seed)
        for turn, (seed, clip, (codec, structure), way) in enumerate(turns)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.confidence", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed; results go to the cache folder")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--seeds", type=int, default=1, help="seeds 1..N (default 1)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/confidence.json)")
    options = parser.parse_args(arguments)
    clips = pick(options.clips)[: 2 if options.quick else None]
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "confidence.json"
    store, sources = Store(out, command_line("benchmarks.confidence"), KEY), fingerprint(_SOURCES)
    jobs = plan(clips, range(1, options.seeds + 1))
    todo = [(job, sources, options.cache) for job in jobs if not store.has(job.key | {"sources": sources})]
    failed = run_all(run_job, todo, store.add, options.processes)
    print(confidence_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
