"""What concealment costs: the hook on undamaged streams, the repair of one picture, memory.

python -m benchmarks.latency            # about three minutes
python -m benchmarks.latency --quick    # fewer rounds, shorter streams; results go to the cache folder
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

from benchmarks.channel import MOST_KEPT, MostOfSlice, drop_one_slice, parse, through
from benchmarks.clips import CUPS_720P, ROAD_1080P, available
from benchmarks.methods import decode
from benchmarks.product import product_repairer
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import COMBINATIONS, Codec, Encoding, Stream, default_cache, encoded
from benchmarks.tables import latency_tables
from concealer.bitstream import h264, hevc
from concealer.damage import DamageMap
from concealer.decoder.hook import padded_packet
from concealer.front_door import open_decoder
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Repairer
from concealer.standins import h264 as h264_standins
from concealer.standins import hevc as hevc_standins
from pipelines.generative import choice_or_none

KEY = ("measure", "clip", "codec", "structure", "settings", "pictures", "threads", "damage", "lookahead")
_LAUNCHER = (
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
    "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
"""A process inherits the peak memory of the one it was forked from, so this small one starts the command."""


def decode_plain(stream: Stream, threads: int, kind: str = "SLICE") -> int:
    """Decode with PyAV alone; the number of pictures. kind: of its threads, "SLICE" or "FRAME"."""
    context = av.CodecContext.create(stream.encoding.codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count, context.thread_type = threads, kind
    count = 0
    for unit in stream.units:
        packet = padded_packet(unit.payload)
        packet.pts = unit.pts
        count += len(context.decode(packet))
    return count + len(context.decode(None))


def decode_hooked(stream: Stream, threads: int) -> int:
    """Decode with `ConcealingDecoder`, ready to repair; the number of pictures."""
    decoder = open_decoder(stream.encoding.codec, repairer=product_repairer(), container_framed=True, threads=threads)
    count = 0
    for unit in stream.units:
        count += len(decoder.decode(unit.payload, pts=unit.pts))
    count += len(decoder.flush())
    decoder.close()
    return count


def hook_cost(stream: Stream, threads: int, rounds: int) -> Row:
    """Time per picture of both, taken in turns; the ratio is the median of the rounds' ratios."""
    plain, hooked = [], []
    for turn in range(rounds + 1):
        pair: dict[Any, float] = {}
        for run in (decode_plain, decode_hooked) if turn % 2 else (decode_hooked, decode_plain):
            started = time.perf_counter()
            count = run(stream, threads)
            pair[run] = (time.perf_counter() - started) * 1e3 / len(stream.units)
            if count != len(stream.units):
                raise RuntimeError(f"{run.__name__}: {count} pictures of {len(stream.units)}")
        if turn:  # the first is to warm up
            plain.append(pair[decode_plain])
            hooked.append(pair[decode_hooked])
    ratios = [b / a for a, b in zip(plain, hooked, strict=True)]
    return {
        "plain_ms": median(plain),
        "hooked_ms": median(hooked),
        "ratio": median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "rounds": rounds,
    }


class _Timed(Repairer):
    """Times its repairs, in milliseconds."""

    def __init__(self) -> None:
        super().__init__(choice=choice_or_none("auto", "auto"))
        self.times: list[float] = []

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        started = time.perf_counter()
        outcome = super().__call__(picture, damage, references, outlook)
        self.times.append((time.perf_counter() - started) * 1e3)
        return outcome


def repair_cost(stream: Stream, rounds: int) -> Row:
    """Wall time of each repair of a picture that lost one slice; another slice in every third picture."""
    repairer = _Timed()
    for turn in range(rounds):
        decode(stream, drop_one_slice(stream, every=3, first=turn + 1), repairer)
    times = repairer.times
    steady = times[1:]  # the first call loads and warms up
    return {
        "repairs": len(steady),
        "first_ms": times[0],
        "median_ms": median(steady),
        "p95_ms": float(np.percentile(steady, 95)),
        "p99_ms": float(np.percentile(steady, 99)),
    }


def damaged_picture_cost(stream: Stream, lookahead: int, rounds: int) -> Row:
    """What an access unit that lost one slice, or nearly all of its only one, costs more than others: stand-in, repair,
    vectors, scout.

    Time of the call that decodes it and of the one behind it, which measures the vectors, less twice the median of the
    calls that decode undamaged ones.
    """
    extra: list[float] = []
    for turn in range(rounds):
        if stream.encoding.slices == 1:
            damaged = through(stream, MostOfSlice(every=6, first=turn + 3), gaps_known=True)
        else:
            damaged = drop_one_slice(stream, every=6, first=turn + 3)
        hit = {entry.index + lookahead for entry in damaged.record.damaged}
        decoder = open_decoder(
            stream.encoding.codec, repairer=product_repairer(), container_framed=True, lookahead=lookahead
        )
        times = []
        for sample in damaged.samples:
            started = time.perf_counter()
            decoder.decode(sample.payload, pts=sample.pts, gaps=sample.gaps, truncated=sample.truncated)
            times.append((time.perf_counter() - started) * 1e3)
        decoder.flush()
        decoder.close()
        usual = median(spent for call, spent in enumerate(times) if call not in hit and call - 1 not in hit)
        # The first loads and warms up, and starts the scout.
        extra += [times[call] + times[call + 1] - 2 * usual for call in sorted(hit)[1:] if call + 1 < len(times)]
    return {
        "lookahead": lookahead,
        "damaged": len(extra),
        "median_ms": median(extra),
        "p95_ms": float(np.percentile(extra, 95)),
    }


def standin_cost(stream: Stream, rounds: int) -> Row:
    """Time to write a slice with motion, another vector for every block of 16x16, for one of eight slices."""
    rng = np.random.default_rng(0)
    au = next(unit for unit in parse(stream)[2:] if unit.kind == "P" and len(unit.slices) > 1)
    header = au.slices[1].header
    first, end = (piece.first or 0 for piece in au.slices[1:3])
    times = []
    for _ in range(20 * rounds):
        blocks = rng.integers(-30, 30, (1, -(-au.height // 16), -(-au.width // 16), 2)).astype(np.int16)
        started = time.perf_counter()
        if isinstance(header, hevc.SliceHeader):
            motion = blocks.repeat(2, 1).repeat(2, 2)[:, : au.height // 8, : au.width // 8]
            hevc_standins.inter_standin(header, first, end, motion)
        elif isinstance(header, h264.SliceHeader):
            h264_standins.inter_standin(header, first, end, blocks)
        times.append((time.perf_counter() - started) * 1e3)
    return {"slices": len(times), "median_ms": median(times), "p95_ms": float(np.percentile(times, 95))}


def peak_memory(stream: Stream, times: int, arguments: Sequence[str] = ()) -> Row:
    """Peak resident memory and time of `conceal` on the damaged stream repeated `times` times."""
    payload = b"".join(s.payload for s in drop_one_slice(stream, every=10, first=3).samples) * times
    with tempfile.TemporaryDirectory(prefix="concealer-memory-") as folder:
        suffix = ".264" if stream.encoding.codec == "h264" else ".265"
        source, target = Path(folder) / f"in{suffix}", Path(folder) / "out.mkv"
        source.write_bytes(payload)
        command = [sys.executable, "-m", "pipelines.cli", "-q", *arguments, str(source), str(target)]
        launch = [sys.executable, "-c", _LAUNCHER, *command]
        started = time.perf_counter()
        done = subprocess.run(launch, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - started
        code, kilobytes = (int(word) for word in done.stdout.split()[-2:])
        if code:
            raise RuntimeError(f"conceal ended with {code}: {done.stderr.strip()}")
    return {"peak_mb": kilobytes / 1024, "seconds": seconds, "length": times * len(stream.units)}


def _row(measure: str, stream: Stream, threads: int, damage: str, values: Row) -> Row:
    return {
        "measure": measure,
        "clip": stream.clip.name,
        "width": stream.width,
        "height": stream.height,
        "codec": stream.encoding.codec,
        "structure": stream.encoding.structure,
        "settings": stream.encoding.settings,
        "pictures": len(stream.units),
        "threads": threads,
        "damage": damage,
        "encoder": stream.writer,
        "sources": fingerprint(("concealer", "pipelines", "benchmarks/latency.py")),
    } | rounded(values)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter streams")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/latency.json)")
    parser.add_argument("--only", choices=("hook", "repair", "damaged", "memory"), help="one measure only")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "latency.json"
    store = Store(out, command_line("benchmarks.latency"), KEY)
    pictures, rounds = (24, 3) if options.quick else (60, 9)
    cores = len(os.sched_getaffinity(0))
    clip, tall = (available([wanted])[0] for wanted in (CUPS_720P, ROAD_1080P))

    def stream_of(codec: Codec, structure: Any) -> Stream:
        return encoded(clip, Encoding(codec, structure, pictures, slices=8), options.cache)

    if options.only in (None, "hook"):
        for codec, structure in COMBINATIONS:
            stream = stream_of(codec, structure)
            for threads in (1,) if codec == "h264" else tuple(dict.fromkeys((1, cores))):
                store.add([_row("hook", stream, threads, "none", hook_cost(stream, threads, rounds))])
    if options.only in (None, "repair"):
        for codec, structure in COMBINATIONS:
            stream = stream_of(codec, structure)
            cost = repair_cost(stream, max(1, rounds // 3))
            store.add([_row("repair", stream, 1, "one of eight slices in every third picture", cost)])
    if options.only in (None, "damaged"):
        for codec, structure in COMBINATIONS:
            stream = stream_of(codec, structure)
            for lookahead in (0, 2):
                cost = damaged_picture_cost(stream, lookahead, max(1, rounds // 3))
                store.add([_row("damaged picture", stream, 1, "one of eight slices in every sixth picture", cost)])
            for large in (clip, tall) if structure == "P" else ():
                one_slice = encoded(large, Encoding(codec, structure, pictures, slices=1), options.cache)
                cost = damaged_picture_cost(one_slice, 0, max(1, rounds // 3))
                what = f"all but {MOST_KEPT} bytes of the slice of every sixth picture"
                store.add([_row("large hole", one_slice, 1, what, cost)])
            if structure == "P":
                store.add([_row("stand-in", stream, 1, "one of eight slices", standin_cost(stream, rounds))])
    if options.only in (None, "memory"):
        for codec in ("h264", "hevc"):
            preset = "veryfast" if codec == "h264" else "ultrafast"
            long = Encoding(codec, "B", 12 if options.quick else 48, preset=preset, slices=8)
            stream = encoded(tall, long, options.cache)
            for times in (1, 4):
                memory = peak_memory(stream, times, ["--preset", "ultrafast"])
                damage = f"one of eight slices in every tenth picture, {memory['length']} pictures"
                store.add([_row("memory", stream, cores, damage, memory)])
    print("\n\n".join(latency_tables(store.rows)))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
