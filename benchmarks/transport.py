"""MPEG transport streams in memory: packing a stream, taking it apart with and without the loss detector."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
from av.video.stream import VideoStream

from benchmarks.streams import FPS, Stream
from concealer.bitstream.transport import ContinuityChecker, PesPacket

_CLOCK = 90_000
_TICKS = _CLOCK // FPS


def pack(stream: Stream) -> bytes:
    """The stream in 188-byte packets, written by libavformat."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mpegts") as container:
        track = container.add_mux_stream(stream.encoding.codec, rate=FPS)
        assert isinstance(track, VideoStream)
        track.width, track.height = stream.width, stream.height
        track.time_base = Fraction(1, _CLOCK)
        for index, unit in enumerate(stream.units):
            packet = av.Packet(unit.payload)
            packet.stream, packet.time_base = track, Fraction(1, _CLOCK)
            packet.pts = unit.pts * _TICKS
            packet.dts = (index - 3) * _TICKS
            packet.is_keyframe = index == 0
            container.mux(packet)
    return memory.getvalue()


def packets(transport: bytes, origin: int) -> Iterator[tuple[PesPacket, int | None]]:
    """PES packets and their position in output order; `origin`: 90 kHz time of position 0."""
    reader = ContinuityChecker()
    for pes in [*reader.push(transport), *reader.flush()]:
        yield pes, None if pes.pts is None else round((pes.pts - origin) / _TICKS)


def demux(transport: bytes, origin: int) -> list[tuple[bytes, int | None]]:
    """(payload, position in output order) as libavformat delivers them, corrupt packets kept as by default."""
    found: list[tuple[bytes, int | None]] = []
    with av.open(io.BytesIO(transport), mode="r", format="mpegts") as container:
        for packet in container.demux(video=0):
            if packet.size:
                found.append((bytes(packet), None if packet.pts is None else round((packet.pts - origin) / _TICKS)))
    return found


def origin(transport: bytes, stream: Stream) -> int:
    """90 kHz time of output position 0 in an undamaged transport stream of `stream`."""
    first = next(packets(transport, 0))[0]
    return (first.pts or 0) - stream.units[0].pts * _TICKS
