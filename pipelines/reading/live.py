"""Inputs that are received as they are sent: UDP, RTP by its SDP, SRT, RTSP, RTMP."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import av
from av.container import InputContainer

from pipelines.errors import InputError, Interrupted, one_line
from pipelines.reading.addresses import scheme
from pipelines.reading.connection import Connection, Wanted
from pipelines.reading.transport import TransportTap

_OPEN_SECONDS, _SILENT_SECONDS = 5.0, 5.0
"""How long an address may take to answer, and how long nothing may come, before it counts as gone."""
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


def is_udp(wanted: Wanted) -> bool:
    """A transport stream in datagrams, which are received here and not by FFmpeg: their losses are seen then."""
    return scheme(wanted.name) == "udp" and wanted.input_format in (None, "mpegts")


def open_udp(wanted: Wanted) -> Connection:
    """Receive a transport stream at a UDP port. Raises InputError, Interrupted."""
    reader = UdpReader(wanted.name, wanted.stopped, endless=wanted.reconnect)
    tap = TransportTap(reader.read)
    try:
        return Connection(_open_as(wanted, tap, "mpegts"), tap, reader)
    except BaseException:
        reader.close()
        raise


def open_address(wanted: Wanted) -> Connection:
    """Receive by whatever protocol FFmpeg has for the address. Raises InputError, Interrupted."""
    return Connection(_open_as(wanted, wanted.name, wanted.input_format))


def _open_as(wanted: Wanted, file: object, input_format: str | None) -> InputContainer:
    timeout = (_OPEN_SECONDS, _SILENT_SECONDS) if isinstance(file, str) else None
    try:
        return av.open(file, "r", format=input_format, options=_OPTIONS, timeout=timeout, metadata_errors="replace")
    except av.ProtocolNotFoundError as error:
        raise InputError(f"{wanted.label}: this FFmpeg lacks the protocol; the GStreamer elements have it") from error
    except (av.FFmpegError, ValueError, OSError) as error:
        if wanted.stopped():
            raise Interrupted("interrupted") from error
        raise InputError(f"{wanted.label}: cannot receive: {one_line(error)}") from error
