"""Transport streams as broadcasters and recorders leave them, made from a plain one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from concealer.bitstream.transport import crc32

PACKET = 188
PAT, PMT, VIDEO = 0, 0x1000, 0x100
"""PIDs that libavformat's muxer gives."""


def packets(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), PACKET):
        yield data[at : at + PACKET]


def pid_of(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def with_pid(packet: bytes, pid: int) -> bytes:
    return bytes((packet[0], packet[1] & 0xE0 | pid >> 8, pid & 0xFF)) + packet[3:]


def without(data: bytes, pids: set[int], until: float = 1.0) -> bytes:
    """Without the packets of these PIDs in the first part of the stream."""
    end = int(len(data) * until)
    return b"".join(p for n, p in enumerate(packets(data)) if n * PACKET >= end or pid_of(p) not in pids)


def section_of(packet: bytes) -> bytes:
    """The section that begins in a packet without adaptation field."""
    start = 5 + packet[4]
    return packet[start : start + 3 + ((packet[start + 1] & 0x0F) << 8 | packet[start + 2])]


def with_crc(section: bytes) -> bytes:
    """The section with its length and CRC made right; its last four bytes are replaced."""
    body = section[:-4]
    length = len(section) - 3
    body = body[:1] + bytes((0xB0 | length >> 8, length & 0xFF)) + body[3:]
    return body + crc32(body).to_bytes(4, "big")


def packed(pid: int, payload: bytes, counter: int) -> bytes:
    """Packets that carry sections; the pointer field is put before them."""
    payload, out, first = b"\0" + payload, [], True
    while payload:
        piece, payload = payload[:184], payload[184:]
        head = bytes((0x47, (0x40 if first else 0) | pid >> 8, pid & 0xFF, 0x10 | counter & 15))
        out.append((head + piece).ljust(PACKET, b"\xff"))
        counter, first = counter + 1, False
    return b"".join(out)


def with_maps(data: bytes, change: Callable[[int, bytes], bytes]) -> bytes:
    """Every program map replaced. change: number of the map and its section -> sections."""
    out, number, counter = [], 0, 0
    for packet in packets(data):
        if pid_of(packet) != PMT:
            out.append(packet)
            continue
        made = packed(PMT, change(number, section_of(packet)), counter)
        out.append(made)
        number, counter = number + 1, counter + len(made) // PACKET
    return b"".join(out)


def next_version(section: bytes) -> bytes:
    version = (section[5] >> 1 & 31) + 1 & 31
    return section[:5] + bytes((section[5] & 0xC1 | version << 1,)) + section[6:]


def moved(data: bytes, place: float, old: int, new: int, late: int = 0) -> bytes:
    """The stream on PID `old` goes on as `new` behind a share of the file; its map says so, `late` maps too late."""
    start = int(len(data) * place)
    all_packets = list(packets(data))
    turn = next(
        n
        for n, p in enumerate(all_packets)
        if n * PACKET >= start and pid_of(p) == PMT and _is_unit(all_packets, n, old)
    )
    head = b"".join(all_packets[:turn])
    tail = b"".join(with_pid(p, new) if pid_of(p) == old else p for p in all_packets[turn:])

    def change(number: int, section: bytes) -> bytes:
        if number < late:
            return section
        pids = [(0xE000 | pid).to_bytes(2, "big") for pid in (old, new)]
        return with_crc(next_version(section.replace(*pids)))

    return head + with_maps(tail, change)


def _is_unit(all_packets: list[bytes], number: int, pid: int) -> bool:
    """Whether the next packet of a PID begins a PES packet."""
    follows = next((p for p in all_packets[number:] if pid_of(p) == pid), b"\0\0")
    return bool(follows[1] & 0x40)


def with_times(data: bytes, change: Callable[[int, int, bool], int]) -> bytes:
    """Every PES time replaced. change: (number of the PES packet with times of its PID, time, is PTS) -> time."""
    out, counts = [], {}
    for packet in packets(data):
        start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
        flags = packet[start + 7] >> 6 if packet[1] & 0x40 and packet[start : start + 3] == b"\0\0\1" else 0
        if flags & 2:
            number = counts[pid_of(packet)] = counts.get(pid_of(packet), -1) + 1
            places = [start + 9] + ([start + 14] if flags == 3 else [])
            for at in places:
                time = change(number, _time(packet[at : at + 5]), at == start + 9) if pid_of(packet) else 0
                packet = packet[:at] + _stamp(packet[at] >> 4, time) + packet[at + 5 :]
        out.append(packet)
    return b"".join(out)


def _time(b: bytes) -> int:
    return (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1


def _stamp(prefix: int, time: int) -> bytes:
    time %= 1 << 33
    return bytes((
        prefix << 4 | (time >> 30) << 1 | 1, time >> 22 & 255, (time >> 15 & 127) << 1 | 1, time >> 7 & 255,
        (time & 127) << 1 | 1,
    ))  # fmt: skip
