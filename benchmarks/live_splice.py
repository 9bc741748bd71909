"""`conceal --splice` as a healing proxy: UDP to UDP in real time, held against what arrived and what concealdec shows.

python -m benchmarks.live_splice            # 60 s for each codec
python -m benchmarks.live_splice --seconds 10 --out live_splice.json
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from benchmarks.clips import CUPS_360P, CUPS_720P, available, to_planes
from benchmarks.live import repeated
from benchmarks.metrics import Luma, psnr_of, squared_error
from benchmarks.product import product_repairer
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, Stream, default_cache, encoded
from concealer.bitstream import NalUnit, StreamParser, split_annexb
from concealer.bitstream.transport import PACKET, ContinuityChecker, PesPacket
from concealer.decoder import DecodedPicture
from concealer.decoder.hook import frame_planes
from concealer.front_door import LIVE_DEADLINE_MS, open_decoder

FPS, CLOCK = 30, 90_000
LOSS = 0.03
_PICTURES = 60
_DATAGRAM = 7 * PACKET
_WHOLE = 1.0
"""Seconds at the start that arrive whole: parameter sets, and what the stream is, are known from then on."""
_END = 2.0
"""Seconds."""
KEY = ("measure", "clip", "codec", "structure", "slices", "pictures", "loss", "seed")


@dataclass
class Wire:
    """A transport stream on its way."""

    datagrams: list[list[bytes]]
    """Of each access unit, those that arrive."""
    hit: int
    """Access units that lost some."""
    data: bytes
    """All that arrives."""


class _Bytes(io.RawIOBase):
    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.written += data  # type: ignore[arg-type]
        return len(data)  # type: ignore[arg-type]


def transport_stream(stream: Stream, pictures: int, seed: int) -> Wire:
    """The clip over and over as MPEG-TS, one access unit after the other in datagrams of which some are lost."""
    chance, target = random.Random(seed), _Bytes()
    datagrams, hit = [], 0
    whole = io.BytesIO(b"".join(unit.payload for unit in stream.units))
    with (
        av.open(whole, format=stream.encoding.codec) as source,
        av.open(target, "w", format="mpegts", options={"flush_packets": "1"}) as container,
    ):
        made = container.add_stream_from_template(source.streams.video[0])
        for number, (payload, position) in enumerate(repeated(stream, pictures // len(stream.units))):
            packet = av.Packet(payload)
            packet.stream, packet.time_base = made, Fraction(1, CLOCK)
            ticks = CLOCK // FPS
            packet.pts, packet.dts = (position + 2) * ticks, (number + 1) * ticks
            packet.is_keyframe = not number % len(stream.units)
            target.written.clear()
            container.mux_one(packet)
            data = bytes(target.written)
            cut = [data[start : start + _DATAGRAM] for start in range(0, len(data), _DATAGRAM)]
            kept = [one for one in cut if number < _WHOLE * FPS or chance.random() >= LOSS]
            datagrams.append(kept)
            hit += len(kept) < len(cut)
    return Wire(datagrams, hit, b"".join(one for some in datagrams for one in some))


@dataclass
class Received:
    """What came out of the proxy."""

    data: bytearray = field(default_factory=bytearray)
    times: dict[int, float] = field(default_factory=dict)
    """When the last byte of an access unit was there, by PTS."""


def _listen(port: int, received: Received, over: threading.Event) -> None:
    checker = ContinuityChecker(early=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        channel.bind(("127.0.0.1", port))
        last = 0.0
        while not over.is_set():
            if not select.select([channel], [], [], 0.2)[0]:
                continue
            data, now = channel.recv(65536), time.perf_counter()
            received.data += data
            for pes in checker.push(data):
                if pes.pts is not None:
                    # What is seen whole only as the next one begins was whole with the datagram before.
                    received.times[pes.pts] = now if pes.complete else last
            last = now


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, proxy: subprocess.Popen[bytes]) -> None:
    """Until the proxy listens at the port."""
    listening = f":{port:04X} "
    while listening not in Path("/proc/net/udp").read_text():
        if proxy.poll() is not None:
            raise RuntimeError("the proxy does not start")
        time.sleep(0.05)


def relay(wire: Wire) -> tuple[Received, dict[int, float]]:
    """Send the stream through the command; what came out, and when each access unit was sent, by its PTS."""
    port, onward = _free_port(), _free_port()
    received, over = Received(), threading.Event()
    listener = threading.Thread(target=_listen, args=(onward, received, over))
    listener.start()
    command = [sys.executable, "-m", "pipelines.cli", "-q", "--splice"]
    proxy = subprocess.Popen([*command, f"udp://127.0.0.1:{port}", f"udp://127.0.0.1:{onward}?pkt_size=1316"])
    sent: dict[int, float] = {}
    try:
        _wait_for(port, proxy)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            began = time.perf_counter()
            for number, datagrams in enumerate(wire.datagrams):
                time.sleep(max(0.0, began + number / FPS - time.perf_counter()))
                for one in datagrams:
                    channel.sendto(one, ("127.0.0.1", port))
                    time.sleep(0.0001)
                sent[number] = time.perf_counter()
        time.sleep(_END)
    finally:
        proxy.send_signal(signal.SIGTERM)
        proxy.wait(20)
        over.set()
        listener.join()
    return received, sent


def pes_of(data: bytes) -> list[PesPacket]:
    """PES packets of a transport stream."""
    checker = ContinuityChecker()
    return [*checker.push(data), *checker.flush()]


def nal_units(data: bytes, codec: Codec) -> list[NalUnit]:
    """Those of a transport stream, marked where they are damaged."""
    parser = StreamParser(codec)
    units = [
        unit
        for pes in pes_of(data)
        for unit in parser.push(pes.payload, pts=pes.pts, gaps=pes.gaps, truncated=pes.truncated)
    ]
    return [nal for unit in (*units, *parser.flush()) for nal in unit.nals]


def concealed_psnr(stream: Stream, wire: Wire, first: int) -> tuple[float, int]:
    """(PSNR-Y, pictures) of what concealdec's decoder makes of what arrived."""
    repairer = product_repairer()
    decoder = open_decoder(stream.encoding.codec, repairer=repairer, live=True)
    checker = ContinuityChecker(early=True)
    errors: list[float] = []

    def count(pictures: Sequence[DecodedPicture]) -> None:
        for picture in pictures:
            planes = frame_planes(picture.frame)
            assert planes is not None
            _judge(stream, _place(picture.pts) - first, np.ascontiguousarray(planes[0]), errors)

    for pes in [*checker.push(wire.data), *checker.flush()]:
        repairer.begin(LIVE_DEADLINE_MS)
        count(decoder.decode(pes.payload, pts=pes.pts, gaps=pes.gaps, truncated=pes.truncated, complete=pes.complete))
    count(decoder.flush())
    decoder.close()
    return _psnr(errors), len(errors)


def stock_psnr(stream: Stream, data: bytes, first: int) -> tuple[float, int]:
    """(PSNR-Y, pictures) of what stock FFmpeg makes of a transport stream."""
    errors: list[float] = []
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        for frame in container.decode(video=0):
            _judge(stream, _place(frame.pts) - first, to_planes(frame)[0], errors)
    return _psnr(errors), len(errors)


def _place(pts: int | None) -> int:
    """In pictures."""
    return -1 if pts is None else round(pts * FPS / CLOCK)


def _judge(stream: Stream, position: int, luma: Luma, errors: list[float]) -> None:
    clean = stream.clean[position % len(stream.clean)][0]
    errors.append(squared_error(clean, luma) / clean.size)


def _psnr(errors: Sequence[float]) -> float:
    """Of the mean of squared errors."""
    return psnr_of(float(np.sum(errors)), len(errors))


def measure(stream: Stream, seconds: int, seed: int) -> Row:
    """A row."""
    wire = transport_stream(stream, seconds * FPS, seed)
    pts = [pes.pts for pes in pes_of(wire.data) if pes.pts is not None]
    first = _place(min(pts))
    load = os.getloadavg()[0]
    received, sent = relay(wire)
    codec = stream.encoding.codec
    sent_units = {nal.data for unit in stream.units for nal in split_annexb(unit.payload)}
    came = Counter(nal.data for nal in nal_units(wire.data, codec) if nal.data in sent_units)
    left = Counter(nal.data for nal in nal_units(bytes(received.data), codec))
    in_order = [pes.pts for pes in pes_of(bytes(received.data))]
    delays = _delays(received, sent, first)
    concealed, shown = concealed_psnr(stream, wire, first)
    stock, pictures = stock_psnr(stream, bytes(received.data), first)
    _, damaged_pictures = stock_psnr(stream, wire.data, first)
    return {
        "access_units": len(wire.datagrams),
        "access_units_out": len(in_order),
        "access_units_hit": wire.hit,
        "nal_units_received": came.total(),
        "nal_units_missing": (came - left).total(),
        "psnr_concealdec": concealed,
        "pictures_concealdec": shown,
        "psnr_spliced": stock,
        "pictures_spliced": pictures,
        "pictures_damaged": damaged_pictures,
        "delay_p50_ms": float(np.percentile(delays, 50)),
        "delay_p95_ms": float(np.percentile(delays, 95)),
        "delay_p99_ms": float(np.percentile(delays, 99)),
        "delay_max_ms": float(delays.max()),
        "load_before": load,
    }


def _delays(received: Received, sent: dict[int, float], first: int) -> npt.NDArray[np.float64]:
    """Milliseconds from the last byte of an access unit on its way in to its last byte out, once it runs."""
    stamps = sorted(received.times)
    found = []
    for number, when in sent.items():
        pts = (first + number) * CLOCK // FPS
        near = min(stamps, key=lambda stamp: abs(stamp - pts), default=None)
        if number >= 3 * FPS and near is not None and abs(near - pts) < CLOCK / FPS / 2:
            found.append((received.times[near] - when) * 1e3)
    return np.array(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_splice", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="of each run (default: 60)")
    parser.add_argument("--slices", type=int, default=8, help="a picture (default: 8)")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "live_splice.json", help="default: %(default)s")
    options = parser.parse_args(arguments)
    store = Store(options.out, command_line("benchmarks.live_splice"), KEY)
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    for clip, codec in itertools.product(available([CUPS_360P, CUPS_720P]), codecs):
        stream = encoded(clip, Encoding(codec, "P", _PICTURES, slices=options.slices), options.cache)
        row: Row = {
            "measure": "live splice",
            "clip": clip.name,
            "width": stream.width,
            "height": stream.height,
            "codec": codec,
            "structure": "P",
            "slices": options.slices,
            "pictures": options.seconds * FPS,
            "loss": LOSS,
            "seed": options.seed,
            "settings": stream.encoding.settings,
            "encoder": stream.writer,
            "sources": fingerprint(("concealer", "pipelines", "benchmarks/live_splice.py")),
        }
        row |= rounded(measure(stream, options.seconds, options.seed))
        store.add([row])
        print("  ".join(f"{name}={value}" for name, value in row.items() if name not in ("settings", "encoder")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
