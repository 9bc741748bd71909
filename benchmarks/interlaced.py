"""Interlaced H.264 as users run it: packets of a transport stream lost, `conceal` against FFmpeg.

python -m benchmarks.interlaced            # everything; rows that are there already are skipped
python -m benchmarks.interlaced --quick    # one stream of each kind, one rate, one seed; results go to the cache folder

Streams coded in fields (PAFF) and in turns of fields and frames are conformance streams, as x264 does not write them;
of MBAFF there are such, and clips coded by x264, each as it is (one moment a picture) and woven of two moments.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Literal

import av
import av.filter
import numpy as np

from benchmarks.clips import CLIPS, Plane, Planes, clip_folder, load, to_frame
from benchmarks.interlaced_tables import interlaced_table
from benchmarks.metrics import Luma
from benchmarks.real import damage, decode, from_zero, sequence_psnr
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import FPS, default_cache
from benchmarks.workers import run_all
from concealer.bitstream import StreamParser, join_annexb
from pipelines import EncoderSettings, Settings, conceal_file
from pipelines.writing.x264 import reproducible

KEY = ("clip", "structure", "rate", "seed")
RATES = (0.001, 0.003)
SEEDS = 4
_PICTURES = 60
_SOURCES = ("concealer", "pipelines", "benchmarks/interlaced.py")
_CORRUPT = {"flags": "+output_corrupt"}
_TICKS = 90_000 // FPS

Kind = Literal["paff", "mbaff", "mixed"]


@dataclass(frozen=True)
class InterlacedStream:
    """One undamaged stream."""

    kind: Kind
    name: str
    file: str = ""
    """Of a conformance stream; "" for a clip coded by x264."""
    clip: str = ""
    order: str = "tff"
    """x264's name for the order of fields."""
    woven: bool = False
    """The fields of a picture show two moments."""


STREAMS = (
    InterlacedStream("paff", "Freh7_B", "Freh7_B.264"),
    InterlacedStream("paff", "freh4", "freh4.264"),
    InterlacedStream("paff", "freh6", "freh6.264"),
    InterlacedStream("mbaff", "FREXT01_JVC_D", "FREXT01_JVC_D.264"),
    InterlacedStream("mbaff", "HCAMFF1_HHI", "HCAMFF1_HHI.264"),
    InterlacedStream("mbaff", "foreman tff woven", clip="foreman", woven=True),
    InterlacedStream("mbaff", "city bff woven", clip="city", order="bff", woven=True),
    InterlacedStream("mbaff", "schoolgirls bff woven", clip="schoolgirls", order="bff", woven=True),
    InterlacedStream("mbaff", "retalk tff", clip="retalk"),
    InterlacedStream("mixed", "HCAFF1_HHI", "HCAFF1_HHI.264"),
    InterlacedStream("mixed", "FRExt2_Panasonic", "FRExt2_Panasonic.avc"),
    InterlacedStream("mixed", "FRExt4_Panasonic", "FRExt4_Panasonic.avc"),
)


@dataclass(frozen=True)
class Job:
    """One stream, damaged in one way."""

    stream: InterlacedStream
    rate: float
    number: int
    """Of the seed, among those that hit the stream."""

    @property
    def title(self) -> str:
        """One line for people."""
        return f"{self.stream.name} ts {100 * self.rate:g} % seed {self.number}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {"clip": self.stream.name, "structure": self.stream.kind, "rate": self.rate, "seed": self.number}


def run_job(job: Job, sources: str, cache: Path) -> list[Row]:
    """Measure one job in this process."""
    whole = transport_stream(job.stream, cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        damaged, seed = damaged_file(whole, job, folder)
        out = folder / "ours.mkv"
        settings = Settings(encoder=EncoderSettings("ffv1"), overwrite=True, always_encode=True)
        result = conceal_file(str(damaged), str(out), settings)
        found = {"ours": decode(out), "stock": decode(damaged), "corrupt": decode(damaged, _CORRUPT)}
    clean = from_zero(decode(whole))
    pictures = {kind: from_zero(one) for kind, one in found.items()}
    truth = [clean[place] for place in sorted(clean)]
    scores = {kind: sequence_psnr(truth, one) for kind, one in pictures.items()}
    row = {
        **job.key,
        **scores,
        "gain": scores["ours"] - max(scores["stock"], scores["corrupt"]),
        "channel_seed": seed,
        "repaired": result.totals.repaired,
        "pictures_in": len(truth),
        "pictures_out": len(pictures["ours"]),
        "pictures_stock": max(len(pictures["stock"]), len(pictures["corrupt"])),
        "width": truth[0].shape[1],
        "height": truth[0].shape[0],
        "sources": sources,
    }
    return [rounded(row) | job.key]


def damaged_file(whole: Path, job: Job, folder: Path) -> tuple[Path, int]:
    """The file that `conceal-damage` makes of `whole` with the seed of this number among those that change it, and
    that seed; RuntimeError if it fails."""
    hits = 0
    for seed in count(1):
        out = folder / f"damaged{seed}.ts"
        arguments = ["-q", str(whole), str(out), "--model", "ts", "--rate", str(job.rate), "--seed", str(seed)]
        if damage(arguments):
            raise RuntimeError(f"conceal-damage failed on {job.title}")
        hits += out.stat().st_size < whole.stat().st_size
        if hits == job.number:
            return out, seed
        out.unlink()
    raise AssertionError


def transport_stream(stream: InterlacedStream, cache: Path) -> Path:
    """The undamaged stream, one access unit (both fields of a frame) a packet, as libavformat muxes it."""
    path = cache / f"interlaced-{stream.name.replace(' ', '-')}.ts"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.ts")
    if not stream.file:
        _encode(stream, part)
    else:
        folder = clip_folder()
        if folder is None:
            raise FileNotFoundError(f"{stream.file} is not at hand")
        _remux(folder.parent / "damaged_streams" / stream.file, part)
    part.replace(path)
    return path


def _remux(source: Path, target: Path) -> None:
    parser = StreamParser("h264")
    units = parser.push(source.read_bytes()) + parser.flush()
    places = {order: place for place, order in enumerate(sorted(unit.order for unit in units))}
    with av.open(str(source)) as raw, av.open(str(target), "w") as container:
        track = container.add_stream_from_template(raw.streams.video[0])
        for index, unit in enumerate(units):
            packet = av.Packet(join_annexb(unit.nals))
            packet.stream, packet.time_base = track, Fraction(1, 90_000)
            packet.pts, packet.dts = places[unit.order] * _TICKS, (index - 4) * _TICKS
            packet.is_keyframe = unit.kind == "I" or index == 0
            container.mux(packet)


def _encode(stream: InterlacedStream, target: Path) -> None:
    clip = next(clip for clip in CLIPS if clip.name == stream.clip)
    pictures = load(clip, 2 * _PICTURES if stream.woven else _PICTURES)
    if stream.woven:
        pictures = [weave(a, b, stream.order) for a, b in zip(pictures[::2], pictures[1::2], strict=False)]
    height, width = (side & ~31 for side in pictures[0][0].shape)
    with av.open(str(target), "w") as container:
        options = {"preset": "medium", "crf": "23", "x264-params": reproducible(f"{stream.order}=1:keyint=30:slices=1")}
        track = container.add_stream("libx264", rate=FPS, options=options)
        track.width, track.height, track.pix_fmt = width, height, "yuv420p"
        track.codec_context.thread_count = 1
        flags = _field_order(track, stream.order)
        for index, planes in enumerate(pictures):
            cut = [plane[: height >> (n > 0), : width >> (n > 0)] for n, plane in enumerate(planes)]
            frame = to_frame((cut[0], cut[1], cut[2]))
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            flags.push(frame)
            flagged = flags.pull()
            assert isinstance(flagged, av.VideoFrame)
            container.mux(track.encode(flagged))
        container.mux(track.encode(None))


def _field_order(track: av.VideoStream, order: str) -> av.filter.Graph:
    """A filter that flags frames with their order of fields, which is what libavcodec has x264 code."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=track.width, height=track.height, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, FPS)
    )
    graph.link_nodes(source, graph.add("setfield", order), graph.add("buffersink")).configure()
    return graph


def weave(first: Planes, second: Planes, order: str) -> Planes:
    """A picture of two moments: the rows of one field from `first`, those of the other from `second`."""
    return _woven(first[0], second[0], order), _woven(first[1], second[1], order), _woven(first[2], second[2], order)


def _woven(first: Plane, second: Plane, order: str) -> Plane:
    made: Luma = np.empty_like(first)
    early = 0 if order == "tff" else 1
    made[early::2], made[1 - early :: 2] = first[early::2], second[1 - early :: 2]
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    return run_streams("interlaced", __doc__, run_job, _SOURCES, interlaced_table, arguments)


def run_streams(
    name: str,
    about: str,
    measure: Callable[[Job, str, Path], list[Row]],
    rooms: Sequence[str],
    table: Callable[[Sequence[Row]], str],
    arguments: Sequence[str] | None,
    seeds: int = SEEDS,
) -> int:
    """The command line of a benchmark on these streams; the exit code.

    measure: a job, fingerprint of the sources, folder of undamaged streams -> its rows. rooms: what the rows hang on.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one stream of each kind, one rate, one seed")
    parser.add_argument("--streams", nargs="*", default=[], help="names of streams (default: all)")
    parser.add_argument("--seeds", type=int, default=seeds, help="seeds that hit the stream (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for undamaged streams")
    parser.add_argument("--out", type=Path, help=f"results file (default: benchmarks/results/{name}.json)")
    options = parser.parse_args(arguments)
    streams = [stream for stream in STREAMS if not options.streams or stream.name in options.streams]
    rates: tuple[float, ...] = RATES
    if options.quick:
        streams, options.seeds, rates = [STREAMS[0], STREAMS[5], STREAMS[9]], 1, RATES[1:]
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / f"{name}.json"
    store, sources = Store(out, command_line(f"benchmarks.{name}"), KEY), fingerprint(rooms)
    jobs = [Job(stream, rate, number + 1) for number in range(options.seeds) for rate in rates for stream in streams]
    jobs = [job for job in jobs if not store.has(job.key | {"sources": sources})]
    for stream in {job.stream: None for job in jobs}:
        transport_stream(stream, options.cache)
    failed = run_all(measure, [(job, sources, options.cache) for job in jobs], store.add, options.processes)
    print(table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
