"""Several cameras on one machine: pipelines in one process, and in a process each.

python -m benchmarks.cameras              # 1, 2 and 4 pipelines, about five minutes
python -m benchmarks.cameras --seconds 10

Each pipeline receives a stream of its own in real time, with losses. Counted are the cores in use, the memory, and the
delay from an access unit's arrival to its picture. Needs GStreamer's Python bindings (docs/live.md).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import CLIPS, available
from benchmarks.live import repeated
from benchmarks.rtp import CLOCK, Sending, send_lossy, send_udp
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Encoding, default_cache, encoded
from pipelines.gst.register import register

FPS = 30
LOSS = 0.03
_PICTURES = 60
_AFTER = 1.0
KEY = ("measure", "clip", "codec", "pipelines", "processes", "pictures")


def serve(count: int, codec: str, here: Connection) -> None:
    """Run `count` pipelines in this process: tells their ports, and once it is told to end, what they took."""
    register()
    from pipelines.gst.bindings import Gst

    encoding = "H264" if codec == "h264" else "H265"
    caps = f"application/x-rtp,media=video,clock-rate={CLOCK},encoding-name={encoding},payload=96"
    pipelines, delays = [], [[] for _ in range(count)]  # type: ignore[var-annotated]
    for number in range(count):
        pipeline = Gst.parse_launch(
            f"udpsrc name=udp port=0 address=127.0.0.1 buffer-size=1000000 caps={caps} ! "
            "concealbin name=bin latency=100 ! fakesink sync=false"
        )
        _time_pictures(pipeline.get_by_name("bin").get_by_name("decoder"), delays[number])
        pipeline.set_state(Gst.State.PLAYING)
        pipeline.get_state(Gst.SECOND)
        pipelines.append(pipeline)
    here.send([pipeline.get_by_name("udp").get_property("port") for pipeline in pipelines])
    before = _cpu_seconds()
    here.recv()
    used = _cpu_seconds() - before
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    stats = [pipeline.get_by_name("bin").get_property("stats") for pipeline in pipelines]
    here.send(
        {
            "cpu_seconds": used,
            "memory_mb": pages * resource.getpagesize() / 2**20,
            "delays": [one for some in delays for one in some],
            "pictures": [one.get_value("pictures") for one in stats],
            "missed": sum(one.get_value("deadline-missed") for one in stats),
        }
    )
    for pipeline in pipelines:
        pipeline.set_state(Gst.State.NULL)


def _time_pictures(decoder: Any, delays: list[float]) -> None:
    from pipelines.gst.bindings import Gst

    arrivals: dict[int, float] = {}

    def on_access_unit(pad: Any, info: Any) -> Any:
        arrivals[info.get_buffer().pts] = time.perf_counter()
        return Gst.PadProbeReturn.OK

    def on_picture(pad: Any, info: Any) -> Any:
        arrived = arrivals.pop(info.get_buffer().pts, None)
        if arrived is not None:
            delays.append(time.perf_counter() - arrived)
        return Gst.PadProbeReturn.OK

    decoder.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_access_unit)
    decoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, on_picture)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(sendings: Sequence[Sequence[Sending]], codec: str, count: int, processes: int) -> Row:
    """A row: `count` pipelines over so many processes."""
    context = multiprocessing.get_context("spawn")
    load = os.getloadavg()[0]
    links, workers, ports = [], [], []
    for _ in range(processes):
        here, there = context.Pipe()
        worker = context.Process(target=serve, args=(count // processes, codec, there))
        worker.start()
        links.append(here)
        workers.append(worker)
    for link in links:
        ports += link.recv()
    senders = [
        context.Process(target=send_udp, args=(sendings[number], port, FPS)) for number, port in enumerate(ports)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    time.sleep(_AFTER)
    answers = []
    for link in links:
        link.send(None)
        answers.append(link.recv())
    for worker in workers:
        worker.join()
    delays = np.array([one for answer in answers for one in answer["delays"]]) * 1e3
    shown = [one for answer in answers for one in answer["pictures"]]
    return {
        "access_units": len(sendings[0]),
        "pictures_least": min(shown),
        "cores": sum(answer["cpu_seconds"] for answer in answers) * FPS / len(sendings[0]),
        "memory_mb": sum(answer["memory_mb"] for answer in answers),
        "delay_p50_ms": float(np.percentile(delays, 50)),
        "delay_p95_ms": float(np.percentile(delays, 95)),
        "delay_p99_ms": float(np.percentile(delays, 99)),
        "deadline_missed": sum(answer["missed"] for answer in answers),
        "load_before": load,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cameras", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=30, help="of each run (default: 30)")
    parser.add_argument("--codec", choices=("h264", "hevc"), default="h264", help="default: h264")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "cameras.json", help="default: %(default)s")
    options = parser.parse_args(arguments)
    clip = available([clip for clip in CLIPS if clip.name == "cups"])[0]
    stream = encoded(clip, Encoding(options.codec, "P", _PICTURES, slices=1), options.cache)
    units = repeated(stream, options.seconds * FPS // _PICTURES)
    sendings = [send_lossy(units, options.codec, FPS, rate=LOSS, seed=seed) for seed in range(4)]
    store = Store(options.out, command_line("benchmarks.cameras"), KEY)
    for count, processes in ((1, 1), (2, 1), (2, 2), (4, 1), (4, 4)):
        row: Row = {
            "measure": "cameras",
            "clip": clip.name,
            "width": stream.width,
            "height": stream.height,
            "codec": options.codec,
            "pipelines": count,
            "processes": processes,
            "pictures": len(units),
            "settings": stream.encoding.settings,
            "encoder": stream.writer,
            "sources": fingerprint(("concealer", "pipelines", "benchmarks/cameras.py")),
        }
        row |= rounded(measure(sendings, options.codec, count, processes))
        store.add([row])
        print("  ".join(f"{name}={value}" for name, value in row.items() if name not in ("settings", "encoder")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
