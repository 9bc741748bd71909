"""MPEG-2 transport streams: PES packets with the places where continuity counters tell of loss.

ISO/IEC 13818-1: packets 2.4.3.2, adaptation field 2.4.3.4, PES 2.4.3.6, PAT and PMT 2.4.4.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from concealer.bitstream.nal import Codec
from concealer.bitstream.transport.endings import Endings, begins_access_unit, is_stuffed
from concealer.bitstream.transport.tables import ProgrammeTables

log = logging.getLogger(__name__)

PACKET = 188
SYNC = 0x47
_LEAST_PACKET = 12
"""Bytes of a packet of which the rest is gone that may still say something."""
NULL_PID = 0x1FFF
_VIDEO_IDS = range(0xE0, 0xF0)
"""stream_id of video in PES packets (Table 2-22)."""
MOST_BYTES = 32 << 20
"""Of one PES packet; more is garbage, and must not pile up."""


@dataclass(slots=True)
class PesPacket:
    """One PES packet's payload, as `StreamParser.push` takes it."""

    pid: int
    payload: bytes
    pts: int | None = None
    """In 1/90000 s, 33 bits, not unwrapped."""
    dts: int | None = None
    gaps: tuple[int, ...] = ()
    """Byte offsets in `payload` before which bytes are missing."""
    truncated: bool = False
    """The end of the payload is missing."""
    complete: bool = False
    """It ends an access unit, as was seen before anything followed."""


@dataclass(slots=True)
class PidState:
    """What is known of one PID, and what is being gathered of it."""

    counter: int | None = None
    last: bytes = b""
    parts: bytearray | None = None
    """The PES packet being gathered, with its header; None before the first."""
    gaps: list[int] = field(default_factory=list)
    endings: Endings = field(default_factory=Endings)
    ended_early: bool = False
    """What was gathered is given out already; the next PES packet has not begun yet."""
    headless: bool = False
    """What is gathered goes on behind a lost header, or behind what was taken for the end and was not."""


class ContinuityChecker:
    """Demultiplexes a transport stream and counts what its continuity counters say is missing.

    Every PID whose PES packets say that they are video is gathered, and every one that the tables call H.264 or HEVC:
    a recording may begin before its tables, or have none, and what they say may be wrong.

    Never raises on garbage: it looks for sync bytes again where they are lost.
    """

    def __init__(self, early: bool = False) -> None:
        """early: PES packets are returned once their end is seen (`endings`), not once the next one begins."""
        self._early = early
        self.losses = 0
        """Continuity gaps found so far, over all PIDs."""
        self.seen: set[int] = set()
        """PIDs that are gathered."""
        self._rest = b""
        self._in_step = False
        """The last packet ended where the next one began."""
        self._pids: dict[int, PidState] = {}
        self._latest: PidState | None = None
        """Of the PID that was gathered last."""
        self._tables = ProgrammeTables()

    @property
    def codecs(self) -> dict[int, Codec]:
        """PIDs of H.264 and HEVC streams, from the program map tables seen so far."""
        return self._tables.codecs

    @property
    def programmes(self) -> dict[int, tuple[int, ...]]:
        """PIDs of the streams of each programme, by its number, as the tables seen so far say."""
        return self._tables.programmes

    def push(self, data: bytes) -> list[PesPacket]:
        """Take in bytes of the transport stream; returns the PES packets of video PIDs that ended."""
        data = self._rest + data
        done: list[PesPacket] = []
        pos = 0
        while pos + PACKET <= len(data):
            if data[pos] == SYNC and (pos + PACKET == len(data) or data[pos + PACKET] == SYNC):
                packet = data[pos : pos + PACKET]
                if not self._goes_on(packet):
                    self._packet(packet, done)
                self._in_step = True
                pos += PACKET
                continue
            found = self._look_again(data, pos, done)
            if found is None:
                break  # what follows tells where the next one begins
            pos = found
        self._rest = data[pos:]
        return done

    def _goes_on(self, packet: bytes) -> bool:
        """Take in a packet that holds nothing but the next piece of the PES packet gathered last, as most do: its
        header is that of the packet before, and the counter counts on."""
        pid = self._latest
        if pid is None or self._early or pid.parts is None or pid.ended_early or pid.counter is None:
            return False
        counter = pid.counter + 1 & 15
        last = pid.last
        if packet[3] != 0x10 | counter or packet[2] != last[2] or packet[1] != last[1] & 0xBF:
            return False
        if packet[1] & 0x80 or len(pid.parts) > MOST_BYTES - PACKET:
            return False
        pid.counter, pid.last = counter, packet
        pid.parts += packet[4:]
        return True

    def _look_again(self, data: bytes, pos: int, done: list[PesPacket]) -> int | None:
        """Where packets go on behind a place that none follows as it ought to; None if that can't be told yet."""
        if self._in_step and data[pos] == SYNC and len(data) < pos + 3 * PACKET:
            return None
        found = _next_packet(data, pos)
        if self._in_step and data[pos] == SYNC and found - pos >= _LEAST_PACKET:
            # Bytes were put in or taken out behind this header.
            self._packet(data[pos : min(found, pos + PACKET)], done, damaged=True)
        self._in_step = found < len(data)
        return found

    def flush(self) -> list[PesPacket]:
        """The stream ended: return what is left."""
        done: list[PesPacket] = []
        while len(self._rest) >= PACKET:
            packet, self._rest = self._rest[:PACKET], self._rest[PACKET:]
            if packet[0] == SYNC:
                self._packet(packet, done, damaged=True)
        self._rest = b""
        for number, pid in self._pids.items():
            if number in self.seen:
                self._end(number, pid, False, done)
        return done

    def _packet(self, packet: bytes, done: list[PesPacket], damaged: bool = False) -> None:
        """damaged: bytes are missing inside, or there are too many."""
        number = (packet[1] & 0x1F) << 8 | packet[2]
        control = packet[3] >> 4 & 3
        if number == NULL_PID or packet[3] & 0xC0 or packet[1] & 0x80:
            # Scrambled or flagged as damaged: its absence shows in the next packet's counter.
            return
        start = 4
        discontinuity = False
        if control & 2:
            start += 1 + packet[4]
            discontinuity = packet[4] > 0 and bool(packet[5] & 0x80)
        pid = self._pids.setdefault(number, PidState())
        if not control & 1 or start >= len(packet):
            return
        counter = packet[3] & 15
        lost = False
        if pid.counter is not None and not discontinuity:
            if counter == pid.counter and packet == pid.last:
                return
            lost = counter != pid.counter + 1 & 15
            self.losses += lost
        pid.counter, pid.last = counter, packet
        payload, unit_start = packet[start:], bool(packet[1] & 0x40)
        if self._tables.holds(number) and number not in self.seen:
            self._tables.push(number, payload, unit_start, lost)
            return
        if unit_start and number not in self.seen and (number in self.codecs or is_video(payload)):
            self.seen.add(number)
        if number in self.seen:
            self._latest = pid
            self._gather(number, pid, payload, unit_start, lost, done)
            if damaged and pid.parts is not None:
                pid.gaps.append(len(pid.parts))
            if self._early and pid.parts is not None:
                self._look_for_end(number, pid, is_stuffed(packet), done)

    def _look_for_end(self, number: int, pid: PidState, stuffed: bool, done: list[PesPacket]) -> None:
        """Give out the PES packet at hand if this was its last packet."""
        assert pid.parts is not None
        last = pid.endings.packet(stuffed)
        declared = 0 if pid.headless else int.from_bytes(pid.parts[4:6], "big")
        if len(pid.parts) >= 6 + declared if declared else last:
            before = len(done)
            self._end(number, pid, False, done)
            pid.ended_early = True
            codec = self.codecs.get(number)
            if len(done) > before and codec is not None:
                done[-1].complete = begins_access_unit(done[-1].payload, codec)

    def _gather(
        self, number: int, pid: PidState, payload: bytes, unit_start: bool, lost: bool, done: list[PesPacket]
    ) -> None:
        if unit_start:
            pid.endings.began(whole=not lost and not pid.gaps)
            self._end(number, pid, lost, done)
            pid.parts, pid.gaps = bytearray(payload), [0] if lost and pid.ended_early else []
        elif pid.ended_early:
            if not lost:
                pid.endings.went_on()
            pid.parts, pid.gaps, pid.headless = bytearray(payload), [0] if lost else [], True
        elif pid.parts is not None:
            if lost:
                pid.gaps.append(len(pid.parts))
            pid.parts += payload
            if len(pid.parts) > MOST_BYTES:
                self._end(number, pid, True, done)
        pid.ended_early = False

    def _end(self, number: int, pid: PidState, truncated: bool, done: list[PesPacket]) -> None:
        if pid.parts is not None:
            data = bytes(pid.parts)
            if pid.headless:
                done.append(PesPacket(number, data, gaps=tuple(pid.gaps), truncated=truncated))
            elif (pes := pes_packet(number, data, pid.gaps, truncated)) is not None:
                done.append(pes)
        pid.parts, pid.gaps, pid.headless = None, [], False


def _next_packet(data: bytes, pos: int) -> int:
    """Where a packet begins behind `pos` that another one follows, as far as can be seen; the end if there is none."""
    found = data.find(SYNC, pos + 1)
    while found >= 0 and found + PACKET < len(data) and data[found + PACKET] != SYNC:
        found = data.find(SYNC, found + 1)
    return found if found >= 0 else len(data)


def is_video(payload: bytes) -> bool:
    """Whether what a transport packet holds begins a PES packet of video."""
    return payload[:3] == b"\x00\x00\x01" and len(payload) > 3 and payload[3] in _VIDEO_IDS


def pes_packet(number: int, data: bytes | memoryview, gaps: Sequence[int], truncated: bool) -> PesPacket | None:
    """What comes on PID `number`, from the header on; None if that is none. gaps: places in `data`, header included."""
    if len(data) < 9 or data[:3] != b"\x00\x00\x01":
        log.debug("PID %d: %d bytes that are no PES packet", number, len(data))
        return None
    header = 9 + data[8]
    stamps = data[7] >> 6
    pts = _timestamp(data[9:14]) if stamps & 2 else None
    dts = _timestamp(data[14:19]) if stamps == 3 else pts
    declared = int.from_bytes(data[4:6], "big")
    short = bool(declared) and len(data) < 6 + declared
    # A loss before the next PES packet took nothing of one that is known to be whole.
    cut = short or (truncated and (not declared or bool(gaps)))
    return PesPacket(
        number,
        bytes(data[header:]),
        pts,
        dts,
        tuple(max(0, gap - header) for gap in gaps),
        cut and header < len(data),
    )


def _timestamp(field_bytes: bytes | memoryview) -> int | None:
    if len(field_bytes) < 5:
        return None
    b = field_bytes
    return (b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1
