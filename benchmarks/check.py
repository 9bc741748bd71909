"""How fast `conceal check` is: by headers against real time, by decoding against FFmpeg's own decoder.

python -m benchmarks.check            # about three minutes
python -m benchmarks.check --quick    # shorter streams; results go to the cache folder
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median

import av

from benchmarks.check_tables import check_tables
from benchmarks.clips import CUPS_720P, available
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import FPS, Codec, Encoding, Stream, default_cache, encoded

KEY = ("measure", "codec", "slices", "container")
CASES: tuple[tuple[Codec, int, str], ...] = (
    ("h264", 1, ".ts"),
    ("h264", 4, ".ts"),
    ("hevc", 1, ".ts"),
    ("h264", 1, ".mp4"),
    ("hevc", 1, ".mkv"),
)
_DEPTH = 4
"""Pictures that a decoder holds back, more than enough."""


def write(path: Path, stream: Stream, times: int) -> None:
    """The stream over and over, in the container that the suffix names."""
    with (
        av.open(io.BytesIO(stream.payload), format=stream.encoding.codec) as raw,
        av.open(str(path), "w") as out,
    ):
        track = out.add_stream_from_template(raw.streams.video[0])
        track.time_base = Fraction(1, FPS)
        for number in range(times * len(stream.units)):
            turn, place = divmod(number, len(stream.units))
            packet = av.Packet(stream.units[place].payload)
            packet.stream, packet.time_base = track, Fraction(1, FPS)
            packet.pts = turn * len(stream.units) + stream.units[place].pts + _DEPTH
            packet.dts, packet.duration, packet.is_keyframe = number, 1, place == 0
            out.mux(packet)


def decode_plain(path: Path) -> int:
    """By PyAV with one thread; the number of pictures."""
    with av.open(str(path)) as opened:
        video = opened.streams.video[0]
        video.codec_context.thread_count = 1
        return sum(1 for _ in opened.decode(video))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time, child processes included."""
    began, used = time.perf_counter(), _processor_seconds()
    work()
    return time.perf_counter() - began, _processor_seconds() - used


def _processor_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _command(paths: Sequence[Path], *options: str) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "check", "-q", *options, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stdout:
        raise RuntimeError(f"check ended with {done.returncode}: {done.stdout.strip()} {done.stderr.strip()}")


def by_headers(path: Path, seconds: float, rounds: int) -> Row:
    """One file, start of the command included."""
    walls, processor = zip(*(timed(lambda: _command([path], "--fast")) for _ in range(rounds)), strict=True)
    return {
        "video_seconds": seconds,
        "wall_s": median(walls),
        "processor_s": median(processor),
        "times_real_time": seconds / median(walls),
        "times_by_processor": seconds / median(processor),
        "rounds": rounds,
    }


def by_decoding(paths: Sequence[Path], jobs: int, rounds: int) -> Row:
    """All files at once against one decoded by one thread, taken in turns."""
    ratios, processor, plains, checks = [], [], [], []
    for _ in range(rounds):
        plain, plain_processor = timed(lambda: decode_plain(paths[0]))
        check, check_processor = timed(lambda: _command(paths, "--jobs", str(jobs)))
        plains.append(plain)
        checks.append(check)
        ratios.append(len(paths) * plain / jobs / check)
        processor.append(len(paths) * plain_processor / check_processor)
    return {
        "files": len(paths),
        "jobs": jobs,
        "plain_s": median(plains),
        "check_s": median(checks),
        "speed_of_plain": median(ratios),
        "speed_by_processor": median(processor),
        "rounds": rounds,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.check", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter streams")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/check.json)")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "check.json"
    store = Store(out, command_line("benchmarks.check"), KEY)
    cores = len(os.sched_getaffinity(0))
    long, short, rounds = (20, 2, 1) if options.quick else (150, 10, 3)
    clip = available([CUPS_720P])[0]
    with tempfile.TemporaryDirectory(prefix="concealer-check-") as folder:
        for codec, slices, container in CASES:
            preset = "veryfast" if codec == "h264" else "ultrafast"
            # As long a group as the clip, so that every repetition begins with an IDR picture.
            encoding = Encoding(codec, "B", 60, preset=preset, slices=slices, further="open-gop=0")
            stream = encoded(clip, encoding, options.cache)
            path = Path(folder) / f"long{container}"
            write(path, stream, long)
            seconds = long * len(stream.units) / FPS
            rows = [("headers", by_headers(path, seconds, rounds))]
            rows[0][1]["bitrate"] = 8 * path.stat().st_size / seconds / 1e6
            paths = [Path(folder) / f"{number}{container}" for number in range(3 * cores)]
            for one in paths:
                write(one, stream, short)
            rows.append(("decoded", by_decoding(paths, cores, rounds)))
            head = {
                "clip": clip.name, "codec": codec, "slices": slices, "container": container, "width": stream.width,
                "height": stream.height, "settings": encoding.settings, "load_before": os.getloadavg()[0],
                "sources": fingerprint(("concealer", "pipelines", "benchmarks/check.py")),
            }  # fmt: skip
            store.add(rounded({"measure": name} | head | row) for name, row in rows)
    print("\n\n".join(check_tables(store.rows)))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
