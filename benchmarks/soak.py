"""A live receiver over many sender restarts: memory, threads, descriptors and delay, and whether its metrics are true.

python -m benchmarks.soak --minutes 30 --codec hevc
make soak                                               # two hours of both codecs, for every night

Exits with 1 where something grew or was told wrongly.

A sender in a process of its own loses packets on the way and begins anew, with another SSRC, sequence number and
timestamp, every few seconds; in every third session nothing arrives for two seconds. It keeps count of what it sent
and lost; the metrics endpoint is read at the end and held against that. Needs GStreamer's Python bindings
(docs/live.md) and prometheus-client.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import resource
import socket
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import CLIPS, available
from benchmarks.live import repeated
from benchmarks.rtp import CLOCK, Sending, send_lossy
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, Stream, default_cache, encoded
from pipelines.gst.register import register

FPS = 30
LOSS = 0.03
SESSION = 20
"""Seconds from one restart of the sender to the next."""
OUTAGE = 2
"""Seconds without a packet in the middle of a session, for one of the ways in which its packets are lost."""
GROWTH = 0.1
"""Share by which the last third of a soak may lie above the first."""
_PICTURES = 60
_SEEDS = 3
_PACE = 0.0002
_PAUSE = 0.5
"""Seconds that the sender takes to begin anew: more than the jitter buffer keeps packets, which it then forgets."""
_SAMPLE = 10.0
KEY = ("measure", "clip", "codec", "minutes")


@dataclass
class Sent:
    """What the sender knows."""

    sessions: int = 0
    outages: int = 0
    access_units: int = 0
    """Outages aside: of so many in a row the receiver knows that packets are gone, not of how many pictures."""
    hit: int = 0
    """Of these, those that lost a packet of a slice."""
    lost: int = 0
    """Packets."""


@dataclass
class Samples:
    """The receiver's process, every ten seconds."""

    memory_mb: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    delay_ms: list[float] = field(default_factory=list)
    """95th percentile of the ten seconds, from an access unit's arrival to its picture."""

    def take(self, delays: list[float]) -> None:
        """Add a sample; `delays` in seconds are used up."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory_mb.append(pages * resource.getpagesize() / 2**20)
        self.threads.append(len(os.listdir("/proc/self/task")))
        self.descriptors.append(len(os.listdir("/proc/self/fd")))
        if delays:
            self.delay_ms.append(float(np.percentile(delays, 95)) * 1e3)
            delays.clear()


def sessions_of(stream: Stream) -> list[list[Sending]]:
    """Several ways to lose packets of one session, the last with an outage; first and last access units arrive whole.

    What is lost before the first packet or behind the last nobody can know of.
    """
    units = repeated(stream, SESSION * FPS // len(stream.units))
    whole = send_lossy(units, stream.encoding.codec, FPS, rate=0.0, seed=0)
    kinds = []
    for seed in range(_SEEDS):
        lossy = send_lossy(units, stream.encoding.codec, FPS, rate=LOSS, seed=seed)
        kinds.append([whole[0], *lossy[1:-1], whole[-1]])
    for sending in kinds[-1][len(units) // 2 :][: OUTAGE * FPS]:
        sending.lost += len(sending.packets)
        sending.packets.clear()
    return kinds


def send(kinds: Sequence[Sequence[Sending]], port: int, minutes: float, answer: Connection) -> None:
    """Send session after session in real time to a port of this machine; then tell what was sent."""
    chance, sent = random.Random(1), Sent()
    end = time.monotonic() + minutes * 60
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        while time.monotonic() < end:
            began, kind = time.monotonic(), kinds[sent.sessions % len(kinds)]
            source, first, ticks = chance.randbytes(4), chance.randrange(1 << 16), chance.randrange(1 << 32)
            for number, sending in enumerate(kind):
                time.sleep(max(0.0, began + number / FPS - time.monotonic()))
                for packet in sending.packets:
                    channel.sendto(_renumbered(packet, source, first, ticks), ("127.0.0.1", port))
                    time.sleep(_PACE)
            outage = sent.sessions % len(kinds) == len(kinds) - 1
            gone = range(len(kind) // 2, len(kind) // 2 + OUTAGE * FPS) if outage else range(0)
            sent.sessions += 1
            sent.outages += outage
            sent.access_units += len(kind) - len(gone)
            sent.hit += sum(sending.hit for number, sending in enumerate(kind) if number not in gone)
            sent.lost += sum(sending.lost for sending in kind)
            time.sleep(_PAUSE)
    answer.send(sent)


def _renumbered(packet: bytes, source: bytes, first: int, ticks: int) -> bytes:
    sequence = (int.from_bytes(packet[2:4], "big") + first) & 0xFFFF
    timestamp = (int.from_bytes(packet[4:8], "big") + ticks) & 0xFFFFFFFF
    return packet[:2] + sequence.to_bytes(2, "big") + timestamp.to_bytes(4, "big") + source + packet[12:]


def receive(stream: Stream, minutes: float) -> tuple[Sent, Samples, dict[str, float]]:
    """What was sent, how the receiver fared, and its counters as the metrics endpoint tells them at the end."""
    register()
    from pipelines.gst.bindings import Gst

    codec: Codec = stream.encoding.codec
    encoding = "H264" if codec == "h264" else "H265"
    caps = f"application/x-rtp,media=video,clock-rate={CLOCK},encoding-name={encoding},payload=96"
    metrics = _free_port()
    pipeline = Gst.parse_launch(
        f"udpsrc name=udp port=0 address=127.0.0.1 buffer-size=1000000 caps={caps} ! "
        f"concealbin name=bin latency=100 metrics=:{metrics} ! fakesink sync=false"
    )
    decoder = pipeline.get_by_name("bin").get_by_name("decoder")
    delays: list[float] = []
    _time_pictures(decoder, delays)
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_state(Gst.SECOND)
    port = pipeline.get_by_name("udp").get_property("port")
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    sender = context.Process(target=send, args=(sessions_of(stream), port, minutes, there))
    sender.start()
    samples = Samples()
    due = time.monotonic() + _SAMPLE
    while not here.poll(0.2):
        if time.monotonic() >= due:
            due += _SAMPLE
            samples.take(delays)
        if not sender.is_alive():
            raise RuntimeError("the sender died")
        error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        if error is not None:
            raise RuntimeError(error.parse_error()[0].message)
    sent: Sent = here.recv()
    sender.join()
    time.sleep(1.0)  # the jitter buffer holds 100 ms
    counts = _scrape(metrics)
    pipeline.set_state(Gst.State.NULL)
    return sent, samples, counts


def _time_pictures(decoder: Any, delays: list[float]) -> None:
    from pipelines.gst.bindings import Gst

    arrivals: dict[int, float] = {}

    def on_access_unit(pad: Any, info: Any) -> Any:
        arrivals[info.get_buffer().pts] = time.perf_counter()
        if len(arrivals) > 2 * _PICTURES:
            del arrivals[next(iter(arrivals))]
        return Gst.PadProbeReturn.OK

    def on_picture(pad: Any, info: Any) -> Any:
        arrived = arrivals.pop(info.get_buffer().pts, None)
        if arrived is not None:
            delays.append(time.perf_counter() - arrived)
        return Gst.PadProbeReturn.OK

    decoder.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_access_unit)
    decoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, on_picture)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lines = re.findall(r"^concealer_(\w+)_total\{stream=\"[^\"]*\"\} (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in lines}


def soak(stream: Stream, minutes: float) -> Row:
    """A row of the soak."""
    load = os.getloadavg()[0]
    sent, samples, counts = receive(stream, minutes)
    told = {
        "restarts": (sent.sessions - 1, counts["restarts"]),
        "access_units": (sent.access_units, counts["pictures"]),
        "packets_lost": (sent.lost, counts["packets_lost"]),
        "access_units_hit": (sent.hit, counts["pictures_damaged"]),
    }
    row: Row = {"agrees": all(ours == theirs for ours, theirs in told.values()), "outages": sent.outages}
    for name, (ours, theirs) in told.items():
        row |= {name: ours, f"{name}_told": int(theirs)}
    for name, values in vars(samples).items():
        third = max(len(values) // 3, 1)
        row |= {
            f"{name}_first_third": float(np.mean(values[:third])),
            f"{name}_last_third": float(np.mean(values[-third:])),
            f"{name}_most": float(max(values)),
            name: [round(float(value), 1) for value in values[::6]],
        }
    return row | {"load_before": load, "load_after": os.getloadavg()[0]}


def steady(row: Row) -> list[str]:
    """What is wrong with a soak: counts that differ from the sender's, or figures that grew. Empty: nothing."""
    wrong = [] if row["agrees"] else ["the metrics do not tell what was sent"]
    for name, least in (("memory_mb", 16), ("threads", 1), ("descriptors", 1), ("delay_ms", 10)):
        first, last = row[f"{name}_first_third"], row[f"{name}_last_third"]
        if last - first > max(least, GROWTH * first):
            wrong.append(f"{name} grew from {first:.1f} to {last:.1f}")
    return wrong


def measured(codec: Codec, minutes: float, cache: Path) -> Row:
    """A row of the results."""
    clip = available([clip for clip in CLIPS if clip.name == "cups"])[0]
    stream = encoded(clip, Encoding(codec, "P", _PICTURES, slices=1), cache)
    return {
        "measure": "soak",
        "clip": clip.name,
        "width": stream.width,
        "height": stream.height,
        "codec": codec,
        "minutes": minutes,
        "settings": stream.encoding.settings,
        "encoder": stream.writer,
        "sources": fingerprint(("concealer", "pipelines", "benchmarks/soak.py")),
    } | rounded(soak(stream, minutes))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--codec", choices=("h264", "hevc"), help="one alone (default: both, side by side)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "soak.json", help="default: %(default)s")
    options = parser.parse_args(arguments)
    codecs: tuple[Codec, ...] = (options.codec,) if options.codec else ("h264", "hevc")
    with ProcessPoolExecutor(len(codecs), multiprocessing.get_context("spawn")) as children:
        rows = list(children.map(measured, codecs, repeat(options.minutes), repeat(options.cache)))
    Store(options.out, command_line("benchmarks.soak"), KEY).add(rows)
    wrong = 0
    for row in rows:
        shown = {name: value for name, value in row.items() if name not in ("settings", "encoder", "sources")}
        print("  ".join(f"{name}={value}" for name, value in shown.items()))
        for what in steady(row):
            wrong += 1
            print(f"{row['codec']}: {what}")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
