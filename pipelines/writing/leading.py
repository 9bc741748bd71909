"""Decode times for the packets that a stream begins with, which some containers leave out, and for wrong ones."""

from __future__ import annotations

import math

import av

_MOST = 16
"""Packets in a row without a decode time; where there are more, the container has none."""
_SECONDS = 10
_DURATIONS = 32
"""No codec puts a packet's presentation further from its decoding than this many pictures, nor any muxer by so long."""


class LeadingTimes:
    """Packets of one copied stream. Those before the first with a decode time wait for it, and then get theirs.

    Left to itself a muxer guesses them by the presentation times that came so far, which is wrong, and the next packet
    refused, where pictures are shown before the first. Where a packet's two times are far from each other, the one that
    is far from the times around it too, by a flipped bit, is replaced: muxers refuse the packet, or all after it.
    """

    def __init__(self) -> None:
        self._waiting: list[av.Packet] | None = []
        self._last: int | None = None
        """Latest decode time."""
        self._delay = 0
        """From a packet's decode time to its presentation, the latest that was right."""

    def push(self, packet: av.Packet) -> list[av.Packet]:
        """Take in the next packet; returns those that can go on."""
        if self._waiting is None:
            if self._last is not None and (_apart(packet) or (self._delay >= 0 and _decoded_after(packet))):
                _mend(packet, self._last + (packet.duration or 1), self._delay)
            self._remember(packet)
            return [packet]
        self._waiting.append(packet)
        unknown = packet.dts is None and packet.pts is not None and packet.duration
        if (unknown or _apart(packet)) and len(self._waiting) <= _MOST:
            return []
        return self.flush()

    def flush(self) -> list[av.Packet]:
        """Those that still wait."""
        packets, self._waiting = self._waiting or [], None
        if packets:
            self._remember(packets[-1])
        if self._last is not None:
            for before, packet in enumerate(reversed(packets[:-1]), 1):
                if packet.dts is None:
                    packet.dts = self._last - before * (packet.duration or 0)
                elif _apart(packet):
                    _mend(packet, self._last - before * (packet.duration or 1), self._delay)
        return packets

    def _remember(self, packet: av.Packet) -> None:
        if packet.dts is not None:
            self._last = packet.dts
            if packet.pts is not None and not _apart(packet):
                self._delay = packet.pts - packet.dts


def _mend(packet: av.Packet, wanted: int, delay: int) -> None:
    """Replace the time that is further from where the packet should be decoded; neither where both are far away."""
    pts, dts = packet.pts or 0, packet.dts or 0
    if _near(packet, dts, wanted) and abs(dts - wanted) <= abs(pts - delay - wanted):
        packet.pts = dts + delay
    elif _near(packet, pts, wanted):
        packet.dts = min(wanted, pts)


def _decoded_after(packet: av.Packet) -> bool:
    """Whether it is to be shown before it is decoded, which no muxer takes."""
    return packet.pts is not None and packet.dts is not None and packet.dts > packet.pts


def _apart(packet: av.Packet) -> bool:
    """Whether one of its two times is wrong."""
    return packet.dts is not None and not _near(packet, packet.pts, packet.dts)


def _near(packet: av.Packet, time: int | None, other: int | None) -> bool:
    """Whether both may belong to one packet; True where one is unknown."""
    if time is None or other is None or not packet.time_base:
        return True
    return abs(time - other) <= max(math.ceil(_SECONDS / packet.time_base), _DURATIONS * (packet.duration or 0))
