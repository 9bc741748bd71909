"""Damage as it really comes: one slice a picture, packets lost, and for the most part nobody says where.

python -m benchmarks.real            # everything; rows that are there already are skipped
python -m benchmarks.real --quick    # two clips, one seed, few ways; results go to the cache folder

Everything goes through the commands users have: `conceal-damage` makes the damaged file, `conceal` repairs it to
lossless FFV1. Only where the place of a loss is known by byte, which no file says, the product's decoder is asked
directly. What counts is the gain over the better of FFmpeg's two outputs (as shipped, and with output_corrupt, one
thread), stream by stream.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.clips import Clip, pick, to_planes
from benchmarks.metrics import Luma, psnr_of, shown, squared_error
from benchmarks.product import NETWORKS, product_repairer
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, FPS, Codec, Encoding, Stream, default_cache, encoded
from benchmarks.tables import real_table
from benchmarks.workers import run_all
from concealer.bitstream import StreamParser
from concealer.front_door import open_decoder
from concealer.loss import Channel, RtpLoss, transmit
from pipelines import EncoderSettings, Settings, conceal_file
from pipelines.damage_cli import main as damage

KEY = ("clip", "codec", "structure", "settings", "pictures", "way", "rate", "seed")
GOP = 50
PICTURES = 100
_SOURCES = ("concealer", "pipelines", NETWORKS, "benchmarks/real.py")
_CORRUPT = {"flags": "+output_corrupt"}


@dataclass(frozen=True)
class Way:
    """How a stream is damaged."""

    name: str
    """"rtp" (fragments lost, the gap closed), "rtp known" (the same, with the places), "ts", "flips", "zeros",
    "first" (as "rtp", the first picture not spared)."""
    rate: float

    @property
    def title(self) -> str:
        """One line for people."""
        return f"{self.name} {100 * self.rate:g} %" if self.rate else self.name


JUDGED = ("rtp", "ts")
"""Ways that targets are set for, and every seed is run of."""
WAYS = (
    Way("rtp", 0.01),
    Way("rtp", 0.03),
    Way("rtp", 0.05),
    Way("rtp known", 0.03),
    Way("ts", 0.003),
    Way("ts", 0.01),
    Way("zeros", 0.03),
    Way("flips", 1e-5),
    Way("first", 0.03),
)


@dataclass(frozen=True)
class DamagedStream:
    """One damaged stream."""

    clip: Clip
    encoding: Encoding
    way: Way
    seed: int

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.encoding.codec} {self.encoding.structure} {self.way.title} seed {self.seed}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {
            "clip": self.clip.name,
            "codec": self.encoding.codec,
            "structure": self.encoding.structure,
            "settings": self.encoding.settings,
            "pictures": self.encoding.pictures,
            "way": self.way.name,
            "rate": self.way.rate,
            "seed": self.seed,
        }


def run_job(job: DamagedStream, sources: str, cache: Path) -> list[Row]:
    """Measure one job in this process."""
    stream = encoded(job.clip, job.encoding, cache)
    clean = [planes[0] for planes in stream.clean]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if job.way.name == "rtp known":
            damaged, ours = _known_places(stream, job, folder)
        else:
            damaged = damaged_file(stream, job, folder)
            out = folder / "ours.mkv"
            settings = Settings(encoder=EncoderSettings("ffv1"), overwrite=True, always_encode=True)
            conceal_file(str(damaged), str(out), settings)
            ours = decode(out)
        stock = {kind: decode(damaged, options) for kind, options in (("stock", {}), ("corrupt", _CORRUPT))}
    if job.way.name == "ts":  # its times do not begin at 0, and the first picture is spared
        ours, stock = from_zero(ours), {kind: from_zero(pictures) for kind, pictures in stock.items()}
    scores = {kind: sequence_psnr(clean, pictures) for kind, pictures in (stock | {"ours": ours}).items()}
    best = max(scores["stock"], scores["corrupt"])
    row = {
        **job.key,
        **scores,
        "gain": scores["ours"] - best,
        "pictures_in": len(clean),
        "pictures_out": len(ours),
        "pictures_stock": max(len(pictures) for pictures in stock.values()),
        "width": stream.width,
        "height": stream.height,
        "encoder": stream.writer,
        "sources": sources,
    }
    return [rounded(row) | job.key]  # a rate of bits is not to be rounded away


def sequence_psnr(clean: Sequence[Luma], pictures: dict[int, Luma]) -> float:
    """Mean PSNR-Y in dB over all pictures; one that never came out shows the one before, at the start black."""
    if not pictures:
        pictures = {0: np.zeros_like(clean[0])}
    seen = shown([pictures.get(place) for place in range(len(clean))])
    return float(np.mean([psnr_of(squared_error(a, b), a.size) for a, b in zip(clean, seen, strict=True)]))


def from_zero(pictures: dict[int, Luma]) -> dict[int, Luma]:
    """The same with the first at 0."""
    first = min(pictures, default=0)
    return {place - first: luma for place, luma in pictures.items()}


def decode(path: Path, options: dict[str, str] | None = None) -> dict[int, Luma]:
    """Luma by output position as libavcodec decodes a file with one thread."""
    return {place: to_planes(frame)[0] for place, frame in frames_of(path, options)}


def frames_of(path: Path, options: dict[str, str] | None = None) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames with their output positions, by their times, as libavcodec decodes a file with one thread."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        if options:
            video.codec_context.options = options
        for packet in container.demux(video):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                if frame.time is not None:
                    yield round(frame.time * FPS), frame


def write(stream: Stream, path: Path) -> None:
    """The undamaged stream in a container, as libavformat muxes it."""
    raw = io.BytesIO(stream.payload)
    with av.open(raw, format=stream.encoding.codec) as source, av.open(str(path), "w") as container:
        track = container.add_stream_from_template(source.streams.video[0])
        for index, unit in enumerate(stream.units):
            packet = av.Packet(unit.payload)
            packet.stream, packet.time_base = track, Fraction(1, 90_000)
            packet.pts, packet.dts = unit.pts * 90_000 // FPS, (index - 3) * 90_000 // FPS
            packet.duration = 90_000 // FPS
            packet.is_keyframe = index % stream.encoding.gop == 0
            container.mux(packet)


def damaged_file(stream: Stream, job: DamagedStream, folder: Path) -> Path:
    """The file in `folder` that `conceal-damage` makes of `stream`; RuntimeError if it fails."""
    way, suffix = job.way, ".ts" if job.way.name == "ts" else ".mp4"
    whole, out = folder / f"whole{suffix}", folder / f"damaged{suffix}"
    write(stream, whole)
    options = {
        "rtp": ["--model", "rtp", "--closed-up", "--rate", str(way.rate)],
        "first": ["--model", "rtp", "--closed-up", "--no-spare-first", "--rate", str(way.rate)],
        "ts": ["--model", "ts", "--rate", str(way.rate)],
        "flips": ["--model", "flips", "--rate", str(way.rate)],
        "zeros": ["--model", "zeros", "--rate", str(way.rate)],
    }[way.name]
    if damage(["-q", str(whole), str(out), "--seed", str(job.seed), *options]):
        raise RuntimeError(f"conceal-damage failed on {job.title}")
    return out


def _known_places(stream: Stream, job: DamagedStream, folder: Path) -> tuple[Path, dict[int, Luma]]:
    """The damaged file for FFmpeg, and what the product's decoder makes of the same bytes when told the places."""
    codec: Codec = stream.encoding.codec
    parser = StreamParser(codec, None, container_framed=True)
    units = [unit for sent in stream.units for unit in parser.push(sent.payload, pts=sent.pts)] + parser.flush()
    channel: Channel = RtpLoss(job.way.rate, seed=job.seed, closed_up=True)
    received, _ = transmit(units, channel)
    decoder = open_decoder(codec, repairer=product_repairer(), container_framed=True, lookahead=2)
    pictures = []
    path = folder / f"damaged.{'264' if codec == 'h264' else '265'}"
    for part in received:
        if part.payload:
            pictures += decoder.decode(part.payload, pts=part.pts, gaps=part.gaps)
    pictures += decoder.flush()
    decoder.close()
    arrived = [unit for unit in received if unit.payload]
    kept = Stream(
        stream.clip,
        stream.encoding,
        [type(stream.units[0])(unit.payload, int(unit.pts or 0)) for unit in arrived],
        stream.width,
        stream.height,
    )
    path = folder / "damaged.mp4"
    write(kept, path)
    luma = {int(p.pts): to_planes(p.frame)[0] for p in pictures if p.pts is not None}
    return path, luma


def plan(clips: Sequence[Clip], seeds: Sequence[int], ways: Sequence[Way], pictures: int) -> list[DamagedStream]:
    """All jobs."""
    return [
        DamagedStream(clip, Encoding(codec, structure, pictures, gop=GOP, slices=1), way, seed)
        for seed in seeds
        for way in ways
        if seed == seeds[0] or way.name in JUDGED
        for clip in clips
        for codec, structure in COMBINATIONS
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 50 pictures, two ways")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--ways", nargs="*", default=[], help='as in the table, e.g. "rtp 3 %%" (default: all)')
    parser.add_argument("--codec", choices=("h264", "hevc"), help="one codec only")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1..N; for ways of no target one (default 5)")
    parser.add_argument("--pictures", type=int, default=PICTURES, help=f"pictures a clip (default {PICTURES})")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/real.json)")
    options = parser.parse_args(arguments)
    clips, seeds = pick(options.clips), list(range(1, options.seeds + 1))
    ways = [way for way in WAYS if not options.ways or way.title in options.ways]
    if options.quick:
        clips, seeds, options.pictures, ways = clips[:2], seeds[:1], 50, [WAYS[1], WAYS[5]]
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "real.json"
    store, sources = Store(out, command_line("benchmarks.real"), KEY), fingerprint(_SOURCES)
    jobs = [
        job
        for job in plan(clips, seeds, ways, options.pictures)
        if options.codec in (None, job.encoding.codec) and not store.has(job.key | {"sources": sources})
    ]
    failed = run_all(run_job, [(job, sources, options.cache) for job in jobs], store.add, options.processes)
    print(real_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
