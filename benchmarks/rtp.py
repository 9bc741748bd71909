"""A seeded lossy RTP sender: an elementary stream as packets, and those of them that arrive."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from concealer.bitstream import Codec, StreamParser
from concealer.loss import RtpLoss, fragment_bounds

CLOCK = 90_000
_PAYLOAD_TYPE = 96
_SSRC = 0x434F4E43
_BURST, _PAUSE = 24, 0.002
"""Packets sent at once and seconds between: sockets receive into 208 kB by default, about 90 packets."""


@dataclass
class Sending:
    """One access unit on the wire."""

    position: int
    """In output order, from 0."""
    packets: list[bytes]
    """RTP packets of it that arrive."""
    lost: int
    """Number of its packets that do not."""
    hit: bool
    """Whether a packet of a slice is among them: without an SEI message a picture lacks nothing."""


def packetise(nals: Sequence[bytes], codec: Codec, timestamp: int, sequence: int, mtu: int) -> list[bytes]:
    """RTP packets of one access unit: single NAL unit packets, and fragmentation units where `mtu` asks for them.

    `mtu`: bytes of RTP payload (RFC 6184 5.6 and 5.8, RFC 7798 4.4.1 and 4.4.3).
    """
    payloads: list[bytes] = []
    for nal in nals:
        bounds = fragment_bounds(len(nal), codec, mtu)
        if len(bounds) == 2:
            payloads.append(nal)
            continue
        header = 1 if codec == "h264" else 2
        for number, (start, end) in enumerate(zip(bounds, bounds[1:], strict=False)):
            flags = (0x80 if number == 0 else 0) | (0x40 if end == len(nal) else 0)
            body = nal[max(start, header) : end]
            if codec == "h264":
                payloads.append(bytes((nal[0] & 0xE0 | 28, flags | nal[0] & 31)) + body)
            else:
                kind = nal[0] >> 1 & 63
                payloads.append(bytes((nal[0] & 0x81 | 49 << 1, nal[1], flags | kind)) + body)
    packets = []
    for number, payload in enumerate(payloads):
        marker = 0x80 if number == len(payloads) - 1 else 0
        head = bytes((0x80, marker | _PAYLOAD_TYPE))
        head += ((sequence + number) & 0xFFFF).to_bytes(2, "big")
        head += (timestamp & 0xFFFFFFFF).to_bytes(4, "big") + _SSRC.to_bytes(4, "big")
        packets.append(head + payload)
    return packets


def _of_slice(packet: bytes, codec: Codec) -> bool:
    if codec == "h264":
        kind = packet[12] & 31
        return 1 <= (packet[13] & 31 if kind == 28 else kind) <= 5
    kind = packet[12] >> 1 & 63
    return (packet[14] & 63 if kind == 49 else kind) < 32


def send_lossy(
    units: Sequence[tuple[bytes, int]], codec: Codec, fps: int, *, rate: float, seed: int, mtu: int = 1200
) -> list[Sending]:
    """What arrives of `units`, (Annex B payload, position in output order) in decoding order.

    The first access unit and all parameter sets arrive; of the other packets a share of `rate` is lost.
    """
    channel = RtpLoss(rate, seed=seed, mtu=mtu)
    parser = StreamParser(codec, container_framed=True)
    parsed = [unit for payload, position in units for unit in parser.push(payload, pts=position)] + parser.flush()
    if len(parsed) != len(units):
        raise ValueError(f"{len(units)} access units parse as {len(parsed)}")
    sequence, sendings = 0, []
    dropped_before = 0
    for unit in parsed:
        channel.send(unit)
        gone = set(channel.record.packets_dropped[dropped_before:])
        dropped_before = len(channel.record.packets_dropped)
        position = unit.pts or 0
        packets = packetise([nal.data for nal in unit.nals], codec, position * CLOCK // fps, sequence, mtu)
        kept = [packet for number, packet in enumerate(packets) if sequence + number not in gone]
        lost = [packet for number, packet in enumerate(packets) if sequence + number in gone]
        hit = any(_of_slice(packet, codec) for packet in lost)
        sendings.append(Sending(position, kept, len(lost), hit))
        sequence += len(packets)
    return sendings


def send_udp(
    sendings: Sequence[Sending], port: int, fps: int, on_sent: Callable[[int], None] = lambda position: None
) -> None:
    """Send to a port of this machine in real time, one access unit per picture interval."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        started = time.monotonic()
        for number, sending in enumerate(sendings):
            time.sleep(max(0.0, started + number / fps - time.monotonic()))
            for place, packet in enumerate(sending.packets):
                if place % _BURST == _BURST - 1:
                    time.sleep(_PAUSE)
                channel.sendto(packet, ("127.0.0.1", port))
            on_sent(sending.position)
