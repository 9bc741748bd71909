"""The order of RTP packets: which follow, which come late, and where a sender began anew (RFC 3550 6.2.1, A.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_MISORDER = 100
_DROPOUT = 3000
"""Packets back and ahead within which a sequence number is of the same count; RFC 3550 A.1."""
_SECOND = 90_000
"""RTP timestamp units."""
_NEW_CLOCK = 60 * _SECOND
"""A step of the timestamp beyond this, with one of the sequence number, is another clock."""
_SAME_KIND, _OTHER_KIND = 2, 64
"""Packets in a row of a foreign source before it is taken for the stream: of the same payload type, and of another,
which may be retransmissions or parity beside the stream."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """The parts of one packet that are looked at."""

    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    source: int
    """SSRC."""
    kind: int
    """Payload type."""

    @classmethod
    def parse(cls, packet: bytes) -> RtpPacket | None:
        """None if it is no RTP packet with a payload (RFC 3550 5.1)."""
        if len(packet) < 12 or packet[0] >> 6 != 2:
            return None
        start = 12 + 4 * (packet[0] & 15)
        if packet[0] & 0x10:
            start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
        end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
        if start >= end:
            return None
        words = [int.from_bytes(packet[a:b], "big") for a, b in ((2, 4), (4, 8), (8, 12))]
        marker, kind = bool(packet[1] & 0x80), packet[1] & 0x7F
        return cls(words[0], words[1], marker, packet[start:end], words[2], kind)


class Place(Enum):
    """Where a packet stands to those before it."""

    NEXT = "next"
    LEAP = "leap"
    """The count goes on elsewhere, on the same clock: something is missing, nobody knows how much."""
    RESTART = "restart"
    """The first of another sender, or of the same one begun anew."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A packet of the stream."""

    packet: RtpPacket
    place: Place
    lost: int = 0
    """Packets missing before it."""


class RtpOrder:
    """Sorts out the packets of one stream, in order of arrival behind a jitter buffer."""

    def __init__(self) -> None:
        self._last: RtpPacket | None = None
        self._held: list[RtpPacket] = []
        """Of what may be a stream begun anew: a packet that went astray looks the same."""
        self._ticks = self._count = 0
        """Time and packets since the beginning, for the rate."""
        self._high = 0
        """Greatest timestamp, modulo 2**32."""

    def take(self, packet: RtpPacket) -> list[Ordered]:
        """What there is to go on with: nothing for a packet that is late, foreign, or not yet known to be neither."""
        last = self._last
        if last is None:
            return [self._begin(packet, Place.NEXT)]
        if packet.source != last.source:
            return self._another(packet, _SAME_KIND if packet.kind == last.kind else _OTHER_KIND)
        ahead, step = (packet.sequence - last.sequence) & 0xFFFF, self._step(packet.timestamp)
        if ahead == 0:
            return []
        if ahead > 0x8000:
            if 0x10000 - ahead <= _MISORDER or -_SECOND < step <= 0:
                return []
            return self._another(packet, _SAME_KIND)
        self._held.clear()
        other_clock = abs(step) > _NEW_CLOCK
        if ahead > 1 and other_clock:
            return [self._begin(packet, Place.RESTART)]
        if ahead - 1 > _DROPOUT + 2 * self._expected(step):
            return [self._follow(packet, Place.RESTART if step < -_SECOND else Place.LEAP, 0)]
        return [self._follow(packet, Place.NEXT, ahead - 1)]

    def _another(self, packet: RtpPacket, needed: int) -> list[Ordered]:
        """A packet that may begin anew: believed once `needed` of it have come in a row."""
        held = self._held
        if held:
            ahead = (packet.sequence - held[-1].sequence) & 0xFFFF
            if packet.source != held[-1].source or not 0 < ahead <= _MISORDER:
                held.clear()
        held.append(packet)
        if len(held) < needed:
            return []
        waiting = list(held)
        return [self._begin(waiting[0], Place.RESTART), *(one for later in waiting[1:] for one in self.take(later))]

    def _begin(self, packet: RtpPacket, place: Place) -> Ordered:
        self._held.clear()
        self._high, self._ticks, self._count = packet.timestamp, 0, 0
        return self._follow(packet, place, 0)

    def _follow(self, packet: RtpPacket, place: Place, lost: int) -> Ordered:
        step = self._step(packet.timestamp)
        if step > 0:
            self._high, self._ticks = packet.timestamp, self._ticks + step
        self._count += lost + 1
        self._last = packet
        return Ordered(packet, place, lost)

    def _expected(self, step: int) -> float:
        """Packets that the stream sends in `step` units of time."""
        return self._count / self._ticks * step if self._ticks and step > 0 else 0.0

    def _step(self, timestamp: int) -> int:
        return ((timestamp - self._high + 0x80000000) & 0xFFFFFFFF) - 0x80000000
