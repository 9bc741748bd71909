"""Datagrams out of the files that recorders write: pcap, pcapng, rtpdump, Janus' MJR.

A reader of our own: what libraries there are either stopped being kept, or stand under a licence that asks more of
those who ship them, or take captures apart as far as anything can be, packet by packet. Files may end anywhere.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_PCAP = {b"\xa1\xb2\xc3\xd4": (">", 1e-6), b"\xd4\xc3\xb2\xa1": ("<", 1e-6)}
_PCAP |= {b"\xa1\xb2\x3c\x4d": (">", 1e-9), b"\x4d\x3c\xb2\xa1": ("<", 1e-9)}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_RTPDUMP = b"#!rtpplay1.0 "
_MJR, _OLD_MJR = b"MJR0000", b"MEETECHO"
_MOST = 1 << 18
"""Bytes of one packet; lengths beyond it are damage."""
_UDP, _TCP = 17, 6
_EXTENSIONS = {0, 43, 60}
"""Headers of IPv6 that give their own length; fragments (44) are not put together."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What one packet carried."""

    time: float
    """Seconds, of any clock."""
    data: bytes
    flow: tuple[object, ...] = ()
    """From where to where; empty in recordings of one stream."""
    tcp: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """A file of datagrams."""

    kind: str
    """In messages."""
    codec: str | None
    """Name of the codec, where the file has it (MJR)."""
    _read: Callable[[BinaryIO], Iterator[Datagram]]

    def datagrams(self, path: str) -> Iterator[Datagram]:
        """All of them, up to the end or the first that is damaged. Raises OSError."""
        with open(path, "rb") as file:
            yield from self._read(file)


def capture_of(head: bytes) -> Capture | None:
    """What a file is by its first bytes; None: no capture."""
    if head[:4] in _PCAP:
        return Capture("pcap", None, _pcap)
    if head[:4] == _PCAPNG and head[8:12] in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
        return Capture("pcapng", None, _pcapng)
    if head.startswith(_RTPDUMP):
        return Capture("rtpdump", None, _rtpdump)
    if head.startswith((_MJR, _OLD_MJR)):
        return Capture("Janus recording", _codec_of_mjr(head), _mjr)
    return None


def _pcap(file: BinaryIO) -> Iterator[Datagram]:
    order, unit = _PCAP[file.read(4)]
    head = file.read(20)
    if len(head) < 20:
        return
    link = struct.unpack(order + "I", head[16:])[0] & 0xFFFF
    while len(record := file.read(16)) == 16:
        seconds, fraction, size, _ = struct.unpack(order + "4I", record)
        if size > _MOST:
            return
        found = _of_frame(file.read(size), link, seconds + fraction * unit)
        if found is not None:
            yield found


def _pcapng(file: BinaryIO) -> Iterator[Datagram]:
    order = "<"
    links: list[tuple[int, float]] = []
    while len(head := file.read(8)) == 8:
        if head[:4] == _PCAPNG:
            magic = file.read(4)
            order, links = (">" if magic == b"\x1a\x2b\x3c\x4d" else "<"), []
            file.seek(-4, 1)
        kind, size = struct.unpack(order + "2I", head)
        if not 12 <= size <= _MOST:
            return
        body = file.read(size - 8)[:-4]
        if len(body) < size - 12:
            return
        if kind == 1 and len(body) >= 8:  # interface description
            links.append((struct.unpack_from(order + "H", body)[0], _resolution(body[8:], order)))
        elif kind == 6 and len(body) >= 20:  # enhanced packet
            which, high, low, held = struct.unpack_from(order + "4I", body)
            link, unit = links[which] if which < len(links) else (1, 1e-6)
            found = _of_frame(body[20 : 20 + held], link, ((high << 32) + low) * unit)
            if found is not None:
                yield found
        elif kind == 3 and links:  # simple packet: without a time
            found = _of_frame(body[4:], links[0][0], 0.0)
            if found is not None:
                yield found


def _resolution(options: bytes, order: str) -> float:
    """Seconds that a unit of the timestamps lasts (option if_tsresol)."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(order + "2H", options, at)
        if code == 9 and size == 1 and at + 4 < len(options):
            value = options[at + 4]
            return float(2.0 ** -(value & 127) if value & 128 else 10.0**-value)
        if code == 0:
            break
        at += 4 + size + -size % 4
    return 1e-6


_NETWORK_AT = {0: 4, 1: 14, 12: 0, 14: 0, 101: 0, 108: 4, 113: 16, 228: 0, 229: 0, 276: 20}
"""Where the network header begins, by link type: loopback, Ethernet, raw IP, cooked captures of Linux."""
_PROTOCOL_AT = {1: 12, 113: 14, 276: 0}
"""Where an EtherType stands."""


def _of_frame(frame: bytes, link: int, time: float) -> Datagram | None:
    at = _NETWORK_AT.get(link)
    if at is None:
        return None
    place = _PROTOCOL_AT.get(link)
    if place is not None:
        while frame[place : place + 2] in (b"\x81\x00", b"\x88\xa8"):  # VLAN
            place, at = place + 4, at + 4
        if frame[place : place + 2] not in (b"\x08\x00", b"\x86\xdd"):
            return None
    packet = frame[at:]
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        if (packet[6] << 8 | packet[7]) & 0x3FFF:  # a fragment
            return None
        protocol, start, end = packet[9], 4 * (packet[0] & 15), packet[2] << 8 | packet[3]
        hosts = packet[12:16], packet[16:20]
    elif version == 6 and len(packet) >= 40:
        protocol, start, end = packet[6], 40, 40 + (packet[4] << 8 | packet[5])
        hosts = packet[8:24], packet[24:40]
        while protocol in _EXTENSIONS and len(packet) >= start + 8:
            protocol, start = packet[start], start + 8 * (packet[start + 1] + 1)
    else:
        return None
    return _of_segment(packet[start : end or len(packet)], protocol, hosts, time)


def _of_segment(segment: bytes, protocol: int, hosts: tuple[bytes, bytes], time: float) -> Datagram | None:
    if protocol == _UDP and len(segment) > 8:
        flow = (*hosts, segment[:4])
        return Datagram(time, segment[8 : struct.unpack_from(">H", segment, 4)[0] or None], flow)
    if protocol == _TCP and len(segment) > 20:
        return Datagram(time, segment[4 * (segment[12] >> 4) :], (*hosts, segment[:4]), tcp=True)
    return None


def _rtpdump(file: BinaryIO) -> Iterator[Datagram]:
    """rtptools: a line, 16 bytes, and packets with their length and milliseconds."""
    if not file.readline(200).endswith(b"\n") or len(file.read(16)) < 16:
        return
    while len(record := file.read(8)) == 8:
        size, plain, milliseconds = struct.unpack(">2HI", record)
        if size < 8:
            return
        data = file.read(size - 8)
        if plain:  # 0: RTCP
            yield Datagram(milliseconds / 1000, data)


def _mjr(file: BinaryIO) -> Iterator[Datagram]:
    """Janus: eight bytes before each packet, of which the last four are milliseconds since version 2."""
    timed = file.read(8) == b"MJR00002"
    file.seek(0)
    while len(record := file.read(10)) == 10 and record[:1] == b"M":
        size = struct.unpack(">H", record[8:])[0]
        data = file.read(size)
        if record[:4] == b"MEET" and size >= 12:
            time = struct.unpack(">I", record[4:8])[0] / 1000 if timed else 0.0
            yield Datagram(time, data)


def _codec_of_mjr(head: bytes) -> str | None:
    found = re.match(rb"MJR0000\d", head)
    if found is None:
        return None
    size = int.from_bytes(head[8:10], "big")
    try:
        info = json.loads(head[10 : 10 + size])
    except ValueError:
        return None
    return str(info["c"]) if isinstance(info, dict) and "c" in info else None
