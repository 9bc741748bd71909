"""MPEG-TS read twice at once: by libavformat for all streams, by the continuity checker for video with its gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice

from concealer.bitstream import Codec
from concealer.bitstream.transport import PACKET, ContinuityChecker, PesPacket, Renumbering, codec_of
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


def packet_stride(head: bytes) -> tuple[int, int] | None:
    """(bytes from one packet to the next, bytes before its sync byte) of a transport stream whose packets have more
    than 188 bytes: 192 with a time before each (M2TS), 204 with parity behind. None if it is none.
    """
    for stride, before in ((192, 4), (204, 0)):
        if len(head) > 5 * stride and all(head[i * stride + before] == _SYNC for i in range(5)):
            return stride, before
    return None


def stream_kinds(data: bytes) -> dict[int, Codec]:
    """By PID what streams are by their own bytes, as far as the first ones of a transport stream tell; only of those
    that its map calls something else."""
    checker = ContinuityChecker()
    kinds: dict[int, Codec] = {}
    for packet in checker.push(data) + checker.flush():
        codec = codec_of(packet.payload) if packet.pid not in kinds else None
        if codec is not None:
            kinds[packet.pid] = codec
    return {pid: codec for pid, codec in kinds.items() if checker.codecs.get(pid) != codec}


class PlainPackets:
    """The packets of a transport stream without what stands before or behind each."""

    def __init__(self, read: Callable[[int], bytes], stride: int, before: int) -> None:
        self._read, self._stride, self._before = read, stride, before
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Whole packets, `size` bytes or less, unless that is less than one packet; b"" at the end."""
        stride, before = self._stride, self._before
        while True:
            fresh = self._read(max(size // PACKET, 1) * stride)
            data, out, pos = self._rest + fresh, [], 0
            while pos + before + PACKET <= len(data):
                if data[pos + before] != _SYNC:
                    found = data.find(_SYNC, pos + before + 1)
                    pos = (found if found >= 0 else len(data)) - before
                    continue
                out.append(data[pos + before : pos + before + PACKET])
                pos += stride
            self._rest = data[pos:]
            if out or not fresh:
                return b"".join(out)


class TransportTap:
    """A file that libavformat reads in sequence, while the PES packets of the video PIDs are put aside.

    libavformat joins what is left of a PES packet after a loss and tells at most that something is missing;
    here every PES packet keeps the byte offsets of its gaps.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        moved: Mapping[int, int] | None = None,
        kinds: Mapping[int, Codec] | None = None,
        *,
        live: bool = False,
    ) -> None:
        """moved, kinds: as of `Renumbering`. live: packets are put aside as soon as their end is seen."""
        self._read = read
        self._checker: ContinuityChecker | None = ContinuityChecker(early=live)
        self._renumbering: Renumbering | None = Renumbering(moved, kinds)
        self._first = True
        self._ended = False
        self._ready = b""
        self._waiting: dict[int, deque[PesPacket]] = {}
        self._wanted: set[int] | None = None
        self._last: dict[int, int] = {}
        self._taker: Callable[[PesPacket], None] | None = None
        self._losses = 0
        self._programmes: Mapping[int, tuple[int, ...]] = {}
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

    @property
    def losses(self) -> int:
        """Places so far at which packets are missing, over all PIDs."""
        return self._losses if self._checker is None else self._checker.losses

    @property
    def programmes(self) -> Mapping[int, tuple[int, ...]]:
        """PIDs of the streams of each programme, by its number."""
        return self._programmes if self._checker is None else self._checker.programmes

    def stop(self) -> None:
        """Look no further: nothing is going to be decoded."""
        self._losses, self._programmes = self.losses, self.programmes
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
