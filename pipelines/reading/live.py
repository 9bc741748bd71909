"""Inputs that are received as they are sent: UDP, RTP by its SDP, SRT, RTSP, RTMP."""

from __future__ import annotations

import ipaddress
import logging
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import av
from av.container import InputContainer

from pipelines.errors import InputError, Interrupted, one_line
from pipelines.reading.addresses import scheme
from pipelines.reading.source import Source
from pipelines.reading.timing import Timeline
from pipelines.reading.transport import TransportTap

log = logging.getLogger(__name__)

_OPEN_SECONDS, _SILENT_SECONDS = 5.0, 5.0
"""How long an address may take to answer, and how long nothing may come, before it counts as gone."""
_PAUSE_SECONDS = 1.0
_OPTIONS = {
    "protocol_whitelist": "file,crypto,data,udp,rtp,tcp,tls,srt,rtmp,rtmps,rtsp",
    "analyzeduration": "1500000",  # microseconds: FFmpeg's default of 5 s is a long time to see nothing
}
_DATAGRAM = 65536
_RECEIVE_BYTES = 4 << 20
"""Asked of the system; it gives what its limit allows."""


class UdpReader:
    """Datagrams of one UDP port as a byte stream. Raises InputError if the port cannot be had."""

    def __init__(self, url: str, stopped: Callable[[], bool], endless: bool = False) -> None:
        """url: udp://[address]:port, with `?timeout=` in microseconds until silence ends the stream (FFmpeg's option);
        `endless`: silence never does.
        """
        parts = urlsplit(url.replace("udp://@", "udp://"))
        self._stopped = stopped
        self._waiting: deque[bytes] = deque()
        timeout = parse_qs(parts.query).get("timeout", ["0"])[0]
        self._patience = int(timeout) / 1e6 if timeout.isdigit() and not endless else 0.0
        self._socket = socket.socket(
            socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            self._bind(parts.hostname or "", parts.port)
        except (OSError, ValueError) as error:
            self._socket.close()
            raise InputError(f"{url}: cannot listen: {one_line(error)}") from error

    def _bind(self, host: str, port: int | None) -> None:
        if port is None:
            raise ValueError("no port given")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._socket.bind((host, port))
        if host and host != "localhost" and ipaddress.ip_address(host).is_multicast:
            group = struct.pack("4s4s", socket.inet_aton(host), socket.inet_aton("0.0.0.0"))
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of what has come; b"" once stopped or silent for too long."""
        began = time.monotonic()
        while not self._waiting:
            if self._stopped() or (self._patience and time.monotonic() - began > self._patience):
                return b""
            if select.select([self._socket], [], [], 0.2)[0]:
                self._waiting.append(self._socket.recv(_DATAGRAM))
        data = self._waiting.popleft()
        if len(data) > size:
            self._waiting.appendleft(data[size:])
        return data[:size]

    def close(self) -> None:
        self._socket.close()


class LiveSource(Source):
    """A received input. With `reconnect` it is opened again, on the same timeline, when it ends or falls silent."""

    live = True

    def __init__(
        self,
        name: str,
        input_format: str | None = None,
        stopped: Callable[[], bool] = lambda: False,
        *,
        reconnect: bool = False,
    ) -> None:
        self._reconnect = reconnect
        self._udp: UdpReader | None = None
        super().__init__(name, input_format, stopped)
        self.seekable = False

    def _open(self) -> InputContainer:
        if scheme(self.name) == "udp" and self._input_format in (None, "mpegts"):
            self._udp = UdpReader(self.name, self._stopped, endless=self._reconnect)
            self._tap = TransportTap(self._udp.read)
            return self._open_as(self._tap, "mpegts")
        return self._open_as(self.name, self._input_format)

    def _open_as(self, file: object, input_format: str | None) -> InputContainer:
        timeout = (_OPEN_SECONDS, _SILENT_SECONDS) if isinstance(file, str) else None
        try:
            return av.open(file, "r", format=input_format, options=_OPTIONS, timeout=timeout, metadata_errors="replace")
        except av.ProtocolNotFoundError as error:
            raise InputError(f"{self.label}: this FFmpeg lacks the protocol; the GStreamer elements have it") from error
        except (av.FFmpegError, ValueError, OSError) as error:
            if self._stopped():
                raise Interrupted("interrupted") from error
            raise InputError(f"{self.label}: cannot receive: {one_line(error)}") from error

    def _demux(self) -> Iterator[av.Packet]:
        # Every connection may start its clock anew.
        self._timeline = self._timeline or Timeline()
        while True:
            yield from super()._demux()
            if self._stopped() or not self._reconnect or not self._again():
                return

    def _again(self) -> bool:
        """Open the input once more; True once that worked, False if stopped before."""
        codecs = {index: self.codec(index) for index in self.video}
        self.close()
        while not self._stopped():
            log.warning("%s: opened again", self.label)
            try:
                self.container = self._open()
                self.video = self._repairable()
            except InputError as error:
                log.warning("%s", error)
            except Interrupted:
                return False
            else:
                if {index: self.codec(index) for index in self.video} == codecs:
                    self.ended_early = None
                    if self._timeline is not None:
                        self._timeline.cut()
                    return True
                log.warning("%s: other streams than before", self.label)
                self.close()
            _rest(_PAUSE_SECONDS, self._stopped)
        return False

    def close(self) -> None:
        super().close()
        if self._udp is not None:
            self._udp.close()


def _rest(seconds: float, stopped: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopped():
        time.sleep(0.05)
