"""`conceal --splice` against repair inside the decoder and FFmpeg: quality, growth, speed.

python -m benchmarks.splice            # everything; rows that are there already are skipped
python -m benchmarks.splice --quick    # two clips, one seed, 24 pictures; results go to the cache folder
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.channel import SLICE, Damaged, Loss, transmit
from benchmarks.clips import CUPS_720P, Clip, available, pick
from benchmarks.methods import Played, methods_for
from benchmarks.metrics import score
from benchmarks.product import product_repairer
from benchmarks.splice_tables import splice_tables
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded, plain_decode
from benchmarks.workers import run_all
from concealer.bitstream import join_annexb, split_annexb
from concealer.decoder import Settled
from concealer.front_door import open_decoder
from concealer.splice import SplicedUnit, Splicer
from concealer.standins import UnsupportedStandInError

KEY = ("measure", "clip", "codec", "structure", "settings", "pictures", "rate", "seed", "lookahead")
CODECS = ("h264", "hevc")
SPEED_FPS = 30
SPEED_LOOKAHEAD = (0, 2)
"""Nothing, and what files get where nothing is asked for."""
RATE = 0.03
LOSS = Loss(SLICE, RATE)


@dataclass(frozen=True)
class SpliceJob:
    """One damaged stream."""

    clip: Clip
    encoding: Encoding
    seed: int

    @property
    def title(self) -> str:
        return f"{self.clip.name} {self.encoding.codec} {self.encoding.structure} seed {self.seed}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {
            "measure": "quality",
            "clip": self.clip.name,
            "codec": self.encoding.codec,
            "structure": self.encoding.structure,
            "settings": self.encoding.settings,
            "pictures": self.encoding.pictures,
            "rate": RATE,
            "seed": self.seed,
        }


def spliced(stream: Stream, damaged: Damaged) -> list[SplicedUnit]:
    """The damaged stream made whole."""
    units: list[SplicedUnit] = []
    splicer = Splicer(stream.encoding.codec)

    def observe(picture: Settled) -> None:
        units.extend(splicer.settled(picture))

    decoder = open_decoder(
        stream.encoding.codec, repairer=product_repairer(), container_framed=damaged.framed, observe=observe
    )
    for sample in damaged.samples:
        decoder.decode(sample.payload, pts=sample.pts, gaps=sample.gaps, truncated=sample.truncated)
    decoder.flush()
    decoder.close()
    return units + splicer.flush()


def quality(stream: Stream, job: SpliceJob) -> Row:
    """Sequence PSNR of what stock FFmpeg makes of the spliced stream, of hooked repair and of FFmpeg alone."""
    damaged = transmit(stream, LOSS, job.seed)
    clean = [planes[0] for planes in stream.clean]
    holes = damaged.holes(stream)
    try:
        units = spliced(stream, damaged)
    except UnsupportedStandInError as error:
        return job.key | {"refused": str(error), "width": stream.width, "height": stream.height}
    pictures = plain_decode(job.encoding.codec, [(join_annexb(unit.nals), unit.pts) for unit in units])
    shown = Played([None if (p := pictures.get(n)) is None else p[0] for n in range(len(clean))], len(pictures))
    ffmpeg, hooked = methods_for(job.encoding.codec, ("ffmpeg", "concealer"))
    received = [nal.data for sample in damaged.samples for nal in split_annexb(sample.payload)]
    arrived = set(received)
    ours = {one.nal.data for unit in units for one in unit.written}
    left = [nal.data for unit in units for nal in unit.nals]
    row: Row = dict(job.key)
    for name, played in (
        ("spliced", shown),
        ("hooked", hooked.play(stream, damaged)),
        ("ffmpeg", ffmpeg.play(stream, damaged)),
    ):
        scores = asdict(score(clean, played.pictures, holes)) if played.out else {}
        row |= {f"{name}_{key}": value for key, value in scores.items()} | {f"{name}_out": played.out}
    forms: dict[str, int] = {}
    for one in (one for unit in units for one in unit.written):
        forms[one.form] = forms.get(one.form, 0) + 1
    return row | {
        "pictures_in": len(stream.units),
        "width": stream.width,
        "height": stream.height,
        "encoder": stream.writer,
        "received": len(received),
        "kept_identical": sum(nal in arrived for nal in left),
        "inserted": len(ours),
        "forms": forms,
        "bytes_in": sum(map(len, received)),
        "bytes_clean": len(stream.payload),
        "bytes_out": sum(map(len, left)),
    }


def run_quality(job: SpliceJob, sources: str, cache: Path) -> list[Row]:
    """Measure in this process."""
    return [rounded(quality(encoded(job.clip, job.encoding, cache), job)) | {"sources": sources}]


def speed(stream: Stream, times: int, seed: int, lookahead: int) -> Row:
    """Wall time of the command on the damaged stream, repeated `times` times as an elementary stream."""
    units = stream.units * times
    repeated = replace(stream, units=[replace(unit, pts=number) for number, unit in enumerate(units)])
    payload = b"".join(sample.payload for sample in transmit(repeated, LOSS, seed).samples)
    with tempfile.TemporaryDirectory(prefix="concealer-splice-") as folder:
        suffix = ".264" if stream.encoding.codec == "h264" else ".265"
        source, target = Path(folder) / f"in{suffix}", Path(folder) / f"out{suffix}"
        source.write_bytes(payload)
        command = [sys.executable, "-m", "pipelines.cli", "-q", "--splice", "--lookahead", str(lookahead)]
        started = time.perf_counter()
        subprocess.run([*command, str(source), str(target)], check=True)
        seconds = time.perf_counter() - started
        grown = target.stat().st_size / len(payload)
    length = len(units)
    return {"length": length, "seconds": seconds, "real_time": length / SPEED_FPS / seconds, "growth": grown - 1}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.splice", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 24 pictures")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1..N (default 5)")
    parser.add_argument("--pictures", type=int, default=60, help="pictures a clip (default 60)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/splice.json)")
    parser.add_argument("--only", choices=("quality", "speed"), help="one measure only")
    options = parser.parse_args(arguments)
    clips, seeds, times = pick(options.clips), list(range(1, options.seeds + 1)), 15
    if options.quick:
        clips, seeds, times, options.pictures = clips[:2], seeds[:1], 2, 24
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "splice.json"
    store = Store(out, command_line("benchmarks.splice"), KEY)
    sources = fingerprint(("concealer", "benchmarks/splice.py"))
    failed = 0
    if options.only in (None, "quality"):
        jobs = [
            SpliceJob(clip, Encoding(codec, structure, options.pictures), seed)
            for clip in clips
            for codec, structure in COMBINATIONS
            if codec in CODECS
            for seed in seeds
        ]
        todo = [(job, sources, options.cache) for job in jobs if not store.has(job.key | {"sources": sources})]
        failed = run_all(run_quality, todo, store.add, options.processes)
    if options.only in (None, "speed"):
        clip = available([CUPS_720P])[0]
        for codec, structure in COMBINATIONS:
            if codec in CODECS:
                stream = encoded(clip, Encoding(codec, structure, 60, slices=8), options.cache)
                size = {"width": stream.width, "height": stream.height, "encoder": stream.writer, "sources": sources}
                for lookahead in SPEED_LOOKAHEAD:
                    key = SpliceJob(clip, stream.encoding, 1).key | {"measure": "speed", "lookahead": lookahead}
                    store.add([key | size | rounded(speed(stream, times, 1, lookahead))])
    print("\n\n".join(splice_tables(store.rows)))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
