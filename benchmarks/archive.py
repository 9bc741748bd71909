"""What `conceal archive` costs: a task, a file more, an hour of video; and what a cluster that loses a node makes.

python -m benchmarks.archive                   # about fifteen minutes
python -m benchmarks.archive --only cost
python -m benchmarks.archive --quick           # fewer and shorter files; results go to the cache folder
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmarks.archive_tables import archive_tables
from benchmarks.clips import CUPS_360P, CUPS_720P, Clip, available
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import FPS, Codec, Encoding, Stream, default_cache, encoded
from pipelines import Settings, conceal_file
from pipelines.archive import Outcome, Wanted, run_archive

KEY = ("measure", "clip", "codec", "executor", "files", "damaged_per_hour")
SOURCES = ("concealer", "pipelines", "benchmarks/archive.py")
PARTS = ("cluster", "overhead", "growth", "cost")
CUPS_1080P = Clip("cups-1080p", CUPS_720P.file, (1920, 1080))
_GROUP = 60
"""Pictures from one IDR picture to the next: all of the clip."""
_HIT = 20
"""Number of the damaged picture in its group."""
_DEPTH = 4
"""Pictures that a decoder holds back, more than enough."""
_LOOPBACK = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of a network card."""
_MEMORY = 80_000_000
"""Bytes of a node for what tasks share."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    cluster_files: int
    tiny: tuple[int, int]
    growth: tuple[int, ...]
    cost_groups: int
    """Groups of pictures in a file whose cost is measured."""
    cost_clips: tuple[Clip, ...]
    cost_codecs: tuple[Codec, ...]
    hits: tuple[int, ...]
    """Damaged ones of those groups."""


FULL = Size(40, (200, 2000), (40, 80, 160), 25, (CUPS_360P, CUPS_720P, CUPS_1080P), ("h264", "hevc"), (0, 1, 10))
QUICK = Size(8, (50, 200), (4, 8), 4, (CUPS_360P,), ("h264",), (0, 2))


def write(path: Path, stream: Stream, times: int, hit: Collection[int] = ()) -> None:
    """The stream over and over; of the repetitions in `hit` one picture loses a third of its bytes."""
    with av.open(io.BytesIO(stream.payload), format=stream.encoding.codec) as raw, av.open(str(path), "w") as out:
        track = out.add_stream_from_template(raw.streams.video[0])
        track.time_base = Fraction(1, FPS)
        for number in range(times * len(stream.units)):
            turn, place = divmod(number, len(stream.units))
            payload = stream.units[place].payload
            if turn in hit and place == _HIT:
                payload = payload[: len(payload) * 2 // 3]
            packet = av.Packet(payload)
            packet.stream, packet.time_base = track, Fraction(1, FPS)
            packet.pts = turn * len(stream.units) + stream.units[place].pts + _DEPTH
            packet.dts, packet.duration, packet.is_keyframe = number, 1, place == 0
            out.mux(packet)


def stream_of(clip: Clip, codec: Codec, cache: Path) -> Stream:
    """60 pictures with B-pictures, one slice each, in one closed group."""
    preset = "veryfast" if codec == "h264" else "ultrafast"
    return encoded(clip, Encoding(codec, "B", _GROUP, preset=preset, slices=1, further="open-gop=0"), cache)


@contextmanager
def cluster_of(nodes: int) -> Iterator[tuple[Any, list[Any]]]:
    """A Ray cluster of this machine and its nodes, one processor each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    options: dict[str, Any] = {"num_cpus": 1, "node_ip_address": _LOOPBACK, "object_store_memory": _MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=options | {"include_dashboard": False})
    try:
        yield cluster, [cluster.add_node(**options) for _ in range(nodes - 1)]
    finally:
        cluster.shutdown()


def processes_of(node: Any) -> list[int]:
    """The workers of a node of Ray's, and what else it started."""
    parent = node.all_processes["raylet"][0].process.pid
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def signal_all(processes: Sequence[int], number: int) -> None:
    """To those that are still there."""
    for one in processes:
        with suppress(ProcessLookupError):
            os.kill(one, number)


def lost_node(files: int, cache: Path) -> Row:
    """As many files on two nodes, one of which stands still after a quarter of them and is killed after half."""
    stream = stream_of(available([CUPS_360P])[0], "h264", cache)
    with tempfile.TemporaryDirectory(prefix="concealer-archive-") as folder:
        place, out, single = (Path(folder) / name for name in ("in", "out", "single.mp4"))
        place.mkdir()
        write(place / "000.mp4", stream, 1, {0})
        for number in range(1, files):
            shutil.copyfile(place / "000.mp4", place / f"{number:03}.mp4")
        outcomes: list[Outcome] = []
        began = time.perf_counter()
        with cluster_of(2) as (cluster, others), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            wanted = Wanted(str(place), str(out), cluster=cluster.address)
            for one in run_archive(wanted):
                outcomes.append(one)
                if len(outcomes) == files // 4:
                    workers = processes_of(others[0])
                    signal_all(workers, signal.SIGSTOP)  # what is given to them from here on is lost
                elif len(outcomes) == files // 2:
                    cluster.remove_node(others[0], allow_graceful=False)
                    signal_all(workers, signal.SIGKILL)
        seconds = time.perf_counter() - began
        conceal_file(place / "000.mp4", single, Settings(jobs=1))
        made = single.read_bytes()
        right = sum(path.read_bytes() == made for path in out.glob("*.mp4"))
    return {
        "measure": "cluster", "executor": "ray", "files": files, "nodes": 2,
        "done": sum(one.kind == "done" for one in outcomes), "right": right,
        "most_tries": max(one.tries for one in outcomes), "begun_again": sum(one.tries > 1 for one in outcomes),
        "wall_s": seconds,
    }  # fmt: skip


def paced(wanted: Wanted, processes: int) -> tuple[int, float, float]:
    """(files, seconds of a process that each takes, from the first to the last that is finished; of them of a
    processor)."""
    times, used = zip(*((time.perf_counter(), one.processor_seconds) for one in run_archive(wanted)), strict=True)
    return len(times), processes * (times[-1] - times[0]) / (len(times) - 1), sum(used) / len(used)


def overhead(executor: str, counts: tuple[int, int], processes: int) -> Iterator[Row]:
    """Of files of a few bytes, which are read, copied, noted and nothing else."""
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="concealer-archive-") as folder:
            place = Path(folder) / "in"
            for number in range(count):
                below = place / f"{number // 100:03}"
                below.mkdir(parents=True, exist_ok=True)
                (below / f"{number:05}.txt").write_text(str(number))
            settings = Settings(jobs=processes)
            cluster = None if executor == "local" else "ray"
            files, seconds, used = paced(Wanted(str(place), f"{folder}/out", settings, cluster=cluster), processes)
            tracemalloc.start()
            held = []
            for number, _ in enumerate(run_archive(Wanted(str(place), f"{folder}/again", settings, cluster=cluster))):
                if number in (count // 10, count - 1):
                    held.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
        yield {
            "measure": "overhead", "executor": executor, "files": files, "processes": processes,
            "task_ms": 1000 * seconds, "processor_ms": 1000 * used, "grown_bytes": held[1] - held[0],
        }  # fmt: skip


def growth(counts: Sequence[int], processes: int, cache: Path) -> Iterator[Row]:
    """Of equal files that are repaired."""
    stream = stream_of(available([CUPS_360P])[0], "h264", cache)
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="concealer-archive-") as folder:
            place = Path(folder) / "in"
            place.mkdir()
            write(place / "000.mp4", stream, 1, {0})
            for number in range(1, count):
                shutil.copyfile(place / "000.mp4", place / f"{number:03}.mp4")
            files, seconds, used = paced(Wanted(str(place), f"{folder}/out", Settings(jobs=processes)), processes)
        yield {
            "measure": "growth", "executor": "local", "files": files, "processes": processes, "file_s": seconds,
            "processor_s": used,
        }  # fmt: skip


def cost(clip: Clip, codec: Codec, size: Size, cache: Path) -> Iterator[Row]:
    """Of the processor, an hour of video, by damage."""
    stream = stream_of(clip, codec, cache)
    with tempfile.TemporaryDirectory(prefix="concealer-archive-") as folder:
        place = Path(folder) / "in"
        place.mkdir()
        write(place / "0.mp4", stream, 1, {0})  # whoever repairs the first file opens the networks
        for hits in size.hits:
            step = size.cost_groups / max(hits, 1)
            write(place / f"1-{hits:03}.mp4", stream, size.cost_groups, {int(step * n) for n in range(hits)})
        found = {one.name: one for one in run_archive(Wanted(str(place), f"{folder}/out", Settings(jobs=1)))}
    seconds = size.cost_groups * _GROUP / FPS
    for hits in size.hits:
        one = found[f"1-{hits:03}.mp4"]
        if one.record is None:
            raise RuntimeError(f"{clip.name}, {codec}: {one.reason}")
        yield {
            "measure": "cost", "clip": clip.name, "codec": codec, "settings": stream.encoding.settings,
            "width": stream.width, "height": stream.height, "executor": "local",
            "damaged_per_hour": round(3600 * hits / seconds), "video_seconds": seconds, "status": one.record.status,
            "route": one.record.route, "repaired": one.record.repaired, "processor_s": one.processor_seconds,
            "hour_s": one.processor_seconds * 3600 / seconds,
        }  # fmt: skip


def measured(part: str, size: Size, cache: Path) -> Iterator[Row]:
    """All rows of one part."""
    processes = len(os.sched_getaffinity(0))
    if part == "cluster":
        yield lost_node(size.cluster_files, cache)
    elif part == "overhead":
        for executor in ("local", "ray"):
            yield from overhead(executor, size.tiny, processes)
    elif part == "growth":
        yield from growth(size.growth, processes, cache)
    else:
        for clip in available(size.cost_clips):
            for codec in size.cost_codecs:
                yield from cost(clip, codec, size, cache)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive", description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter files")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/archive.json)")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "archive.json"
    store = Store(out, command_line("benchmarks.archive"), KEY)
    for part in (options.only,) if options.only else PARTS:
        head = {"load_before": os.getloadavg()[0], "sources": fingerprint(SOURCES)}
        for row in measured(part, QUICK if options.quick else FULL, options.cache):
            store.add([rounded(row | head)])
            print(" ".join(f"{name}={value}" for name, value in rounded(row).items()), file=sys.stderr)
    print("\n\n".join(archive_tables(store.rows)))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
