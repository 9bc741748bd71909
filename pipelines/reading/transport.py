"""MPEG-TS read twice at once: by libavformat for all streams, by the continuity checker for video with its gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from concealer.bitstream.transport import PACKET, ContinuityChecker, PesPacket

_SYNC = 0x47
_WRAP = 1 << 33
"""PES timestamps have 33 bits."""
FAR = 10 * 90000
"""Ticks beyond which two packets of a stream are not of the same clock: it was restarted in between."""
_MOST_WAITING = 4096
_MOST_AHEAD = 2048
"""Packets that may wait for their turn; the first read, to find out what the streams are, brings many."""


def looks_like_ts(head: bytes) -> bool:
    """Three packets of 188 bytes in a row at the start."""
    return len(head) > 2 * PACKET and all(head[i * PACKET] == _SYNC for i in range(3))


class TransportTap:
    """A file that libavformat reads in sequence, while the PES packets of the video PIDs are put aside.

    libavformat joins what is left of a PES packet after a loss and tells at most that something is missing;
    here every PES packet keeps the byte offsets of its gaps.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._checker: ContinuityChecker | None = ContinuityChecker()
        self._first = True
        self._waiting: dict[int, deque[PesPacket]] = {}
        self._last: dict[int, int] = {}

    def read(self, size: int) -> bytes:
        """For PyAV: the next bytes, which are looked at in passing."""
        data = self._read(size)
        if self._first and not looks_like_ts(data):
            self._checker = None
        self._first = False
        if self._checker is not None:
            self._put_aside(self._checker.push(data) if data else self._checker.flush())
        return data

    @property
    def active(self) -> bool:
        """What is read is a transport stream."""
        return self._checker is not None

    def stop(self) -> None:
        """Look no further: nothing is going to be decoded."""
        self._checker = None
        self._waiting.clear()

    def _put_aside(self, packets: list[PesPacket]) -> None:
        for packet in packets:
            self._waiting.setdefault(packet.pid, deque(maxlen=_MOST_WAITING)).append(packet)

    def take(self, pid: int, time: int, everything: bool = False) -> Iterator[PesPacket]:
        """PES packets of `pid` whose turn has come when libavformat is at DTS `time`; at the end, all.

        Their times are unwrapped to libavformat's count. After a splice packets of both clocks may be waiting:
        those of the old clock go first, those of the new one wait until libavformat has come to it as well.
        """
        waiting = self._waiting.get(pid, deque())
        while waiting:
            packet = waiting[0]
            if packet.dts is not None:
                turns = round((time - packet.dts) / _WRAP) * _WRAP
                if not everything and len(waiting) < _MOST_AHEAD and self._must_wait(pid, packet.dts + turns, time):
                    return
                packet.dts += turns
                packet.pts = None if packet.pts is None else packet.pts + turns
                self._last[pid] = packet.dts
            yield waiting.popleft()

    def _must_wait(self, pid: int, dts: int, time: int) -> bool:
        if abs(dts - time) < FAR:
            return dts > time
        last = self._last.get(pid)
        return last is None or abs(dts - last) >= FAR
