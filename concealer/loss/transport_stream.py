"""Loss of MPEG-TS packets: 188-byte packets of a file are left out as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from concealer.bitstream import AccessUnit, Codec, StreamParser
from concealer.loss.channel import Sent, describe, note
from concealer.loss.process import LossProcess
from concealer.loss.record import DamageRecord

PACKET = 188
_SYNC = 0x47
_START_CODE_BYTES = 3
_CODECS: dict[int, Codec] = {0x1B: "h264", 0x24: "hevc"}
"""stream_type in the program map table (ISO/IEC 13818-1 table 2-34)."""


class TransportStreamLoss:
    """Packets of any kind are lost, tables and sound too; independently, or in Gilbert-Elliott bursts."""

    name = "ts"

    def __init__(self, rate: float, *, seed: int = 0, burst: float | None = None, spare_first: bool = True) -> None:
        """`rate`: share of packets lost, 0..1; `burst`: mean run of losses. Raises ValueError.

        `spare_first` keeps everything before the second video access unit.
        """
        parameters = {"rate": rate, "burst": burst, "seed": seed, "spare_first": spare_first}
        self.record = DamageRecord("", {"name": self.name} | parameters)
        self._lost = LossProcess(rate, burst, np.random.default_rng(seed))
        self._spare_first = spare_first

    def send(self, source: BinaryIO, target: BinaryIO) -> DamageRecord:
        """Copy a transport stream without the lost packets; the record tells which access units they hit.

        Raises ValueError if the source is not made of 188-byte packets or holds no H.264 or HEVC. Reads and
        writes as it goes; memory does not grow with length.
        """
        video = _Video()
        for packet in _packets(source):
            span = video.take(packet)
            lost = self._lost()
            if lost and not (self._spare_first and video.units_begun < 2):
                self.record.packets_dropped.append(self.record.packets)
                if span is not None:
                    video.missing.append(span)
            else:
                target.write(packet)
            self.record.packets += 1
            self._account(video.parse(), video)
        if video.codec is None:
            raise ValueError("no H.264 or HEVC in this transport stream")
        self._account(video.flush(), video)
        return self.record

    def _account(self, units: list[AccessUnit], video: _Video) -> None:
        for unit in units:
            index = self.record.access_units
            note(self.record, unit)
            changes = _changes(unit, video.missing)
            if changes:
                self.record.damaged.append(describe(unit, index, changes))
            last = unit.nals[-1]
            end = last.offset + len(last.data)
            video.missing = [span for span in video.missing if span[1] > end]


class _Video:
    """The first H.264 or HEVC elementary stream of a transport stream, followed packet by packet."""

    def __init__(self) -> None:
        self.codec: Codec | None = None
        self.units_begun = 0
        self.missing: list[tuple[int, int]] = []
        """[first, end) bytes of the elementary stream that were lost and are not accounted for yet."""
        self._pid: int | None = None
        self._map_pids: set[int] = set()
        self._parser: StreamParser | None = None
        self._size = 0
        self._fresh = b""
        self._pts: int | None = None

    def take(self, packet: bytes) -> tuple[int, int] | None:
        """Take in one packet; returns the [first, end) bytes of the elementary stream it carries, if any."""
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        starts, control = bool(packet[1] & 0x40), packet[3] >> 4 & 3
        payload = packet[4:] if control == 1 else packet[5 + packet[4] :] if control == 3 else b""
        if self._pid is None and starts and payload:
            self._read_tables(pid, payload[1 + payload[0] :])
        if pid != self._pid or not payload:
            return None
        if starts:
            self._pts, payload = _strip_pes_header(payload)
            self.units_begun += 1
        elif not self.units_begun:
            return None
        first = self._size
        self._size += len(payload)
        self._fresh = payload
        return (first, self._size) if payload else None

    def parse(self) -> list[AccessUnit]:
        """Access units completed by the last packet."""
        if self._parser is None or not self._fresh:
            return []
        fresh, self._fresh = self._fresh, b""
        pts, self._pts = self._pts, None
        return self._parser.push(fresh, pts=pts)

    def flush(self) -> list[AccessUnit]:
        return self._parser.flush() if self._parser is not None else []

    def _read_tables(self, pid: int, section: bytes) -> None:
        """Program association and map tables (ISO/IEC 13818-1 2.4.4.3, 2.4.4.8); each in one packet."""
        if len(section) < 12:
            return
        end = min(3 + ((section[1] & 0x0F) << 8 | section[2]) - 4, len(section))
        if pid == 0 and section[0] == 0:
            for at in range(8, end - 3, 4):
                if section[at : at + 2] != b"\x00\x00":
                    self._map_pids.add((section[at + 2] & 0x1F) << 8 | section[at + 3])
        elif pid in self._map_pids and section[0] == 2:
            at = 12 + ((section[10] & 0x0F) << 8 | section[11])
            while at + 5 <= end:
                if section[at] in _CODECS:
                    self.codec = _CODECS[section[at]]
                    self._pid = (section[at + 1] & 0x1F) << 8 | section[at + 2]
                    self._parser = StreamParser(self.codec)
                    return
                at += 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])


def _packets(source: BinaryIO) -> Iterator[bytes]:
    number = 0
    while packet := source.read(PACKET):
        if packet[0] != _SYNC:
            raise ValueError(f"not a transport stream of {PACKET}-byte packets: no sync byte at {number * PACKET}")
        if len(packet) == PACKET:
            yield packet
        number += 1


def _strip_pes_header(payload: bytes) -> tuple[int | None, bytes]:
    """(PTS, elementary stream bytes) of the start of a PES packet (ISO/IEC 13818-1 2.4.3.6)."""
    if len(payload) < 9 or payload[:3] != b"\x00\x00\x01":
        return None, b""
    p, pts = payload[9:14], None
    if payload[7] & 0x80 and len(p) == 5:
        pts = (p[0] >> 1 & 7) << 30 | p[1] << 22 | (p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1
    return pts, payload[9 + payload[8] :]


def _changes(unit: AccessUnit, missing: list[tuple[int, int]]) -> dict[int, Sent]:
    changes = {}
    for n, nal in enumerate(unit.nals):
        size = len(nal.data)
        removed = []
        for first, end in missing:
            low, high = max(first - nal.offset, -_START_CODE_BYTES), min(end - nal.offset, size)
            if low < high:
                removed.append((low, high - low))
        if removed:
            kept = bytearray(nal.data)
            for low, count in reversed(removed):
                del kept[max(low, 0) : max(low + count, 0)]
            changes[n] = Sent(bytes(kept), _merged(removed))
    return changes


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that touch become one."""
    merged: list[tuple[int, int]] = []
    for low, count in spans:
        if merged and sum(merged[-1]) == low:
            merged[-1] = (merged[-1][0], merged[-1][1] + count)
        else:
            merged.append((low, count))
    return merged
