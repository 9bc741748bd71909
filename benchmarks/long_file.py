"""A two-hour recording with twenty damaged groups of pictures: what changes of it, how long that takes, what plays it.

python -m benchmarks.long_file            # about forty minutes on two cores, 8 GB of temporary files
python -m benchmarks.long_file --quick    # four minutes of video; results go to the cache folder

All video is encoded anew of a shorter recording of the same kind only, with as much damage for its length; its time is
extrapolated by length.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np

from benchmarks.check import timed
from benchmarks.clips import to_planes
from benchmarks.long_media import GOP, RATE, TURN, Recording, write_long
from benchmarks.long_players import in_chromium, in_ffmpeg, in_gstreamer
from benchmarks.long_tables import long_tables
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import FPS, default_cache

KEY = ("measure", "output", "jobs")
_MARGIN = 0.6
"""Seconds that are played before and behind a damaged group."""
_WHITE = 230
"""Mean luma from which a picture is the white one."""
_LOUD = 0.1


def conceal(source: Path, target: Path, output: str, jobs: int) -> Row:
    """One run of the command, its start included."""
    command = [sys.executable, "-m", "pipelines.cli", "-q", "-y", "--output", output]
    command += ["--jobs", str(jobs), str(source), str(target)]
    load = os.getloadavg()[0]

    def run() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"conceal ended with {done.returncode}: {done.stderr.strip()}")

    wall, processor = timed(run)
    return {"wall_s": wall, "processor_s": processor, "load_before": load, "bytes": target.stat().st_size}


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _groups(path: Path) -> Iterator[tuple[str, int]]:
    """Of each group of pictures: a hash of its packets and their times, and how many there are."""
    with av.open(str(path)) as container:
        packets = (packet for packet in container.demux(video=0) if packet.size)
        while group := list(islice(packets, GOP)):
            summed = hashlib.sha256()
            for packet in group:
                summed.update(bytes(packet))
                summed.update(str((packet.pts, packet.dts)).encode())
            yield summed.hexdigest(), len(group)


def kept(source: Path, target: Path, recording: Recording) -> Row:
    """How many of the groups without damage are the same, byte for byte and at the same time."""
    same = whole = pictures = 0
    damaged = set(recording.damaged_groups)
    for number, (before, after) in enumerate(zip(_groups(source), _groups(target), strict=True)):
        pictures += after[1]
        if number not in damaged:
            whole += 1
            same += before == after
    others = [_others(path) for path in (source, target)]
    return {"whole_groups": whole, "same_groups": same, "pictures": pictures, "others_same": others[0] == others[1]}


def _others(path: Path) -> str:
    """A hash of sound and subtitles with their times; MP4's own empty subtitles left out."""
    summed = hashlib.sha256()
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type != "video"]
        for packet in container.demux(streams):
            if packet.size > (2 if packet.stream.type == "subtitle" else 0):
                seconds = None if packet.pts is None else float(packet.pts * packet.time_base)
                summed.update(f"{packet.stream.type} {seconds}".encode())
                summed.update(bytes(packet))
    return summed.hexdigest()


def out_of_step(path: Path) -> float:
    """Milliseconds by which the last burst of sound begins behind the last white picture; NaN if there is none."""
    with av.open(str(path)) as container:
        end = (container.duration or 0) / 1e6
        white = loud = math.nan
        start = int(max(0.0, end - 2.5 * TURN / FPS) * 1e6)
        container.seek(start)
        for frame in container.decode(video=0):
            if frame.time is not None and to_planes(frame)[0].mean() > _WHITE:
                white = frame.time
        container.seek(start)
        quiet = True
        for sound in container.decode(audio=0):
            samples = np.abs(sound.to_ndarray()[0])
            above = np.flatnonzero(samples > _LOUD)
            if len(above) and quiet and sound.time is not None:
                loud = sound.time + above[0] / RATE
            quiet = not len(above)
    return float(loud - white) * 1000


def plays(path: Path, recording: Recording) -> Iterator[Row]:
    """Every damaged group with its seams, in each player."""
    length = GOP / FPS
    stretches = [
        (max(0.0, group * length - _MARGIN), min(recording.seconds - 0.5, (group + 1) * length + _MARGIN))
        for group in recording.damaged_groups
    ]
    for name, play in (("FFmpeg", in_ffmpeg), ("GStreamer", in_gstreamer), ("Chromium", in_chromium)):
        played = play(path, stretches)
        if played is not None:
            yield {"player": name, "stretches": len(stretches), **played}


def measure(folder: Path, turns: int, groups: int, part: int) -> Iterator[Row]:
    """All rows of one recording, as they come."""
    whole, shorter = folder / "long.mp4", folder / "part.mp4"
    recording = write_long(whole, turns, groups)
    cores = len(os.sched_getaffinity(0))
    many = {"video_seconds": recording.seconds, "input_bytes": whole.stat().st_size, "groups": groups, "cores": cores}
    outputs: dict[tuple[str, int], Path] = {}
    for output, jobs in dict.fromkeys((("auto", 1), ("auto", cores), ("gop", cores))):
        target = outputs[output, jobs] = folder / f"{output}-{jobs}.mp4"
        row = conceal(whole, target, output, jobs)
        same = digest(target) == digest(outputs[output, 1]) if (output, 1) in outputs else None
        yield {"measure": "run", "output": output, "jobs": jobs, **many, **row, "same_as_one": same}
    some = write_long(shorter, part, max(1, round(groups * part / turns)))
    row = conceal(shorter, folder / "encoded.mp4", "encode", cores)
    row["extrapolated_s"] = row["wall_s"] * recording.seconds / some.seconds
    yield {"measure": "run", "output": "encode", "jobs": cores, **many, "part_seconds": some.seconds, **row}
    for output, path in (("input", whole), ("auto", outputs["auto", cores]), ("gop", outputs["gop", cores])):
        yield {"measure": "kept", "output": output, "jobs": 0, **kept(whole, path, recording), "ms": out_of_step(path)}
        for played in plays(path, recording):
            yield {"measure": f"plays in {played['player']}", "output": output, "jobs": 0, **played}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_file", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="four minutes of video")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for results of --quick")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/long_file.json)")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "long_file.json"
    store = Store(out, command_line("benchmarks.long_file"), KEY)
    sources = fingerprint(("concealer", "pipelines", "benchmarks/long_file.py", "benchmarks/long_media.py"))
    turns, groups, part = (30, 4, 3) if options.quick else (900, 20, 75)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="concealer-long-") as folder:
        for row in measure(Path(folder), turns, groups, part):
            print(f"{time.monotonic() - began:7.1f} s  {row['measure']} {row['output']}", file=sys.stderr)
            store.add([rounded(row | {"sources": sources})])
    print("\n\n".join(long_tables(store.rows)))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
