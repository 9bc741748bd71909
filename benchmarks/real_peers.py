"""What others' decoders make of the real profile: GStreamer's elements beside FFmpeg and `conceal`.

python -m benchmarks.real_peers            # everything; rows that are there already are skipped
python -m benchmarks.real_peers --quick    # two clips, one seed; results go to the cache folder

The damaged files of `benchmarks.real`, demultiplexed and parsed by GStreamer, decoded by every decoder element that is
installed, with its defaults, in a process of its own. A picture that never came out shows the one before.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av

from benchmarks.clips import pick
from benchmarks.metrics import Luma
from benchmarks.real import KEY, PICTURES, WAYS, DamagedStream, damaged_file, decode, from_zero, plan, sequence_psnr
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import default_cache, encoded
from benchmarks.tables import peers_table
from benchmarks.workers import run_all

_SOURCES = ("benchmarks/real.py", "benchmarks/real_peers.py", "pipelines/damage_cli.py", "concealer/loss")
_ELEMENTS = {"h264": ("avdec_h264", "openh264dec"), "hevc": ("avdec_h265", "libde265dec")}
_TITLES = ("rtp 3 %", "ts 1 %")
_PATIENCE_S = 60.0


def run_job(job: DamagedStream, element: str, sources: str, cache: Path) -> list[Row]:
    """What one decoder element makes of one stream, in this process's child."""
    stream = encoded(job.clip, job.encoding, cache)
    clean = [planes[0] for planes in stream.clean]
    with tempfile.TemporaryDirectory() as name:
        damaged = damaged_file(stream, job, Path(name))
        shown, ended = _through(damaged, job, element, Path(name) / "out.mkv")
    row = {
        **job.key,
        "element": element,
        "psnr": sequence_psnr(clean, from_zero(shown) if job.way.name == "ts" else shown),
        "pictures_in": len(clean),
        "pictures_out": len(shown),
        "ended": ended,
        "sources": sources,
    }
    return [rounded(row) | job.key]


def _through(damaged: Path, job: DamagedStream, element: str, out: Path) -> tuple[dict[int, Luma], str]:
    """Luma by output position, and how the pipeline ended: "well", "error", "crash" or "hang"."""
    codec = job.encoding.codec
    demultiplexer = "tsdemux" if job.way.name == "ts" else "qtdemux"
    parser = "h264parse" if codec == "h264" else "h265parse"
    words = ["gst-launch-1.0", "-q", "filesrc", f"location={damaged}", "!", demultiplexer, "!", parser, "!", element]
    words += ["!", "videoconvert", "!", "video/x-raw,format=I420", "!", "matroskamux", "!", "filesink"]
    try:
        done = subprocess.run([*words, f"location={out}"], capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return {}, "hang"
    ended = "well" if done.returncode == 0 else "crash" if done.returncode < 0 else "error"
    try:
        return decode(out), ended
    except (OSError, av.FFmpegError):  # not a picture came out
        return {}, ended


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_peers", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, one seed, 50 pictures")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 1..N (default 2)")
    parser.add_argument("--pictures", type=int, default=PICTURES, help=f"pictures a clip (default {PICTURES})")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/real_peers.json)")
    options = parser.parse_args(arguments)
    clips, seeds = pick(options.clips), list(range(1, options.seeds + 1))
    if options.quick:
        clips, seeds, options.pictures = clips[:2], seeds[:1], 50
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "real_peers.json"
    store = Store(out, command_line("benchmarks.real_peers"), (*KEY, "element"))
    sources = fingerprint(_SOURCES)
    ways = [way for way in WAYS if way.title in _TITLES]
    jobs = [
        (job, element, sources, options.cache)
        for job in plan(clips, seeds, ways, options.pictures)
        for element in _ELEMENTS[job.encoding.codec]
        if _installed(element) and not store.has(job.key | {"element": element, "sources": sources})
    ]
    failed = run_all(run_job, jobs, store.add, options.processes)
    print(peers_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


def _installed(element: str) -> bool:
    found = shutil.which("gst-inspect-1.0")
    return found is not None and subprocess.run([found, "--exists", element], check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
