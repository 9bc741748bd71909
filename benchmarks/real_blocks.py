"""Block recall and precision on the real profile: one slice a picture, packets lost, the place known and unknown.

python -m benchmarks.real_blocks            # everything; rows that are there already are skipped
python -m benchmarks.real_blocks --quick    # two clips, one seed; results go to the cache folder

The product's decoder repairs the damaged stream. Beside it a decoder gets every access unit whole, but its references
are made the repaired ones: what differs then is the damage of the picture itself, and nothing that was handed down.
Motion vectors are handed down too, so HEVC is encoded without temporal ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.channel import Damaged, Loss, parse, through, transmit
from benchmarks.clips import Clip, pick
from benchmarks.detection_tables import blocks_table
from benchmarks.real import GOP
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import COMBINATIONS, Codec, Encoding, Stream, Structure, default_cache, encoded
from benchmarks.workers import run_all
from concealer.bitstream import AccessUnit, join_annexb
from concealer.damage import BLOCK, DamageMap
from concealer.decoder import Follower, Settled
from concealer.front_door import open_decoder
from concealer.loss import RtpLoss
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Repairer

KEY = ("clip", "codec", "structure", "settings", "pictures", "way", "rate", "place", "seed")
PICTURES = 100
VISIBLE = 2.0
"""Mean absolute difference of a block above which it is visibly wrong."""
SURE = 0.5
"""Belief from which a block counts as marked; the rest is doubted less than trusted."""
WAYS = (("rtp", 0.03), ("ts", 0.01))
PLACES = ("known", "unknown")
_ROOMS = ("concealer", "benchmarks/real_blocks.py")
_Blocks = npt.NDArray[np.bool_]
Planes = tuple[npt.NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Job:
    """One damaged stream, repaired once."""

    clip: Clip
    encoding: Encoding
    way: str
    """"rtp": fragments lost and the gap closed; "ts": transport stream packets lost."""
    rate: float
    place: str
    """"known": sequence numbers or counters tell where; "unknown"."""
    seed: int

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.encoding.codec} {self.encoding.structure} {self.way} {self.place} {self.seed}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        shared: Row = {"clip": self.clip.name, "codec": self.encoding.codec, "structure": self.encoding.structure}
        shared |= {"settings": self.encoding.settings, "pictures": self.encoding.pictures}
        return shared | {"way": self.way, "rate": self.rate, "place": self.place, "seed": self.seed}


class Judge(Protocol):
    """Counts what is found in pictures, of which it is told in decoding order."""

    def add(self, seen: Planes, right: Planes, damage: DamageMap) -> None:
        """A picture that arrived in part. seen: its planes before repair; right: those that it should have had."""

    def add_whole(self, seen: Planes, damage: DamageMap) -> None:
        """A picture that arrived whole."""


@dataclass
class Found:
    """Counts of blocks over damaged pictures that arrived in part, and marks on pictures that arrived whole."""

    visible: int = 0
    visible_found: int = 0
    wrong: int = 0
    wrong_found: int = 0
    marked: int = 0
    marked_any: int = 0
    """With those doubted less than trusted."""
    visible_any: int = 0
    """Visibly wrong ones among them."""
    on_whole: int = 0
    """Blocks marked in pictures that arrived whole, however little they are doubted."""
    judged: int = 0
    """Damaged pictures."""

    def add(self, seen: Planes, right: Planes, damage: DamageMap) -> None:
        """As `Judge.add`."""
        off = block_difference(seen[0], right[0])
        rows, cols = off.shape
        hole, sure = damage.hole[:rows, :cols], believed(damage)[:rows, :cols]
        visible, wrong = off > VISIBLE, off > 0
        self.visible += int(visible.sum())
        self.visible_found += int((visible & sure).sum())
        self.wrong += int(wrong.sum())
        self.wrong_found += int((wrong & sure).sum())
        self.marked += int(sure.sum())
        self.marked_any += int(hole.sum())
        self.visible_any += int((visible & hole).sum())
        self.judged += 1

    def add_whole(self, seen: Planes, damage: DamageMap) -> None:
        """As `Judge.add_whole`."""
        self.on_whole += int(damage.hole.sum())


def believed(damage: DamageMap) -> _Blocks:
    """Blocks that are rather believed wrong than right."""
    return damage.hole if damage.belief is None else damage.hole & (damage.belief >= SURE)


class _Before(Repairer):
    """Keeps each damaged picture as it was before its repair."""

    planes: Planes | None = None

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        self.planes = tuple(plane.copy() for plane in picture.planes)
        return super().__call__(picture, damage, references, outlook)


@dataclass
class _Truth:
    """The decoder that gets everything, on the repaired references."""

    units: Sequence[AccessUnit]
    damaged: frozenset[int | None]
    """Times of the pictures that did not arrive whole."""
    repairer: _Before
    follower: Follower
    judge: Judge
    _next: int = 0
    _lost: bool = False

    def settled(self, picture: Settled) -> None:
        """An observer of the product's decoder."""
        before, self.repairer.planes = self.repairer.planes, None
        unit = self._unit(picture)
        if unit is None or not picture.planes or picture.damage is None:
            return
        right = self.follower.decode(join_annexb(unit.nals)).buffer
        if right is None or [p.shape for p in right.planes] != [p.shape for p in picture.planes]:
            return
        seen = picture.planes if before is None else before
        if picture.au is not None and not self._lost:
            if picture.pts in self.damaged:
                self.judge.add(seen, right.planes, picture.damage)
            else:
                self.judge.add_whole(seen, picture.damage)
        for own, shown in zip(right.planes, picture.planes, strict=True):
            np.copyto(own, shown)

    def _unit(self, picture: Settled) -> AccessUnit | None:
        """The whole access unit of a picture; those that gave none are passed over, reference pictures never."""
        for place in range(self._next, len(self.units)):
            unit = self.units[place]
            known = picture.pts is not None and picture.au is not None
            if unit.pts == picture.pts if known else unit.order == picture.order:
                passed = self.units[self._next : place]
                self._lost = (self._lost or any(one.is_reference for one in passed)) and not unit.is_irap
                self._next = place + 1
                return unit
        self._lost = True
        return None


def run_job(job: Job, sources: str, cache: Path) -> list[Row]:
    """Measure one damaged stream in this process."""
    stream, found = encoded(job.clip, job.encoding, cache), Found()
    follow(stream, job, found)
    return [{**job.key, **vars(found), "encoder": stream.writer, "sources": sources}]


def follow(stream: Stream, job: Job, judge: Judge) -> None:
    """Damage a stream, decode and repair it, and tell `judge` of every picture that can be held against its own whole
    access unit."""
    units = parse(stream)
    damaged = _damaged(stream, job)
    hit = frozenset(units[one.index].pts for one in damaged.record.damaged)
    repairer = _Before()
    truth = _Truth(units, hit, repairer, Follower(job.encoding.codec, 3, ()), judge)
    decoder = open_decoder(
        job.encoding.codec,
        repairer=repairer,
        container_framed=damaged.framed,
        lookahead=2,
        observe=truth.settled,
    )
    for payload, pts, gaps, truncated in _payloads(damaged, job):
        decoder.decode(payload, pts=pts, gaps=gaps, truncated=truncated)
    decoder.flush()
    decoder.close()
    truth.follower.close()


def _damaged(stream: Stream, job: Job) -> Damaged:
    if job.way == "ts":
        return transmit(stream, Loss("ts", job.rate, gaps_known=True), job.seed)
    return through(stream, RtpLoss(job.rate, seed=job.seed, closed_up=True), job.place == "known")


def _payloads(damaged: Damaged, job: Job) -> Iterator[tuple[bytes, int | None, tuple[int, ...], bool]]:
    if job.way == "ts" and job.place == "unknown":  # as libavformat's demuxer has them
        for payload, pts in damaged.demuxed:
            yield payload, pts, (), False
        return
    for sample in damaged.samples:
        yield sample.payload, sample.pts, sample.gaps, sample.truncated


def block_difference(ours: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(rows, cols) mean absolute difference of each whole block of luma."""
    rows, cols = (side // BLOCK for side in right.shape)
    off = np.abs(ours.astype(np.int16) - right)[: rows * BLOCK, : cols * BLOCK]
    return np.asarray(off.reshape(rows, BLOCK, cols, BLOCK).mean((1, 3)), np.float32)


def plan(clips: Sequence[Clip], seeds: Sequence[int], pictures: int) -> list[Job]:
    """All jobs."""
    return [
        Job(clip, encoding_of(codec, structure, pictures), way, rate, place, seed)
        for seed in seeds
        for way, rate in WAYS
        for place in PLACES
        for clip in clips
        for codec, structure in COMBINATIONS
    ]


def encoding_of(codec: Codec, structure: Structure, pictures: int) -> Encoding:
    """One slice a picture, and nothing that is inherited from damage but samples and vectors."""
    further = "temporal-mvp=0" if codec == "hevc" else ""
    return Encoding(codec, structure, pictures, gop=GOP, slices=1, further=further)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_blocks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 50 pictures")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 1..N (default 2)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/real_blocks.json)")
    options = parser.parse_args(arguments)
    clips, seeds, pictures = pick(options.clips), range(1, options.seeds + 1), PICTURES
    if options.quick:
        clips, seeds, pictures = clips[:2], range(1, 2), 50
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "real_blocks.json"
    store, sources = Store(out, command_line("benchmarks.real_blocks"), KEY), fingerprint(_ROOMS)
    jobs = [job for job in plan(clips, seeds, pictures) if not store.has(job.key | {"sources": sources})]
    failed = run_all(run_job, [(job, sources, options.cache) for job in jobs], store.add, options.processes)
    print(blocks_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
