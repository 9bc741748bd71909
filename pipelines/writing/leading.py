"""Decode times for the packets that a stream begins with, which some containers leave out."""

from __future__ import annotations

import av

_MOST = 16
"""Packets in a row without a decode time; where there are more, the container has none."""


class LeadingTimes:
    """Packets of one copied stream. Those before the first with a decode time wait for it, and then get theirs.

    Left to itself a muxer guesses them by the presentation times that came so far, which is wrong, and the next packet
    refused, where pictures are shown before the first.
    """

    def __init__(self) -> None:
        self._waiting: list[av.Packet] | None = []

    def push(self, packet: av.Packet) -> list[av.Packet]:
        """Take in the next packet; returns those that can go on."""
        if self._waiting is None:
            return [packet]
        self._waiting.append(packet)
        if packet.dts is None and packet.pts is not None and packet.duration and len(self._waiting) <= _MOST:
            return []
        return self.flush()

    def flush(self) -> list[av.Packet]:
        """Those that still wait."""
        packets, self._waiting = self._waiting or [], None
        first = packets[-1].dts if packets else None
        if first is not None:
            for before, packet in enumerate(reversed(packets[:-1]), 1):
                packet.dts = first - before * (packet.duration or 0)
        return packets
