"""Decode times for packets that come without."""

from __future__ import annotations

import av

_MOST_UNTIMED = 16
"""Packets in a row without DTS; where there are more, the container has none."""


class Untimed:
    """Packets of one stream in decode order: those without DTS wait for the next that has one."""

    def __init__(self, interval: int) -> None:
        """interval: ticks from one picture to the next."""
        self._interval = interval
        self._waiting: list[av.Packet] = []
        self._last_dts: int | None = None
        self._delay = 0
        """From decoding to presentation, of the latest entry."""

    def push(self, packet: av.Packet) -> list[av.Packet]:
        """The next packet; those that can go."""
        if packet.dts is None:
            self._waiting.append(packet)
            return self.flush() if len(self._waiting) > _MOST_UNTIMED else []
        ready = self._spread(packet.dts) if self._waiting else []
        self._last_dts = packet.dts
        if packet.is_keyframe and packet.pts is not None:
            self._delay = packet.pts - packet.dts
        return [*ready, packet]

    def flush(self) -> list[av.Packet]:
        """All that wait."""
        return self._spread(None) if self._waiting else []

    def _spread(self, until: int | None) -> list[av.Packet]:
        """Evenly between those around them."""
        waiting, self._waiting = self._waiting, []
        last = self._last_dts
        for place, packet in enumerate(waiting, 1):
            if last is not None and until is not None:
                packet.dts = last + (until - last) * place // (len(waiting) + 1)
            elif last is not None:
                packet.dts = last + self._interval * place
            elif until is not None:
                packet.dts = until - self._interval * (len(waiting) + 1 - place)
            if packet.pts is None and packet.dts is not None:
                packet.pts = packet.dts + self._delay
            elif packet.pts is not None and packet.dts is not None:
                packet.dts = min(packet.dts, packet.pts)
        return waiting
