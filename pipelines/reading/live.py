"""Inputs that are received as they are sent: UDP, RTP by its SDP, SRT, RTSP, RTMP."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import av
from av.container import InputContainer

from concealer.bitstream.transport import RtpPacket
from pipelines.errors import InputError, Interrupted, one_line
from pipelines.reading.addresses import scheme
from pipelines.reading.connection import Connection, Wanted
from pipelines.reading.rtp import RtpTap, moved, read_description
from pipelines.reading.sockets import bound_socket
from pipelines.reading.srt import SrtReader, ffmpeg_has_srt
from pipelines.reading.transport import TransportTap

_OPEN_SECONDS, _SILENT_SECONDS = 5.0, 5.0
"""How long an address may take to answer, and how long nothing may come, before it counts as gone."""
_OPTIONS = {
    "protocol_whitelist": "file,crypto,data,udp,rtp,tcp,tls,srt,rtmp,rtmps,rtsp",
    "rtsp_flags": "prefer_tcp",  # what libavformat receives by UDP it repairs in silence, by leaving out
    "analyzeduration": "1500000",  # microseconds: FFmpeg's default of 5 s is a long time to see nothing
}
_DATAGRAM = 65536
_MP2T = 33
"""RTP payload type of transport streams (RFC 3551)."""


class UdpReader:
    """Datagrams of one UDP port as a byte stream. Raises InputError if the port cannot be had."""

    def __init__(self, url: str, stopped: Callable[[], bool], endless: bool = False) -> None:
        """url: udp:// or rtp://[address]:port, with `?timeout=` in microseconds until silence ends the stream (FFmpeg's
        option); `endless`: silence never does.
        """
        parts = urlsplit(url.replace("://@", "://"))
        self._stopped = stopped
        self._over = False
        self._waiting: deque[bytes] = deque()
        timeout = parse_qs(parts.query).get("timeout", ["0"])[0]
        self._patience = int(timeout) / 1e6 if timeout.isdigit() and not endless else 0.0
        try:
            self._socket = bound_socket(parts.hostname or "", parts.port)
        except (OSError, ValueError) as error:
            raise InputError(f"{url}: cannot listen: {one_line(error)}") from error

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of what has come; b"" once stopped or silent for too long."""
        began = time.monotonic()
        while not self._waiting:
            if self._over or self._stopped() or (self._patience and time.monotonic() - began > self._patience):
                return b""
            if select.select([self._socket], [], [], 0.2)[0]:
                self._waiting.append(_transport_stream(self._socket.recv(_DATAGRAM)))
        data = self._waiting.popleft()
        if len(data) > size:
            self._waiting.appendleft(data[size:])
        return data[:size]

    def interrupt(self) -> None:
        """Nothing more is read."""
        self._over = True

    def close(self) -> None:
        self._socket.close()


def _transport_stream(datagram: bytes) -> bytes:
    """What RTP wraps (RFC 2250), or the datagram as it is; order and losses are told by continuity counters."""
    packet = RtpPacket.parse(datagram) if datagram[:1] != b"\x47" else None
    return packet.payload if packet is not None and packet.kind == _MP2T else datagram


def is_udp(wanted: Wanted) -> bool:
    """A transport stream in datagrams, bare or in RTP: received here and not by FFmpeg, so that losses are seen."""
    return scheme(wanted.name) in ("udp", "rtp") and wanted.input_format in (None, "mpegts")


def open_udp(wanted: Wanted) -> Connection:
    """Receive a transport stream at a UDP port. Raises InputError, Interrupted."""
    return _open_read(wanted, UdpReader(wanted.name, wanted.stopped, endless=wanted.reconnect))


def _open_read(wanted: Wanted, reader: UdpReader | SrtReader) -> Connection:
    tap = TransportTap(reader.read, live=True)
    try:
        return Connection(_open_as(wanted, tap, "mpegts"), tap, reader, reader.interrupt)
    except BaseException:
        reader.close()
        raise


def is_foreign_srt(wanted: Wanted) -> bool:
    """SRT, where FFmpeg has none."""
    return scheme(wanted.name) == "srt" and wanted.input_format in (None, "mpegts") and not ffmpeg_has_srt()


def open_foreign_srt(wanted: Wanted) -> Connection:
    """Receive a transport stream by SRT through GStreamer. Raises InputError, Interrupted."""
    try:
        reader = SrtReader(wanted.name, wanted.stopped)
    except OSError as error:
        raise InputError(f"{wanted.label}: {one_line(error)}") from error
    return _open_read(wanted, reader)


def is_described(wanted: Wanted) -> bool:
    """An SDP file of RTP streams."""
    return scheme(wanted.name) is None and wanted.name.lower().endswith(".sdp") and wanted.input_format in (None, "sdp")


def open_described(wanted: Wanted) -> Connection:
    """Receive RTP as an SDP file describes it. Raises InputError, Interrupted."""
    description = read_description(wanted.name)
    if description is None:
        return open_address(wanted)
    tap = RtpTap(description, wanted.stopped)
    try:
        container = _open_as(wanted, moved(description, tap.port), "sdp")
        return Connection(container, tap, tap, tap.interrupt)
    except BaseException:
        tap.close()
        raise


def open_address(wanted: Wanted) -> Connection:
    """Receive by whatever protocol FFmpeg has for the address. Raises InputError, Interrupted."""
    return Connection(_open_as(wanted, wanted.name, wanted.input_format))


def _open_as(wanted: Wanted, file: object, input_format: str | None) -> InputContainer:
    timeout = (_OPEN_SECONDS, _SILENT_SECONDS) if input_format != "mpegts" or isinstance(file, str) else None
    try:
        return av.open(file, "r", format=input_format, options=_OPTIONS, timeout=timeout, metadata_errors="replace")
    except av.ProtocolNotFoundError as error:
        raise InputError(f"{wanted.label}: this FFmpeg lacks the protocol; the GStreamer elements have it") from error
    except (av.FFmpegError, ValueError, OSError) as error:
        if wanted.stopped():
            raise Interrupted("interrupted") from error
        raise InputError(f"{wanted.label}: cannot receive: {one_line(error)}") from error
