"""Streams joined in their middle: what is shown first, when it is of use, and whether its flags are right.

python -m benchmarks.joins            # all clips and structures; about ten minutes
python -m benchmarks.joins --quick    # one clip; results go to the cache folder

Each stream is cut at 20 access units; what comes behind the cut is decoded by FFmpeg with output_corrupt (which shows
all that it has) and by the product. A picture is of use from `USEFUL` dB PSNR-Y against the decode of the whole stream
on; the decoders get the parameter sets, as RTSP and every container give them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.clips import Clip, pick, to_planes
from benchmarks.metrics import Luma, psnr_of, squared_error
from benchmarks.policy_tables import joins_table
from benchmarks.product import NETWORKS, product_repairer
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, Stream, default_cache, encoded, plain_decode
from benchmarks.workers import run_all
from concealer.bitstream import PARAMETER_SETS, join_annexb, nal_type, split_annexb
from concealer.decoder import DecodedPicture
from concealer.front_door import open_decoder
from pipelines.on_damage import DamagePolicy

KEY = ("clip", "codec", "structure", "settings", "pictures", "kind", "place")
PICTURES, PLACES = 150, 20
USEFUL = 29.0
"""dB."""
CLIPS = ("foreman", "carphone")
_SOURCES = ("concealer", "pipelines/on_damage.py", NETWORKS, "benchmarks/joins.py")
KINDS: dict[str, tuple[Codec, Encoding]] = {
    "x264 intra refresh": ("h264", Encoding("h264", "P", PICTURES, gop=60, slices=1, further="intra-refresh=1")),
    "x264 open GOP": ("h264", Encoding("h264", "B", PICTURES, gop=40, slices=1, further="open-gop=1")),
    "x264 GOP of 60": ("h264", Encoding("h264", "P", PICTURES, gop=60, slices=1)),
    "x265 intra refresh": ("hevc", Encoding("hevc", "P", PICTURES, gop=60, slices=1, further="intra-refresh=1")),
    "x265 open GOP": ("hevc", Encoding("hevc", "B", PICTURES, gop=40, slices=1, further="open-gop=1")),
    "x265 GOP of 60": ("hevc", Encoding("hevc", "P", PICTURES, gop=60, slices=1)),
}


@dataclass(frozen=True)
class Join:
    """One kind of stream of one clip, with all its cuts."""

    clip: Clip
    kind: str

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.kind}"

    def key(self, place: int) -> Row:
        """The fields that tell this measurement from others."""
        encoding = KINDS[self.kind][1]
        return {
            "clip": self.clip.name,
            "codec": encoding.codec,
            "structure": encoding.structure,
            "settings": encoding.settings,
            "pictures": encoding.pictures,
            "kind": self.kind,
            "place": place,
        }


def places(stream: Stream) -> list[int]:
    """Access units that streams are cut before, over the first two thirds; the first is no join."""
    last = len(stream.units) * 2 // 3
    return sorted({1 + round(number * last / PLACES) for number in range(PLACES)})


def joined(stream: Stream, place: int) -> list[tuple[bytes, int]]:
    """(payload, position) from an access unit on, with the stream's parameter sets before it."""
    codec = stream.encoding.codec
    sets = [nal for nal in split_annexb(stream.units[0].payload) if nal_type(codec, nal) in PARAMETER_SETS[codec]]
    first, *rest = [(unit.payload, unit.pts) for unit in stream.units[place:]]
    return [(join_annexb(sets) + first[0], first[1]), *rest]


def shown(codec: Codec, units: Sequence[tuple[bytes, int]], live: bool) -> tuple[list[DecodedPicture], int]:
    """What the product shows, and how many pictures it left out."""
    decoder = open_decoder(codec, repairer=product_repairer(), container_framed=True, live=live)
    policy = DamagePolicy()
    pictures = [one for payload, pts in units for one in decoder.decode(payload, pts=pts)] + decoder.flush()
    seen = [one for one in map(policy.shown, pictures) if one is not None]
    decoder.close()
    return seen, policy.dropped


def grey(luma: Luma) -> float:
    """Share of a picture that is flat mid-grey, which decoders put where they have no reference."""
    return float((np.abs(luma.astype(np.int16) - 128) <= 1).mean())


def measure(stream: Stream, place: int) -> Row:
    """One join; pictures count from the first access unit behind the cut, in output order."""
    codec, units = stream.encoding.codec, joined(stream, place)
    first = min(pts for _, pts in units)
    clean = [planes[0] for planes in stream.clean]
    stock = {pts: planes[0] for pts, planes in plain_decode(codec, units, {"flags": "+output_corrupt"}).items()}
    pictures, dropped = shown(codec, units, live=True)
    ours = {int(one.pts): to_planes(one.frame)[0] for one in pictures if one.pts is not None}
    flagged = {int(one.pts) for one in pictures if one.pts is not None and one.lacks_references}
    worth = {pts: psnr_of(squared_error(clean[pts], luma), luma.size) for pts, luma in ours.items()}
    before = [pts for pts in sorted(ours) if pts in flagged]
    return {
        "useful": _useful(clean, ours) - first,
        "useful_stock": _useful(clean, stock) - first,
        "first": min(ours, default=len(clean)) - first,
        "first_psnr": min(worth[min(ours)], 99.0) if ours else None,
        "first_clean": min((pts for pts in ours if pts not in flagged), default=len(clean)) - first,
        "invented": sum(one.synthesised for one in pictures),
        "grey": max((grey(ours[pts]) - grey(clean[pts]) for pts in ours), default=0.0),
        "grey_stock": max((grey(stock[pts]) - grey(clean[pts]) for pts in stock), default=0.0),
        "false_clean": sum(pts not in flagged and not np.array_equal(ours[pts], clean[pts]) for pts in ours),
        "worst_clean": min([99.0, *(worth[pts] for pts in ours if pts not in flagged)]),
        "flagged": len(before),
        "flagged_psnr": float(np.mean([min(worth[pts], 60.0) for pts in before])) if before else None,
        "flagged_psnr_stock": _mean(clean, stock, before),
        "shown": len(ours),
        "dropped": dropped,
        "units": len(units),
    }


def _useful(clean: Sequence[Luma], pictures: dict[int, Luma]) -> int:
    """Position of the first picture of use from which on all are."""
    worst = [pts for pts, luma in pictures.items() if psnr_of(squared_error(clean[pts], luma), luma.size) < USEFUL]
    after = [pts for pts in pictures if pts > max(worst, default=-1)]
    return min(after, default=len(clean))


def _mean(clean: Sequence[Luma], pictures: dict[int, Luma], among: Sequence[int]) -> float | None:
    found = [min(psnr_of(squared_error(clean[p], pictures[p]), clean[p].size), 60.0) for p in among if p in pictures]
    return float(np.mean(found)) if found else None


def run_job(job: Join, sources: str, cache: Path) -> list[Row]:
    """All cuts of one stream."""
    stream = encoded(job.clip, KINDS[job.kind][1], cache)
    about = {"width": stream.width, "height": stream.height, "encoder": stream.writer, "sources": sources}
    return [rounded({**job.key(place), **measure(stream, place), **about}) for place in places(stream)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.joins", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one clip; results go to the cache folder")
    parser.add_argument("--clips", nargs="*", default=list(CLIPS), help=f"names of clips (default: {', '.join(CLIPS)})")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/joins.json)")
    options = parser.parse_args(arguments)
    clips = pick(options.clips)[: 1 if options.quick else None]
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "joins.json"
    store, sources = Store(out, command_line("benchmarks.joins"), KEY), fingerprint(_SOURCES)
    jobs = [Join(clip, kind) for clip in clips for kind in options.kinds]
    todo = [(job, sources, options.cache) for job in jobs if not store.has(job.key(1) | {"sources": sources})]
    failed = run_all(run_job, todo, store.add, options.processes)
    print(joins_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
