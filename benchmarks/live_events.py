"""What happens to a live stream beside losses, and what concealdec makes of it.

python -m benchmarks.live_events     # about a minute

Restart of the sender, another SSRC, an outage, another picture size, joins: access units in, pictures out, which were
flagged, keyframes asked for, the first clean picture. Needs GStreamer's Python bindings (docs/live.md).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from benchmarks.clips import CLIPS, Planes, available, load, to_frame
from benchmarks.rtp import CLOCK, packetise
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import Codec
from concealer.bitstream import PARAMETER_SETS, StreamParser, join_annexb, nal_type, split_annexb
from pipelines.gst.register import register

FPS, GOP, PICTURES, START = 30, 30, 60, 10
OUTAGE = 10.0
"""Seconds."""
KEY = ("measure", "codec", "structure", "event")


@dataclass(frozen=True)
class Unit:
    """An access unit on the wire."""

    payload: bytes
    position: int
    """In output order."""
    source: int = 0
    """Which sender it comes from: each has its own SSRC, and begins its sequence numbers and timestamps elsewhere."""
    clock: int = 0
    """Sequence numbers and timestamps begin elsewhere, under the same SSRC."""


@dataclass
class Outcome:
    """What came out."""

    positions: list[int] = field(default_factory=list)
    flagged: list[int] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)


def encode(pictures: Sequence[Planes], codec: Codec, bframes: int, refresh: bool = False) -> list[Unit]:
    """The pictures in decoding order."""
    height, width = pictures[0][0].shape
    common = f"slices=1:bframes={bframes}:keyint={GOP}:scenecut=0" + (":intra-refresh=1" if refresh else "")
    name, options = (
        ("libx264", "threads=1") if codec == "h264" else ("libx265", "pools=1:frame-threads=1:log-level=none")
    )
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.options = {"crf": "23", f"{name[3:]}-params": f"{common}:{options}"}
    data = bytearray()
    for number, planes in enumerate(pictures):
        frame = to_frame(planes)
        frame.pts = number
        data += b"".join(bytes(packet) for packet in context.encode(frame))
    data += b"".join(bytes(packet) for packet in context.encode(None))
    parser = StreamParser(codec)
    units = [*parser.push(bytes(data)), *parser.flush()]
    order = sorted(range(len(units)), key=lambda index: units[index].order)
    place = {index: position for position, index in enumerate(order)}
    return [Unit(join_annexb(unit.nals), place[index]) for index, unit in enumerate(units)]


def joined(units: Sequence[Unit], codec: Codec) -> list[Unit]:
    """From the middle of the first GOP on, with the parameter sets, as an RTSP server sends them."""
    sets = [nal for nal in split_annexb(units[0].payload) if nal_type(codec, nal) in PARAMETER_SETS[codec]]
    first, *rest = units[START:]
    return [replace(first, payload=join_annexb([*sets, *split_annexb(first.payload)])), *rest]


def later(units: Sequence[Unit], pictures: int, source: int = 0, clock: int = 0) -> list[Unit]:
    """The same, so many pictures later."""
    return [replace(unit, position=unit.position + pictures, source=source, clock=clock) for unit in units]


def packets_of(units: Sequence[Unit], codec: Codec) -> list[tuple[bytes, int]]:
    """(RTP packet, position); packets follow one another even over an outage, as the sender goes on unheard."""
    sequence, packets = 7, []
    missed = 0
    for number, unit in enumerate(units):
        if number and unit.position > units[number - 1].position + GOP:
            missed += 2000
        ticks = unit.position * CLOCK // FPS + 0x30000000 * unit.source + 0x70000000 * unit.clock
        start = sequence + missed + 11_000 * unit.source + 20_000 * unit.clock
        made = packetise([nal.data for nal in split_annexb(unit.payload)], codec, ticks, start, 1200)
        sequence += len(made)
        source = (0x1000 + unit.source).to_bytes(4, "big")
        packets += [(packet[:8] + source + packet[12:], unit.position) for packet in made]
    return packets


def decode(units: Sequence[Unit], codec: Codec, options: str = "") -> Outcome:
    """Send it through the elements, not in real time."""
    register()
    from pipelines.gst.bindings import Gst

    encoding, payloader = ("H264", "rtph264depay") if codec == "h264" else ("H265", "rtph265depay")
    caps = f"application/x-rtp,media=video,clock-rate={CLOCK},encoding-name={encoding},payload=96"
    pipeline = Gst.parse_launch(
        f"appsrc name=in format=time max-bytes=0 caps={caps} ! conceallossprobe ! {payloader} ! "
        f"concealdec name=dec deadline-ms=0 {options} ! appsink name=out sync=false"
    )
    source, out, outcome = pipeline.get_by_name("in"), pipeline.get_by_name("out"), Outcome()
    pipeline.set_state(Gst.State.PLAYING)
    for packet, position in packets_of(units, codec):
        buffer = Gst.Buffer.new_wrapped(packet)
        buffer.pts = position * Gst.SECOND // FPS
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    while (sample := out.emit("try-pull-sample", 20 * Gst.SECOND)) is not None:
        buffer = sample.get_buffer()
        outcome.positions.append(round(buffer.pts * FPS / Gst.SECOND))
        if buffer.has_flags(Gst.BufferFlags.CORRUPTED):
            outcome.flagged.append(outcome.positions[-1])
        shape = sample.get_caps().get_structure(0)
        outcome.sizes.append(f"{shape.get_value('width')}x{shape.get_value('height')}")
    while (message := pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)) is not None:
        outcome.errors.append(message.parse_error()[0].message)
    structure = pipeline.get_by_name("dec").get_property("stats")
    names = [structure.nth_field_name(index) for index in range(structure.n_fields())]
    outcome.stats = {name: structure.get_value(name) for name in names}
    pipeline.set_state(Gst.State.NULL)
    return outcome


def events(pictures: Sequence[Planes], codec: Codec, bframes: int) -> dict[str, Callable[[], tuple[list[Unit], int]]]:
    """By name what is sent, and the position from which on it is something else."""
    units = encode(pictures, codec, bframes)
    small = [
        tuple(plane[: plane.shape[0] // 2 & ~1, : plane.shape[1] // 2 & ~1].copy() for plane in p) for p in pictures
    ]
    away = round(OUTAGE * FPS)
    return {
        "restart, same SSRC": lambda: ([*units, *later(units, PICTURES, clock=1)], PICTURES),
        "another SSRC": lambda: ([*units, *later(units, PICTURES, source=1)], PICTURES),
        "another SSRC, in mid-GOP": lambda: ([*units, *later(joined(units, codec), PICTURES, source=1)], PICTURES),
        "outage of 10 s": lambda: ([*units, *later(joined(units, codec), PICTURES + away)], PICTURES + away),
        "another picture size": lambda: (
            [*units, *later(encode(small, codec, bframes), PICTURES)],  # type: ignore[arg-type]
            PICTURES,
        ),
        "join in mid-GOP": lambda: (joined(units, codec), 0),
        "join, intra refresh": lambda: (joined(encode(pictures, codec, 0, refresh=True), codec), 0),
    }


def measure(sent: Sequence[Unit], change: int, outcome: Outcome) -> Row:
    """A row of what came out."""
    flagged = set(outcome.flagged)
    clean = [place for place in outcome.positions if place >= change and place not in flagged]
    sent_after = min(unit.position for unit in sent if unit.position >= change)
    return {
        "access_units": len(sent),
        "pictures": len(outcome.positions),
        "in_order": outcome.positions == sorted(set(outcome.positions)),
        "flagged": len(outcome.flagged),
        "keyframe_requests": outcome.stats["keyframe-requests"],
        "restarts": outcome.stats["restarts"],
        "made_up": outcome.stats["made-up"],
        "first_clean": clean[0] - sent_after if clean else None,
        "errors": len(outcome.errors),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_events", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "live_events.json", help="default: %(default)s")
    options = parser.parse_args(arguments)
    clip = available([clip for clip in CLIPS if clip.name == "cups"])[0]
    pictures = load(clip, PICTURES)
    store = Store(options.out, command_line("benchmarks.live_events"), KEY)
    kinds: tuple[tuple[Codec, int], ...] = (("h264", 0), ("h264", 2), ("hevc", 0), ("hevc", 2))
    for codec, bframes in kinds:
        for name, make in events(pictures, codec, bframes).items():
            if bframes and "refresh" in name:
                continue
            began = time.monotonic()
            sent, change = make()
            row: Row = {
                "measure": "event",
                "clip": clip.name,
                "codec": codec,
                "structure": "B" if bframes else "P",
                "event": name,
                "sources": fingerprint(("concealer", "pipelines", "benchmarks/live_events.py")),
            }
            row |= measure(sent, change, decode(sent, codec))
            store.add([row])
            shown = {key: value for key, value in row.items() if key not in ("measure", "clip", "sources")}
            print(*(f"{key}={value}" for key, value in shown.items()), f"{time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
