"""Tables of a transport stream: which programmes it holds and on which PIDs (ISO/IEC 13818-1 2.4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from concealer.bitstream.nal import Codec

STREAM_TYPES: dict[int, Codec] = {0x1B: "h264", 0x24: "hevc"}
_PAT, _PMT = 0x00, 0x02
_STUFFING = 0xFF
_MOST_BYTES = 4096 + 188
"""Of one section and the packet that ends it."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc32(data: bytes | bytearray) -> int:
    """CRC of a section (Annex A); 0 over one that is whole, its own CRC included."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value << 8 & 0xFFFFFFFF ^ _CRC[value >> 24 ^ byte]
    return value


@dataclass(slots=True)
class _Gathering:
    """The sections of one PID."""

    data: bytearray | None = None
    """Bytes since the last whole section; None until one begins."""
    known: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """By table and its number the section as it came last: most only come again."""


class ProgrammeTables:
    """What the tables say, kept up to date. Sections may go over several packets, and several stand in one."""

    def __init__(self) -> None:
        self.codecs: dict[int, Codec] = {}
        """Of every PID that was ever announced as H.264 or HEVC."""
        self.successors: dict[int, int] = {}
        """By PID of a stream the one it had before: a new map of its programme announces it elsewhere."""
        self._map_pids: set[int] = set()
        self._streams: dict[int, dict[int, int]] = {}
        """By programme the stream type of every PID, as its map says now."""
        self._gathering: dict[int, _Gathering] = {}

    @property
    def programmes(self) -> dict[int, tuple[int, ...]]:
        """PIDs of the streams of each programme, by its number."""
        return {number: tuple(streams) for number, streams in self._streams.items()}

    def holds(self, pid: int) -> bool:
        """Whether tables come on this PID."""
        return pid == 0 or pid in self._map_pids

    def announces(self, pid: int) -> bool:
        """Whether a programme's map holds this PID now."""
        return any(pid in streams for streams in self._streams.values())

    def push(self, pid: int, payload: bytes, unit_start: bool, lost: bool) -> None:
        """Take in the payload of one packet. lost: packets are missing before it."""
        one = self._gathering.setdefault(pid, _Gathering())
        if lost:
            one.data = None
        if unit_start:
            pointer = 1 + payload[0] if payload else 1
            if one.data is not None:
                one.data += payload[1:pointer]
                self._take(pid, one)
            one.data = bytearray(payload[pointer:])
        elif one.data is not None:
            one.data += payload
        self._take(pid, one)

    def _take(self, pid: int, one: _Gathering) -> None:
        while one.data is not None and len(one.data) >= 3:
            if one.data[0] == _STUFFING or len(one.data) > _MOST_BYTES:
                one.data = None
                return
            end = 3 + ((one.data[1] & 0x0F) << 8 | one.data[2])
            if len(one.data) < end:
                return
            section, one.data = bytes(one.data[:end]), one.data[end:]
            self._section(pid, section, one.known)

    def _section(self, pid: int, section: bytes, known: dict[tuple[int, int], bytes]) -> None:
        table = section[0]
        if table not in (_PAT, _PMT) or len(section) < 12 or not section[5] & 1:  # not valid yet
            return
        key = table, int.from_bytes(section[3:5], "big")
        if known.get(key) == section or crc32(section):
            return
        if len(known) < 64:
            known[key] = section
        if table == _PAT and pid == 0:
            self._association(section)
        elif table == _PMT and pid != 0:
            self._map(key[1], section)

    def _association(self, section: bytes) -> None:
        for pos in range(8, len(section) - 4 - 3, 4):
            if section[pos] or section[pos + 1]:  # programme 0 is the network's own table
                self._map_pids.add((section[pos + 2] & 0x1F) << 8 | section[pos + 3])

    def _map(self, programme: int, section: bytes) -> None:
        pos = 12 + ((section[10] & 0x0F) << 8 | section[11])
        streams: dict[int, int] = {}
        while pos + 5 <= len(section) - 4:
            streams[(section[pos + 1] & 0x1F) << 8 | section[pos + 2]] = section[pos]
            pos += 5 + ((section[pos + 3] & 0x0F) << 8 | section[pos + 4])
        before = self._streams.get(programme, {})
        for kind in {*streams.values()}:
            gone = [pid for pid, old in before.items() if old == kind and pid not in streams]
            new = [pid for pid, now in streams.items() if now == kind and pid not in before]
            # One for one: with more of a kind it is not known which is which, but they keep their order.
            for was, now in zip(gone, new, strict=False):
                if now not in self.successors and was != now:
                    self.successors[now] = self.successors.get(was, was)
        self._streams[programme] = streams
        for pid, kind in streams.items():
            if kind in STREAM_TYPES:
                self.codecs[pid] = STREAM_TYPES[kind]
