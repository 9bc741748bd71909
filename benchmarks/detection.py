"""Block precision and recall of every class of damage, against the channel's record and the clean decode.

python -m benchmarks.detection            # everything; rows that are there already are skipped
python -m benchmarks.detection --quick    # two clips, one seed; results go to the cache folder
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.channel import FLIPS, GONE_BYTES, SLICE, Damaged, Loss, Sample, transmit
from benchmarks.clips import Clip, pick
from benchmarks.methods import by_position, decode
from benchmarks.metrics import Luma
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded
from benchmarks.tables import detection_table
from benchmarks.workers import run_all
from concealer.damage import BLOCK, Damage
from concealer.decoder import DecodedPicture

KEY = ("clip", "codec", "structure", "settings", "pictures", "model", "rate", "detail", "seed", "class")
Blocks = npt.NDArray[np.bool_]
VISIBLE = 8
"""Sample errors above this count as visible."""
_ROOMS = ("concealer/bitstream", "concealer/decoder", "concealer/loss", "benchmarks/detection.py")


@dataclass
class Counts:
    """Blocks told apart."""

    hit: int = 0
    false: int = 0
    missed: int = 0

    def add(self, found: Blocks, true: Blocks, judged: Blocks | None = None) -> None:
        """`judged`: blocks that count at all."""
        if judged is not None:
            found, true = found & judged, true & judged
        self.hit += int(np.count_nonzero(found & true))
        self.false += int(np.count_nonzero(found & ~true))
        self.missed += int(np.count_nonzero(~found & true))

    def row(self) -> Row:
        found, true = self.hit + self.false, self.hit + self.missed
        return {
            "hit": self.hit,
            "false": self.false,
            "missed": self.missed,
            "precision": self.hit / found if found else None,
            "recall": self.hit / true if true else None,
        }


def block_error(a: Luma, b: Luma) -> npt.NDArray[np.uint8]:
    """(rows, cols) greatest absolute difference in every 16x16 block."""
    difference = cv2.absdiff(a, b)
    rows, cols = (-(-size // BLOCK) for size in difference.shape)
    padded = np.zeros((rows * BLOCK, cols * BLOCK), np.uint8)
    padded[: difference.shape[0], : difference.shape[1]] = difference
    return np.asarray(padded.reshape(rows, BLOCK, cols, BLOCK).max((1, 3)), np.uint8)


def luma_of(picture: DecodedPicture) -> Luma:
    """Cropped luma of a decoded 8-bit picture, a view."""
    plane = picture.frame.planes[0]
    rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]  # type: ignore[call-overload]
    luma: Luma = rows.reshape(plane.height, plane.line_size)[: plane.height & ~1, : plane.width & ~1]
    return luma


def lost_blocks(stream: Stream, damaged: Damaged) -> Counts:
    """Dropped slices: the map's *lost* blocks against the channel's record."""
    counts = Counts()
    pictures = by_position(decode(stream, damaged, None), len(stream.units))
    for index, unit in enumerate(stream.units):
        true = damaged.record.truth(index).lost
        picture = pictures[unit.pts]
        found = np.zeros_like(true) if picture is None else picture.damage.state == Damage.LOST
        counts.add(found, true)
    return counts


def tainted_blocks(stream: Stream, damaged: Damaged) -> tuple[Counts, Counts]:
    """Propagated damage outside holes, unrepaired: blocks with any error, and with one above `VISIBLE`."""
    every, visible = Counts(), Counts()
    pictures = by_position(decode(stream, damaged, None, track_taint=True), len(stream.units))
    for index, unit in enumerate(stream.units):
        picture = pictures[unit.pts]
        if picture is None:
            continue
        truth = damaged.record.truth(index)
        outside = ~(truth.lost | truth.broken | picture.damage.hole)
        error = block_error(luma_of(picture), stream.clean[unit.pts][0])
        found = picture.damage.state == Damage.TAINTED
        every.add(found, error > 0, outside)
        visible.add(found, error > VISIBLE, outside)
    return every, visible


def broken_blocks(stream: Stream, damaged: Damaged, most: int) -> Counts:
    """Wrong bytes: the map's hole against those blocks of damaged slices that decode differently from clean.

    Each damaged access unit is decoded behind undamaged ones, so that nothing but its own damage is seen.
    Of the stream's damaged access units at most `most` are tried, spread evenly.
    """
    counts = Counts()
    hit = [unit.index for unit in damaged.record.damaged if not unit.dropped and unit.index > 0]
    chosen = [hit[i] for i in np.unique(np.linspace(0, len(hit) - 1, min(most, len(hit))).astype(int))] if hit else []
    for index in chosen:
        truth = damaged.record.truth(index)
        if not truth.exact or not truth.broken.any():
            continue
        before = [Sample(unit.payload, unit.pts) for unit in stream.units[:index]]
        alone = replace(damaged, samples=[*before, *(s for s in damaged.samples if s.unit == index)])
        pts = stream.units[index].pts
        picture = next((p for p in decode(stream, alone, None) if p.pts == pts), None)
        error = (
            np.full(truth.broken.shape, 255, np.uint8)
            if picture is None
            else block_error(luma_of(picture), stream.clean[pts][0])
        )
        found = np.zeros_like(truth.broken) if picture is None else picture.damage.hole
        counts.add(found, (error > 0) & truth.broken, ~truth.lost)
    return counts


@dataclass(frozen=True)
class DetectionJob:
    """One damaged stream."""

    clip: Clip
    encoding: Encoding
    loss: Loss
    seed: int

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.encoding.codec} {self.encoding.structure} {self.loss.title} seed {self.seed}"

    def key(self, kind: str) -> Row:
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
            "class": kind,
        }


def classes(loss: Loss) -> tuple[str, ...]:
    """What is measured on a stream with this kind of damage."""
    if loss.model == SLICE:
        return "lost", "tainted", f"tainted, errors above {VISIBLE}"
    return (f"broken, {'known' if loss.gaps_known else 'unknown'} place",)


def run_job(job: DetectionJob, cache: Path, most: int, sources: str) -> list[Row]:
    """Measure one damaged stream in this process."""
    stream = encoded(job.clip, job.encoding, cache)
    return [row | {"sources": sources} for row in _measure(stream, job, most)]


def _measure(stream: Stream, job: DetectionJob, most: int) -> Iterator[Row]:
    damaged = transmit(stream, job.loss, job.seed)
    names = classes(job.loss)
    if job.loss.model == SLICE:
        every, visible = tainted_blocks(stream, damaged)
        found = [lost_blocks(stream, damaged), every, visible]
    else:
        found = [broken_blocks(stream, damaged, most)]
    for name, counts in zip(names, found, strict=True):
        yield job.key(name) | rounded(counts.row()) | {"encoder": stream.writer}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 24 pictures")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1..N (default 5)")
    parser.add_argument("--pictures", type=int, default=60, help="pictures a clip (default 60)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/detection.json)")
    options = parser.parse_args(arguments)
    clips, seeds, most = pick(options.clips), range(1, options.seeds + 1), 8
    if options.quick:
        clips, seeds, options.pictures, most = clips[:2], range(1, 2), 24, 4
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "detection.json"
    store = Store(out, command_line("benchmarks.detection"), KEY)
    sources = fingerprint(_ROOMS)
    jobs = [
        DetectionJob(clip, Encoding(codec, structure, options.pictures), loss, seed)
        for clip in clips
        for codec, structure in COMBINATIONS
        for loss in (Loss(SLICE, 0.03), GONE_BYTES, FLIPS)
        for seed in (seeds if loss.model == SLICE else seeds[:3])
    ]
    todo = [
        (job, options.cache, most, sources)
        for job in jobs
        if not all(store.has(job.key(kind) | {"sources": sources}) for kind in classes(job.loss))
    ]
    failed = run_all(run_job, todo, store.add, options.processes)
    print(detection_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
