"""RTP as an SDP file describes it, received here and passed on to libavformat, which does not tell what was lost.

libavformat still says which streams there are and depacketises all but the one video stream that is H.264 or HEVC.
"""

from __future__ import annotations

import io
import re
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from concealer.bitstream import Codec
from concealer.bitstream.transport import PesPacket, RtpAccessUnit, RtpDepacketiser
from pipelines.errors import InputError, one_line
from pipelines.reading.sockets import bound_socket

_CODECS: dict[str, Codec] = {"H264": "h264", "H265": "hevc"}
_PATIENCE = 0.02
"""Seconds that packets wait for one that is missing before them: what comes later than this is lost."""
_MOST_WAITING = 512
_DATAGRAM = 65536
_TICKS = 1 << 16
_BYE = bytes((0x81, 203, 0, 2)) + b"conc" + b"\x03bye"
"""RTCP (RFC 3550 6.6); libavformat takes nothing of less than 12 bytes."""


@dataclass(frozen=True, slots=True)
class Description:
    """What an SDP file says of its one video stream (RFC 8866, RFC 6184 8.1, RFC 7798 7.1)."""

    text: str
    codec: Codec
    host: str
    port: int
    streams: int
    """With sound and all."""
    _line: int

    @classmethod
    def parse(cls, text: str) -> Description | None:
        """None where there is not exactly one video stream that `RtpDepacketiser` takes."""
        lines = text.splitlines()
        media = [number for number, line in enumerate(lines) if line.startswith("m=")]
        video = [number for number in media if lines[number].startswith("m=video ")]
        if len(video) != 1:
            return None
        start = video[0]
        end = next((number for number in media if number > start), len(lines))
        part = lines[start:end]
        maps = re.findall(r"^a=rtpmap:\d+ (\w+)/90000", "\n".join(part), re.MULTILINE)
        interleaved = any("packetization-mode=2" in line or "sprop-max-don-diff" in line for line in part)
        port = re.match(r"m=video (\d+)(?:/1)? RTP/AVPF? \d+$", part[0].strip())
        if port is None or len(maps) != 1 or maps[0].upper() not in _CODECS or interleaved:
            return None
        hosts = [line.split()[-1].partition("/")[0] for line in (*lines[: media[0]], *part) if line.startswith("c=IN ")]
        return cls(text, _CODECS[maps[0].upper()], hosts[-1] if hosts else "0.0.0.0", int(port[1]), len(media), start)

    def moved_to(self, port: int) -> str:
        """The description with the video at another port of this machine."""
        lines = self.text.splitlines()
        end = next((n for n in range(self._line + 1, len(lines)) if lines[n].startswith("m=")), len(lines))
        part = [line for line in lines[self._line : end] if not line.startswith(("c=", "a=rtcp:"))]
        part[0] = part[0].replace(str(self.port), str(port), 1)
        return "\r\n".join([*lines[: self._line], part[0], "c=IN IP4 127.0.0.1", *part[1:], *lines[end:]]) + "\r\n"


class Reordering:
    """Puts packets in sequence and waits a little for those that are missing."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[float, bytes]] = {}
        self._next: int | None = None
        self._source = b""

    def push(self, packet: bytes, now: float) -> list[bytes]:
        """Packets whose turn has come."""
        sequence, source = int.from_bytes(packet[2:4], "big"), packet[8:12]
        ready: list[bytes] = []
        if source != self._source:  # who sends is `RtpDepacketiser`'s matter; here only that both are not mixed up
            ready += self._all()
            self._source, self._next = source, sequence
        if self._next is None or (sequence - self._next) % _TICKS >= _TICKS // 2:
            return [*ready, packet]  # late, a duplicate, or counted anew
        self._waiting.setdefault(sequence, (now, packet))
        return ready + (self._all() if len(self._waiting) > _MOST_WAITING else self._run())

    def due(self, now: float) -> list[bytes]:
        """Packets that have waited long enough for what is missing."""
        ready: list[bytes] = []
        while self._waiting and min(came for came, _ in self._waiting.values()) + _PATIENCE <= now:
            assert self._next is not None
            self._next = min(self._waiting, key=self._ahead)
            ready += self._run()
        return ready

    def _ahead(self, sequence: int) -> int:
        assert self._next is not None
        return (sequence - self._next) % _TICKS

    def _run(self) -> list[bytes]:
        ready: list[bytes] = []
        while self._next is not None and self._next in self._waiting:
            ready.append(self._waiting.pop(self._next)[1])
            self._next = (self._next + 1) % _TICKS
        return ready

    def _all(self) -> list[bytes]:
        ordered = sorted(self._waiting, key=self._ahead) if self._waiting else []
        if ordered:
            self._next = (ordered[-1] + 1) % _TICKS
        return [self._waiting.pop(sequence)[1] for sequence in ordered]


class RtpTap:
    """Receives the video packets in a thread of its own: gives access units with their gaps, and libavformat all."""

    def __init__(self, description: Description, stopped: Callable[[], bool]) -> None:
        """Raises InputError if the port cannot be had."""
        self.position = 0
        self._stopped = stopped
        self._over = False
        self._streams = description.streams
        self._reordering = Reordering()
        self._depacketiser = RtpDepacketiser(description.codec)
        self._first: int | None = None
        self._waiting: deque[RtpAccessUnit] | None = deque(maxlen=_MOST_WAITING)
        self._taker: Callable[[PesPacket], None] | None = None
        self._lock = threading.Lock()
        self._stream = -1
        try:
            self._socket = bound_socket(description.host, description.port)
        except (OSError, ValueError) as error:
            raise InputError(f"port {description.port}: cannot listen: {one_line(error)}") from error
        self._onward = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = _free_pair()
        """Where libavformat is to listen."""
        self._thread = threading.Thread(target=self._receive, name="rtp", daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while not (self._over or self._stopped()):
            if select.select([self._socket], [], [], _PATIENCE / 2)[0]:
                packet = self._socket.recv(_DATAGRAM)
                if len(packet) >= 12:
                    self._go_on(self._reordering.push(packet, time.monotonic()))
            self._go_on(self._reordering.due(time.monotonic()))
        self.interrupt()

    def _go_on(self, packets: list[bytes]) -> None:
        for packet in packets:
            self.position += len(packet)
            self._onward.sendto(packet, ("127.0.0.1", self.port))
            units = self._depacketiser.push(packet)
            with self._lock:
                if self._taker is not None:
                    for unit in units:
                        self._taker(self._timed(unit))
                elif self._waiting is not None:
                    self._waiting += units

    def _timed(self, unit: RtpAccessUnit) -> PesPacket:
        """Counted from the first packet on, as libavformat does."""
        if self._first is None:
            self._first = unit.timestamp
        pts = unit.timestamp - self._first
        return PesPacket(self._stream, unit.payload, pts, None, unit.gaps, complete=True)

    @property
    def losses(self) -> int:
        """Packets that are missing so far."""
        return self._depacketiser.lost_packets

    @property
    def programmes(self) -> Mapping[int, tuple[int, ...]]:
        """There are none."""
        return {}

    @property
    def active(self) -> bool:
        """It always has something to tell."""
        return True

    @property
    def came_late(self) -> Mapping[int, int] | None:
        """Streams do not move."""
        return None

    def stop(self) -> None:
        """Look no further: nothing is going to be decoded."""
        with self._lock:
            self._waiting = None

    def keep(self, pids: Collection[int]) -> None:
        """The id of the one video stream."""
        self._stream = next(iter(pids), -1)

    def has(self, pid: int) -> bool:
        """Whether it is the video stream."""
        return pid == self._stream

    def take(self, pid: int, time: int, everything: bool = False) -> Iterator[PesPacket]:
        """Nothing: a live input's packets are handed over."""
        return iter(())

    def hand_over(self, taker: Callable[[PesPacket], None]) -> None:
        """Give every access unit to `taker` at once, in the thread that receives."""
        with self._lock:
            waiting, self._waiting, self._taker = self._waiting or deque(), None, taker
            for unit in waiting:
                taker(self._timed(unit))

    def interrupt(self) -> None:
        """Receive no more. libavformat is told that every sender leaves, as it waits for seconds otherwise."""
        if not self._over:
            self._over = True
            for _ in range(self._streams):
                self._onward.sendto(_BYE, ("127.0.0.1", self.port))

    def close(self) -> None:
        """To be called once or more."""
        self.interrupt()
        self._thread.join(1.0)
        self._socket.close()
        self._onward.close()


def _free_pair() -> int:
    """An even port of this machine that is free, and the one after it, for RTCP, as a rule too."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        if port % 2 == 0:
            return port


def read_description(name: str) -> Description | None:
    """The SDP file's, None if libavformat is to receive its streams itself. Raises InputError."""
    try:
        with open(name, encoding="utf-8", errors="replace") as file:
            return Description.parse(file.read())
    except OSError as error:
        raise InputError(f"{name}: {one_line(error)}") from error


def moved(description: Description, port: int) -> io.BytesIO:
    """The description for libavformat."""
    return io.BytesIO(description.moved_to(port).encode())
