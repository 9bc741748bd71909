"""Recordings of RTP as recorders write them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

Timed = Sequence[tuple[float, bytes]]
"""Seconds, RTP packet."""


def _udp(packet: bytes, port: int) -> bytes:
    return struct.pack(">4H", 4000, port, 8 + len(packet), 0) + packet


def ipv4(packet: bytes, port: int = 5004) -> bytes:
    body = _udp(packet, port)
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, 17, 0, b"\n\1\1\1", b"\n\2\2\2") + body


def ipv6(packet: bytes, port: int = 5004) -> bytes:
    body = _udp(packet, port)
    return struct.pack(">IHBB", 6 << 28, len(body), 17, 64) + bytes(32) + body


def ethernet(packet: bytes, port: int = 5004) -> bytes:
    return bytes(12) + b"\x08\x00" + ipv4(packet, port)


def vlan(packet: bytes, port: int = 5004) -> bytes:
    return bytes(12) + b"\x81\x00\x00\x07\x86\xdd" + ipv6(packet, port)


def cooked(packet: bytes, port: int = 5004) -> bytes:
    return bytes(14) + b"\x08\x00" + ipv4(packet, port)


def pcap(
    path: Path,
    packets: Timed,
    order: str = "<",
    *,
    nano: bool = False,
    link: int = 1,
    frame: Callable[..., bytes] = ethernet,
) -> Path:
    unit = 1e-9 if nano else 1e-6
    data = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)]
    for time, packet in packets:
        made = frame(packet)
        whole = int(time)
        data.append(struct.pack(order + "4I", whole, round((time - whole) / unit), len(made), len(made)) + made)
    path.write_bytes(b"".join(data))
    return path


def pcapng(path: Path, packets: Timed, order: str = "<") -> Path:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    nano = struct.pack(order + "HHB3x2H", 9, 1, 9, 0, 0)
    data = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    data.append(block(1, struct.pack(order + "HHI", 101, 0, 0) + nano))
    for time, packet in packets:
        made, stamp = ipv6(packet), round(time * 1e9)
        data.append(
            block(6, struct.pack(order + "5I", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(made), len(made)) + made)
        )
        data.append(block(5, bytes(12)))  # statistics
    path.write_bytes(b"".join(data))
    return path


def rtpdump(path: Path, packets: Timed) -> Path:
    data = [b"#!rtpplay1.0 10.2.2.2/5004\n" + bytes(16)]
    for time, packet in packets:
        data.append(struct.pack(">2HI", 8 + len(packet), len(packet), round(time * 1000)) + packet)
        data.append(struct.pack(">2HI", 8 + 8, 0, round(time * 1000)) + b"\x81\xc9\x00\x01" + bytes(4))  # RTCP
    path.write_bytes(b"".join(data))
    return path


def mjr(path: Path, packets: Timed, codec: str = "h264", version: int = 2) -> Path:
    info = json.dumps({"t": "v", "c": codec, "s": 1, "u": 2}).encode()
    data = [b"MJR0000%d" % version + struct.pack(">H", len(info)) + info]
    for time, packet in packets:
        stamp = struct.pack(">I", round(time * 1000)) if version > 1 else b"ECHO"
        data.append(b"MEET" + stamp + struct.pack(">H", len(packet)) + packet)
    path.write_bytes(b"".join(data))
    return path


def old_mjr(path: Path, packets: Timed) -> Path:
    data = [b"MEETECHO\x00\x05video"]
    data += [b"MEETECHO" + struct.pack(">H", len(packet)) + packet for _, packet in packets]
    path.write_bytes(b"".join(data))
    return path
