"""Streams that move to another PID in mid-file, put back on the PID they had, for readers who would take them for new.

What a reader holds of a stream's last PES packet it gives out when the next one begins, which on the old PID never
does; and a stream that appears late is one more stream, not the rest of another.
"""

from __future__ import annotations

from collections.abc import Mapping

from concealer.bitstream.nal import Codec
from concealer.bitstream.transport.tables import STREAM_TYPES, ProgrammeTables, crc32

_PACKET, _SYNC = 188, 0x47
_NULL_PID = 0x1FFF
_PMT = 0x02
_TYPE_OF = {codec: kind for kind, codec in STREAM_TYPES.items()}


class Renumbering:
    """Bytes of a transport stream in, the same number of bytes out, now or later."""

    def __init__(self, moved: Mapping[int, int] | None = None, kinds: Mapping[int, Codec] | None = None) -> None:
        """moved: old PIDs by new ones, from an earlier reading, for packets that come before the map that tells.
        kinds: what streams are by their own bytes, by PID, where that is known: maps are made to say so.
        """
        self._kinds = {pid: _TYPE_OF[codec] for pid, codec in (kinds or {}).items()}
        self._tables = ProgrammeTables()
        self._tables.successors.update(moved or {})
        self._unannounced: set[int] = set()
        self._rest = b""
        self._counters: dict[int, int] = {}
        """Last continuity counter by PID."""
        self._steps: dict[int, int] = {}
        """What is added to the counter of a moved PID, so that it goes on from the old one's."""

    @property
    def moved(self) -> dict[int, int]:
        """Old PIDs by new ones."""
        return dict(self._tables.successors)

    @property
    def came_late(self) -> bool:
        """Packets of a moved stream came before it was known that it moved."""
        return not self._unannounced.isdisjoint(self._tables.successors)

    def push(self, data: bytes) -> bytes:
        """Whole packets, as far as they have come."""
        data = self._rest + data
        out: list[bytes] = []
        done = pos = 0
        while pos + _PACKET <= len(data):
            if data[pos] != _SYNC:
                found = data.find(_SYNC, pos + 1)
                pos = found if found >= 0 else len(data)
                continue
            changed = self._packet(data[pos : pos + _PACKET])
            if changed is not None:
                out += [data[done:pos], changed]
                done = pos + _PACKET
            pos += _PACKET
        self._rest = data[pos:]
        out.append(data[done:pos])
        return b"".join(out)

    def flush(self) -> bytes:
        """The stream ended: what is left."""
        rest, self._rest = self._rest, b""
        return rest

    def _packet(self, packet: bytes) -> bytes | None:
        """The packet if it is another now."""
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if packet[1] & 0x80 or packet[3] & 0xC0 or not packet[3] & 0x10:
            return None
        if self._tables.holds(pid):
            return self._table(pid, packet)
        root = self._tables.successors.get(pid)
        counter = packet[3] & 15
        if root is None:
            if pid not in self._counters and not self._tables.announces(pid):
                self._unannounced.add(pid)
            self._counters[pid] = counter
            return None
        if pid not in self._steps:
            self._steps[pid] = self._counters.get(root, counter - 1) + 1 - counter
        counter = counter + self._steps[pid] & 15
        self._counters[root] = counter
        return _renamed(packet, root)[:3] + bytes((packet[3] & 0xF0 | counter,)) + packet[4:]

    def _table(self, pid: int, packet: bytes) -> bytes | None:
        start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
        unit_start, counter = bool(packet[1] & 0x40), packet[3] & 15
        last = self._counters.get(pid)
        self._counters[pid] = counter
        if last == counter:
            return None
        self._tables.push(pid, packet[start:], unit_start, last is not None and counter != last + 1 & 15)
        if pid == 0 or not (self._tables.successors or self._kinds) or start >= _PACKET:
            return None
        edited = self._edited(packet, start + 1 + packet[start]) if unit_start else None
        if edited is None and not self._tables.successors:
            return None
        # A map that is not whole in its packet is left out: the one before holds, but for what it added.
        return _renamed(packet, _NULL_PID) if edited is None else edited

    def _edited(self, packet: bytes, pos: int) -> bytes | None:
        """The packet with the old PIDs in its map; None if that is not all in it."""
        out = bytearray(packet)
        while pos + 3 <= _PACKET and out[pos] != 0xFF:
            end = pos + 3 + ((out[pos + 1] & 0x0F) << 8 | out[pos + 2])
            if end > _PACKET:
                return None
            if out[pos] == _PMT and not crc32(out[pos:end]):
                at = pos + 12 + ((out[pos + 10] & 0x0F) << 8 | out[pos + 11])
                while at + 5 <= end - 4:
                    out[at] = self._kinds.get((out[at + 1] & 0x1F) << 8 | out[at + 2], out[at])
                    old = self._tables.successors.get((out[at + 1] & 0x1F) << 8 | out[at + 2])
                    if old is not None:
                        out[at + 1], out[at + 2] = out[at + 1] & 0xE0 | old >> 8, old & 0xFF
                    at += 5 + ((out[at + 3] & 0x0F) << 8 | out[at + 4])
                out[end - 4 : end] = crc32(out[pos : end - 4]).to_bytes(4, "big")
            pos = end
        return bytes(out)


def _renamed(packet: bytes, pid: int) -> bytes:
    return packet[:1] + bytes((packet[1] & 0xE0 | pid >> 8, pid & 0xFF)) + packet[3:]
