"""One programme of a transport stream made several again: its association and map tables are written anew.

ISO/IEC 13818-1: program association 2.4.4.3, program map 2.4.4.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from concealer.bitstream.transport import crc32

_PACKET, _SYNC = 188, 0x47
_PAT_PID, _SDT_PID = 0x0000, 0x0011
_FIRST_MAP_PID = 0x1000
_PAYLOAD = _PACKET - 4


class Programmes:
    """Bytes of a stream with a single programme in, the same packets with several programmes out."""

    def __init__(self, programmes: Mapping[int, Sequence[int]]) -> None:
        """programmes: PIDs of its streams by the number of each; streams of none go to the first."""
        self._programmes = {number: set(pids) for number, pids in programmes.items()}
        taken = {pid for pids in self._programmes.values() for pid in pids}
        free = (pid for pid in range(_FIRST_MAP_PID + 1, 0x1FFF) if pid not in taken)
        self._map_pids = {number: next(free) for number in self._programmes}
        self._counters: dict[int, int] = {}
        self._map_pid: int | None = None
        """On which the map of the only programme comes."""
        self._section = bytearray()
        self._rest = b""

    def push(self, data: bytes) -> bytes:
        """Whole packets, as far as they have come."""
        data, out = self._rest + data, []
        end = len(data) - len(data) % _PACKET
        for at in range(0, end, _PACKET):
            out.append(self._packet(data[at : at + _PACKET]))
        self._rest = data[end:]
        return b"".join(out)

    def _packet(self, packet: bytes) -> bytes:
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
        if pid == _PAT_PID:
            return self._association(packet[start + 1 + packet[start] :])
        if pid == self._map_pid:
            return self._map(packet[start:], bool(packet[1] & 0x40))
        # It would describe a service that is no longer there.
        return b"" if pid == _SDT_PID else packet

    def _association(self, section: bytes) -> bytes:
        self._map_pid = (section[10] & 0x1F) << 8 | section[11]
        entries = [
            number.to_bytes(2, "big") + (0xE000 | self._map_pids[number]).to_bytes(2, "big")
            for number in self._programmes
        ]
        return self._packed(_PAT_PID, section[:8] + b"".join(entries))

    def _map(self, payload: bytes, unit_start: bool) -> bytes:
        if unit_start:
            self._section = bytearray(payload[1 + payload[0] :])
        else:
            self._section += payload
        if len(self._section) < 3:
            return b""
        end = 3 + ((self._section[1] & 0x0F) << 8 | self._section[2])
        if len(self._section) < end:
            return b""
        section = bytes(self._section[:end])
        self._section.clear()
        return b"".join(self._map_of(number, section) for number in self._programmes)

    def _map_of(self, number: int, section: bytes) -> bytes:
        at = 12 + ((section[10] & 0x0F) << 8 | section[11])
        head, streams = section[:at], []
        others = set().union(*(pids for other, pids in self._programmes.items() if other != number))
        first = number == next(iter(self._programmes))
        while at + 5 <= len(section) - 4:
            pid = (section[at + 1] & 0x1F) << 8 | section[at + 2]
            end = at + 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
            if pid in self._programmes[number] or (first and pid not in others):
                streams.append(section[at:end])
            at = end
        # The clock may stay where the muxer puts it: it need not be a stream of the programme.
        head = head[:3] + number.to_bytes(2, "big") + head[5:]
        return self._packed(self._map_pids[number], head + b"".join(streams))

    def _packed(self, pid: int, body: bytes) -> bytes:
        """A section in packets; `body` is without its CRC, and its length is set here."""
        body = body[:1] + (0xB000 | len(body) + 1).to_bytes(2, "big") + body[3:]
        payload, out = b"\0" + body + crc32(body).to_bytes(4, "big"), []
        for at in range(0, len(payload), _PAYLOAD):
            counter = self._counters[pid] = self._counters.get(pid, -1) + 1 & 15
            head = bytes((_SYNC, (0x40 if at == 0 else 0) | pid >> 8, pid & 0xFF, 0x10 | counter))
            out.append((head + payload[at : at + _PAYLOAD]).ljust(_PACKET, b"\xff"))
        return b"".join(out)


class Writable(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object: ...


class ProgrammeFile:
    """A file that makes several programmes of the one that libavformat writes; for PyAV."""

    def __init__(self, file: Writable, programmes: Mapping[int, Sequence[int]]) -> None:
        self._file, self._programmes = file, Programmes(programmes)

    def write(self, data: bytes) -> int:
        self._file.write(self._programmes.push(bytes(data)))
        return len(data)

    def close(self) -> None:
        """Close the file beneath, if it can be."""
        close = getattr(self._file, "close", None)
        if close is not None:
            close()
