"""A wire with jitter, reordering and duplicates, and what stock decoders make of what it lets through."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.metrics import Luma, squared_error
from benchmarks.rtp import Sending
from benchmarks.streams import Codec, Stream

_SPACING, _JITTER, _LATEST = 0.0002, 0.004, 0.03
"""Seconds between packets of one access unit; mean and greatest delay of a packet."""
_DUPLICATES = 0.01
STOCK = {"h264": ("avdec_h264 output-corrupt=true",), "hevc": ("avdec_h265 output-corrupt=true", "libde265dec")}


def stock_decoders(codec: Codec) -> list[str]:
    """Those of `STOCK` that are installed."""
    from pipelines.gst.bindings import Gst

    return [one for one in STOCK[codec] if Gst.ElementFactory.find(one.split()[0]) is not None]


def send_rough(sendings: Sequence[Sending], port: int, fps: int) -> None:
    """Send to a port of this machine in real time, every packet with a delay of its own, some of them twice."""
    chance = random.Random(len(sendings))
    due: list[tuple[float, int, bytes]] = []
    for number, sending in enumerate(sendings):
        for place, packet in enumerate(sending.packets):
            copies = 1 + (chance.random() < _DUPLICATES)
            for _ in range(copies):
                # Parameter sets that the first packets overtake would be those of a stream joined later.
                delay = min(chance.expovariate(1 / _JITTER), _LATEST) if number else 0.0
                due.append((number / fps + place * _SPACING + delay, len(due), packet))
    due.sort()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        started = time.monotonic()
        for when, _, packet in due:
            time.sleep(max(0.0, started + when - time.monotonic()))
            channel.sendto(packet, ("127.0.0.1", port))


def stock_error(stream: Stream, sendings: Sequence[Sending], decoder: str, fps: int) -> tuple[float, int]:
    """(mean squared error of luma, pictures out) of a stock decoder over the same packets, in order.

    Where it puts out no picture its last one is seen.
    """
    from pipelines.gst.bindings import Gst

    codec: Codec = stream.encoding.codec
    encoding, depayloader = ("H264", "rtph264depay") if codec == "h264" else ("H265", "rtph265depay")
    caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={encoding},payload=96"
    pipeline = Gst.parse_launch(
        f"appsrc name=in format=time max-bytes=0 caps={caps} ! {depayloader} ! {decoder} ! videoconvert ! "
        "video/x-raw,format=I420 ! appsink name=out sync=false"
    )
    source, out = pipeline.get_by_name("in"), pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PLAYING)
    for sending in sendings:
        for packet in sending.packets:
            buffer = Gst.Buffer.new_wrapped(packet)
            buffer.pts = sending.position * Gst.SECOND // fps
            source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    errors: dict[int, float] = {}
    last, count, before = -1, 0, np.zeros((stream.height, stream.width), np.uint8)
    while (sample := out.emit("try-pull-sample", 20 * Gst.SECOND)) is not None:
        picture = _luma(sample.get_buffer(), stream)
        position = round(sample.get_buffer().pts * fps / Gst.SECOND)
        count += 1
        for shown in range(last + 1, position):  # what was there before is still seen
            errors[shown] = _error(stream, shown, before)
        errors[position] = _error(stream, position, picture)
        last, before = max(last, position), picture
    pipeline.set_state(Gst.State.NULL)
    for shown in range(last + 1, len(sendings)):
        errors[shown] = _error(stream, shown, before)
    return float(np.mean(list(errors.values()))), count


def _error(stream: Stream, position: int, picture: Luma) -> float:
    clean = stream.clean[position % len(stream.clean)][0]
    return squared_error(clean, picture) / clean.size


def _luma(buffer: Any, stream: Stream) -> Luma:
    stride = (stream.width + 3) // 4 * 4
    data = np.frombuffer(buffer.extract_dup(0, stride * stream.height), np.uint8)
    return np.ascontiguousarray(data.reshape(stream.height, stride)[:, : stream.width])
