"""RTP payloads of H.264 (RFC 6184) and HEVC (RFC 7798), with the places where packets are missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from concealer.bitstream.nal import START_CODE, Codec
from concealer.bitstream.transport.rtp_order import Ordered, Place, RtpOrder, RtpPacket

_FILLER = b"\x80"
"""Stands for the lost rest of a fragmented unit, so that the gap lies inside the unit."""


@dataclass(slots=True)
class RtpAccessUnit:
    """The NAL units of one RTP timestamp as an Annex B payload, as `StreamParser.push` takes it."""

    payload: bytes
    timestamp: int
    """RTP timestamp without wrap-around, in 1/90000 s."""
    gaps: tuple[int, ...] = ()
    """Byte offsets in `payload` before which bytes are missing; its length: units after the last."""


@dataclass(slots=True)
class _Gathered:
    timestamp: int
    payload: bytearray = field(default_factory=bytearray)
    gaps: list[int] = field(default_factory=list)


class RtpDepacketiser:
    """Takes RTP packets in order of arrival and returns access units.

    Packets that come after a later one are dropped: put a jitter buffer before. Without interleaving
    (packetisation modes 0 and 1, sprop-max-don-diff 0). A sender that begins anew (another SSRC, or both sequence
    number and timestamp elsewhere) is followed; packets of others beside it are left out. Never raises on garbage.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._order = RtpOrder()
        self._high_timestamp: int | None = None
        self._current: _Gathered | None = None
        self._fragment_open = False
        self._lost = False
        """Packets are missing before the one at hand."""
        self._begun = False
        """An access unit is complete: what is missing in a later one was lost, not sent before we listened."""
        self.lost_packets = 0
        """Where the sequence numbers tell: not those between one sender and the next."""
        self.restarts = 0
        """Times that a sender began anew, with a packet taken in up to now."""

    def push(self, packet: bytes) -> list[RtpAccessUnit]:
        """Take in one packet; returns the access units that it completes."""
        parsed = RtpPacket.parse(packet)
        if parsed is None:
            return []
        return [unit for ordered in self._order.take(parsed) for unit in self._go_on(ordered)]

    def _go_on(self, ordered: Ordered) -> list[RtpAccessUnit]:
        packet = ordered.packet
        self.lost_packets += ordered.lost
        self._lost |= ordered.lost > 0 or ordered.place is Place.LEAP
        done: list[RtpAccessUnit] = []
        if ordered.place is Place.RESTART:
            done += self._finish(True)  # without its marker: more may have followed
            self.restarts += 1
            self._lost, self._begun, self._high_timestamp = False, False, None
        timestamp = self._unwrapped(packet.timestamp)
        if self._current is not None and self._current.timestamp != timestamp:
            done += self._finish(self._lost)
        if self._current is None:
            self._current = _Gathered(timestamp)
        if self._lost:
            self._close_fragment_or_mark(self._current, packet.payload)
            self._lost = False
        self._unpack(self._current, packet.payload)
        if packet.marker:
            done += self._finish(False)
        return done

    def missing(self) -> None:
        """A packet is missing here although sequence numbers go on, or one of parity was taken out.

        Parity follows an access unit: inside of one it is a loss.
        """
        if self._current is not None and not self._lost:
            self.lost_packets += 1
            self._lost = True

    def flush(self) -> list[RtpAccessUnit]:
        """The stream ended: return what is left."""
        return self._finish(False)

    def _unwrapped(self, timestamp: int) -> int:
        if self._high_timestamp is None:
            self._high_timestamp = timestamp
            return timestamp
        step = (timestamp - self._high_timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if step > 0:
            self._high_timestamp += step
            return self._high_timestamp
        return self._high_timestamp + step

    def _finish(self, lost_after: bool) -> list[RtpAccessUnit]:
        current, self._current = self._current, None
        if current is None:
            return []
        self._begun = True
        self._close_fragment(current)
        if lost_after:
            current.gaps.append(len(current.payload))
        if not current.payload and not current.gaps:
            return []
        return [RtpAccessUnit(bytes(current.payload), current.timestamp, tuple(current.gaps))]

    def _close_fragment_or_mark(self, current: _Gathered, payload: bytes) -> None:
        """Note a loss before `payload`, inside the open fragmented unit or between units."""
        if self._fragment_open and not self._continues(payload):
            self._close_fragment(current)
        current.gaps.append(len(current.payload))

    def _close_fragment(self, current: _Gathered) -> None:
        if self._fragment_open:
            current.gaps.append(len(current.payload))
            current.payload += _FILLER
            self._fragment_open = False

    def _continues(self, payload: bytes) -> bool:
        """Whether the packet is a fragment other than a first one."""
        if self._codec == "h264":
            return len(payload) > 2 and payload[0] & 31 in (28, 29) and not payload[1] & 0x80
        return len(payload) > 3 and payload[0] >> 1 & 63 == 49 and not payload[2] & 0x80

    def _unpack(self, current: _Gathered, payload: bytes) -> None:
        if len(payload) < 2:
            return
        if self._codec == "h264":
            kind = payload[0] & 31
            if kind in (24, 25):
                self._aggregate(current, payload, 1 if kind == 24 else 3)
            elif kind in (28, 29):
                header = bytes((payload[0] & 0xE0 | payload[1] & 31,))
                self._fragment(current, header, payload[1], payload[2 if kind == 28 else 4 :])
            elif 1 <= kind <= 23:
                self._whole(current, payload)
        else:
            kind = payload[0] >> 1 & 63
            if kind == 48:
                self._aggregate(current, payload, 2)
            elif kind == 49 and len(payload) > 2:
                header = bytes((payload[0] & 0x81 | (payload[2] & 63) << 1, payload[1]))
                self._fragment(current, header, payload[2], payload[3:])
            elif kind < 48:
                self._whole(current, payload)

    def _whole(self, current: _Gathered, nal: bytes) -> None:
        self._close_fragment(current)
        current.payload += START_CODE + nal

    def _aggregate(self, current: _Gathered, payload: bytes, pos: int) -> None:
        while pos + 2 < len(payload):
            size = int.from_bytes(payload[pos : pos + 2], "big")
            if size:
                self._whole(current, payload[pos + 2 : pos + 2 + size])
            pos += 2 + size

    def _fragment(self, current: _Gathered, header: bytes, flags: int, data: bytes) -> None:
        if flags & 0x80:
            self._close_fragment(current)
            current.payload += START_CODE + header
            self._fragment_open = True
        elif not self._fragment_open:
            # Its first fragment, with the slice header, never came, whatever the sequence numbers say.
            if current.gaps[-1:] != [len(current.payload)]:
                current.gaps.append(len(current.payload))
                self.lost_packets += self._begun
            return
        current.payload += data
        if flags & 0x40:
            self._fragment_open = False
