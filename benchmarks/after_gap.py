"""What arrived behind a gap in a picture: how much of it is shown as it was sent.

python -m benchmarks.after_gap            # two clips, nine kinds of stream; rows that are there already are skipped
python -m benchmarks.after_gap --quick    # one clip, two pictures; results go to the cache folder

One picture of each stream is damaged, in one place, and compared with the undamaged decode: every slice and every tile
of which no byte was touched must come out as it was sent. Blocks beside damage are not counted as wrong, because loop
filters reach over borders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.arrived import WAYS, Way, arrived
from benchmarks.clips import Clip, pick
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, Stream, default_cache, encoded
from benchmarks.tables import distinct, markdown, mean, number, select
from benchmarks.tiled import Tiling, tiled
from benchmarks.workers import run_all

KEY = ("kind", "clip", "way", "pictures", "hits")
CLIPS = ("foreman", "flower")
AFTER_GAP_HEAD = (
    "One picture of each stream is damaged in one place: 40 to 400 bytes set to 0 (*zeros*), one to three packets of a "
    "transport stream or of RTP lost (*ts*, *rtp*), or all that follows (*cut*). *Whole*: blocks of 16x16 in slices or "
    "tiles of which nothing is missing. *Repainted*: those named lost or broken all the same. *Wrong*: those shown "
    "otherwise than sent, farther than a block from damage, where no loop filter reaches; beside it the same of FFmpeg "
    "with output_corrupt. The dB are those of the damaged picture. No encoder at hand makes tiles: their streams are "
    "written with the writers of stand-ins, and decoded by FFmpeg without complaint."
)
_SOURCES = ("concealer", "benchmarks/after_gap.py", "benchmarks/arrived.py", "benchmarks/tiled.py")
_PICTURES = 12
_FIRST = 4
"""Pictures before it show where slices start."""


@dataclass(frozen=True)
class Kind:
    """One kind of stream."""

    name: str
    codec: Codec
    slices: int = 1
    further: str = ""
    tiling: Tiling | None = None

    def stream(self, clip: Clip, cache: Path) -> Stream:
        if self.tiling is not None:
            return tiled(clip, self.tiling, _PICTURES, cache)
        encoding = Encoding(self.codec, "P", _PICTURES, slices=self.slices, further=self.further)
        return encoded(clip, encoding, cache)


_TILINGS = (
    Tiling(2, 2, "one"),
    Tiling(4, 3, "one"),
    Tiling(2, 2, "one", across=False),
    Tiling(2, 2, "each"),
    Tiling(2, 2, "dependent"),
)
KINDS = (
    *(Kind(f"HEVC, {tiling.name}", "hevc", tiling=tiling) for tiling in _TILINGS),
    Kind("HEVC, 4 slices", "hevc", 4),
    Kind("HEVC, 2 slices", "hevc", 2),
    Kind("H.264 CABAC, 8 slices", "h264", 8),
    Kind("H.264 CAVLC, 8 slices", "h264", 8, "cabac=0"),
)


@dataclass(frozen=True)
class Job:
    """One stream, damaged in each way, `hits` times."""

    kind: Kind
    clip: Clip
    hits: int

    @property
    def title(self) -> str:
        return f"{self.kind.name} {self.clip.name}"

    def key(self, way: Way) -> Row:
        """The fields that tell a measurement from others."""
        return {
            "kind": self.kind.name,
            "clip": self.clip.name,
            "way": way,
            "pictures": _PICTURES,
            "hits": self.hits,
        }


def run_job(job: Job, sources: str, cache: Path) -> list[Row]:
    """Measure one job in this process."""
    stream = job.kind.stream(job.clip, cache)
    rows = []
    for way in WAYS:
        rng = np.random.default_rng(1)
        places = rng.integers(_FIRST, _PICTURES, job.hits).tolist()
        found = [asdict(arrived(stream, place, way, rng)) for place in places]
        row: Row = {name: sum(one[name] for one in found) for name in ("whole", "repainted", "wrong", "wrong_in_stock")}
        row |= {name: mean([one[name] for one in found]) for name in ("psnr", "psnr_stock")}
        rows.append(rounded(job.key(way) | row | {"sources": sources, "encoder": stream.writer}))
    return rows


def after_gap_table(rows: Sequence[Row]) -> str:
    """Blocks by kind of stream and way of damage, all clips together."""
    lines = []
    for kind in distinct(rows, "kind"):
        for way in distinct(rows, "way"):
            part = select(rows, kind=kind, way=way)
            if not part:
                continue
            sums = [sum(row[name] for row in part) for name in ("whole", "repainted", "wrong", "wrong_in_stock")]
            dbs = [number(mean([row[name] for row in part]), 1) for name in ("psnr", "psnr_stock")]
            lines.append([kind, way, *(f"{count:,}" for count in sums), *dbs])
    head = ["stream", "damage", "whole", "repainted", "wrong", "wrong in FFmpeg", "dB", "dB of FFmpeg"]
    return markdown(head, lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.after_gap", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one clip, two pictures")
    parser.add_argument("--hits", type=int, default=12, help="damaged pictures of each stream and way (default 12)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/after_gap.json)")
    options = parser.parse_args(arguments)
    clips = pick(CLIPS)
    if options.quick:
        clips, options.hits = clips[:1], 2
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "after_gap.json"
    store, sources = Store(out, command_line("benchmarks.after_gap"), KEY), fingerprint(_SOURCES)
    jobs = [Job(kind, clip, options.hits) for kind in KINDS for clip in clips]
    jobs = [job for job in jobs if not all(store.has(job.key(way) | {"sources": sources}) for way in WAYS)]
    failed = run_all(run_job, [(job, sources, options.cache) for job in jobs], store.add, options.processes)
    print(after_gap_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
