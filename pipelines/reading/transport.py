"""MPEG-TS read twice at once: by libavformat for all streams, by the continuity checker for video with its gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice

from concealer.bitstream.transport import PACKET, ContinuityChecker, PesPacket, Renumbering
from pipelines.reading.timing import unwrapped

_SYNC = 0x47
_WRAP = 1 << 33
"""PES timestamps have 33 bits."""
FAR = 10 * 90000
"""Ticks beyond which two packets of a stream are not of the same clock: it was restarted in between."""
_MOST_WAITING = 4096
_MOST_AHEAD = 2048
"""Packets that may wait for their turn; the first read, to find out what the streams are, brings many."""
_NEAR = 8
"""Packets within which the DTS grows, but for wrong ones."""


def looks_like_ts(head: bytes) -> bool:
    """Three packets of 188 bytes in a row at the start."""
    return len(head) > 2 * PACKET and all(head[i * PACKET] == _SYNC for i in range(3))


class TransportTap:
    """A file that libavformat reads in sequence, while the PES packets of the video PIDs are put aside.

    libavformat joins what is left of a PES packet after a loss and tells at most that something is missing;
    here every PES packet keeps the byte offsets of its gaps.
    """

    def __init__(
        self, read: Callable[[int], bytes], moved: Mapping[int, int] | None = None, *, live: bool = False
    ) -> None:
        """moved: as of `Renumbering`. live: packets are put aside as soon as their end is seen."""
        self._read = read
        self._checker: ContinuityChecker | None = ContinuityChecker(early=live)
        self._renumbering: Renumbering | None = Renumbering(moved)
        self._first = True
        self._ended = False
        self._ready = b""
        self._waiting: dict[int, deque[PesPacket]] = {}
        self._wanted: set[int] | None = None
        self._last: dict[int, int] = {}
        self._taker: Callable[[PesPacket], None] | None = None
        self.position = 0
        """Bytes read so far."""

    def read(self, size: int) -> bytes:
        """For PyAV: the next bytes, which are looked at in passing."""
        while len(self._ready) < size and not self._ended:
            data = self._read(size)
            self.position += len(data)
            self._ended = not data
            if self._first and not looks_like_ts(data):
                self._checker = self._renumbering = None
            self._first = False
            if self._renumbering is not None:
                data = self._renumbering.push(data) if data else self._renumbering.flush()
            self._ready += data
            if data:
                break
        data, self._ready = self._ready[:size], self._ready[size:]
        if self._checker is not None:
            self._put_aside(self._checker.push(data) if data else self._checker.flush())
        return data

    @property
    def active(self) -> bool:
        """What is read is a transport stream."""
        return self._checker is not None

    @property
    def came_late(self) -> Mapping[int, int] | None:
        """Streams that had moved before it was known, as far as all is known now: to be read again with."""
        renumbering = self._renumbering
        return renumbering.moved if renumbering is not None and renumbering.came_late else None

    def stop(self) -> None:
        """Look no further: nothing is going to be decoded."""
        self._checker = None
        self._waiting.clear()

    def keep(self, pids: Collection[int]) -> None:
        """Put nothing aside from now on but packets of these PIDs."""
        self._wanted = set(pids)
        for pid in self._waiting.keys() - self._wanted:
            del self._waiting[pid]

    def hand_over(self, taker: Callable[[PesPacket], None]) -> None:
        """Put nothing aside from now on but give it to `taker`, at once and in the thread that reads."""
        self._taker = taker
        waiting, self._waiting = self._waiting, {}
        for packet in (one for some in waiting.values() for one in some):
            taker(packet)

    def has(self, pid: int) -> bool:
        """Whether packets of this PID are seen here at all."""
        return self._checker is not None and pid in self._checker.seen

    def _put_aside(self, packets: list[PesPacket]) -> None:
        for packet in packets:
            if self._wanted is not None and packet.pid not in self._wanted:
                continue
            if self._taker is not None:
                self._taker(packet)
            else:
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
                pts, dts = unwrapped(packet.pts, packet.dts, time)
                assert dts is not None
                hold = not everything and len(waiting) < _MOST_AHEAD
                if hold and self._must_wait(pid, dts, time) and not _passed(waiting, time):
                    return
                packet.pts, packet.dts = pts, dts
                self._last[pid] = dts
            yield waiting.popleft()

    def _must_wait(self, pid: int, dts: int, time: int) -> bool:
        if abs(dts - time) < FAR:
            return dts > time
        last = self._last.get(pid)
        return last is None or abs(dts - last) >= FAR


def _passed(waiting: deque[PesPacket], time: int) -> bool:
    """Whether a packet behind the first, of the same clock, has had its turn: the time of the first is wrong then."""
    for packet in islice(waiting, 1, _NEAR):
        if packet.dts is not None and -FAR < (packet.dts - time + _WRAP // 2) % _WRAP - _WRAP // 2 <= 0:
            return True
    return False
