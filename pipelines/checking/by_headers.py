"""Damage found by headers and transport, without decoding a picture."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import BinaryIO

from concealer.bitstream import PARAMETER_SETS, Codec, join_annexb, nal_type, split_annexb
from concealer.bitstream.transport import PACKET, BulkChecker, PesPacket, codec_of
from pipelines.checking.header_stream import HeaderStream
from pipelines.checking.verdict import FileCheck
from pipelines.errors import InputError, Interrupted, NoVideoError, one_line
from pipelines.reading import Source, VideoPayload, with_late_streams
from pipelines.reading.timing import unwrapped
from pipelines.reading.transport import PlainPackets, looks_like_ts, packet_stride, stream_kinds

_PIECE = 5577 * PACKET
"""Bytes read at once, a megabyte: what stays in the processor's cache goes fastest."""
_TICKS = 90000
_JUMP = 10 * _TICKS
"""Ticks from one packet to the next beyond which the clock began anew."""
_INTERVAL = 3600
"""Ticks from picture to picture as long as nothing tells."""
_MOST_UNKNOWN = 256
"""PES packets that are kept until parameter sets come."""
_MOST_SETS = 16
"""NAL units at the start of a payload among which parameter sets are looked for."""


def check_by_headers(check: FileCheck, stopped: Callable[[], bool]) -> None:
    """Fill in what is found. Raises ConcealError."""
    try:
        with open(check.path, "rb") as file:
            head = file.read(65536)
            stride = packet_stride(head)
            if looks_like_ts(head) or stride:
                file.seek(0)
                _check_transport(check, file, stride, stopped)
                return
    except OSError as error:
        raise InputError(f"{check.path}: {one_line(error)}") from error
    source = Source(check.path, stopped=stopped)
    with contextlib.closing(source):
        with_late_streams(source, lambda: _check_container(check, source, stopped))


def _check_container(check: FileCheck, source: Source, stopped: Callable[[], bool]) -> None:
    streams = {index: _stream_of(source, index) for index in source.video}
    for event in source.events(source.video.keys()):
        if stopped():
            raise Interrupted("interrupted")
        if isinstance(event, VideoPayload):
            stream = streams[event.stream]
            if event.extradata is not None:
                stream.renew(event.extradata)
            stream.push(event.data, event.pts, event.dts, event.gaps, event.truncated)
    _finish(check, streams.items())
    check.transport_losses, check.unread = source.losses, source.unread
    if source.salvaged is not None:
        check.reason = source.salvaged.text()
    if source.ended_early is not None:
        check.reason = f"reading stopped: {source.ended_early}"


def _stream_of(source: Source, index: int) -> HeaderStream:
    base = source.time_base(index)
    interval = max(round(1 / (source.rate(index) * base)), 1)
    held = source.video[index].codec_context.extradata
    return HeaderStream(source.codec(index), held, base, interval, framed=source.framed, timed=not source.elementary)


def _check_transport(
    check: FileCheck, file: BinaryIO, stride: tuple[int, int] | None, stopped: Callable[[], bool]
) -> None:
    plain: BinaryIO | PlainPackets = file if stride is None else PlainPackets(file.read, *stride)
    kinds = stream_kinds(plain.read(1 << 18))
    file.seek(0)
    plain = file if stride is None else PlainPackets(file.read, *stride)
    checker = BulkChecker()
    streams: dict[int, _TransportStream] = {}

    def take(packets: Iterable[PesPacket]) -> None:
        for pes in packets:
            pid = checker.successors.get(pes.pid, pes.pid)
            stream = streams.get(pid)
            if stream is None:
                stream = streams[pid] = _TransportStream(kinds.get(pes.pid))
            stream.push(pes, checker.codecs.get(pes.pid))

    while data := plain.read(_PIECE):
        if stopped():
            raise Interrupted("interrupted")
        take(checker.push(data))
    take(checker.flush())
    for stream in streams.values():
        stream.end()
    found = [(pid, one.headers) for pid, one in sorted(streams.items()) if one.headers is not None]
    if not found and checker.scrambled:
        raise InputError(f"{check.path}: is encrypted")
    if not found:
        raise NoVideoError(f"{check.path}: no H.264 or HEVC video in it")
    _finish(check, found)
    check.transport_losses, check.transport_errors, check.unread = checker.losses, checker.flagged, checker.astray


class _TransportStream:
    """One PID's PES packets on their way to the headers' reader."""

    def __init__(self, codec: Codec | None) -> None:
        """codec: where its own first bytes tell it."""
        self.headers: HeaderStream | None = None
        """None while it is not known to be H.264 or HEVC."""
        self._codec = codec
        self._waiting: list[PesPacket] = []
        self._raw: int | None = None
        self._time = 0

    def push(self, pes: PesPacket, announced: Codec | None) -> None:
        """announced: what the tables call it."""
        headers = self.headers
        if headers is not None:
            headers.push(pes.payload, *self._times(pes), pes.gaps, pes.truncated)
            return
        self._waiting.append(pes)
        told = codec_of(pes.payload)
        self._codec = self._codec or told or announced
        if told is not None or len(self._waiting) > _MOST_UNKNOWN:
            self._begin(pes.payload)
        if self.headers is None:
            del self._waiting[:-_MOST_UNKNOWN]

    def _begin(self, payload: bytes) -> None:
        """Read on with the parameter sets of a payload; what came before may refer to them."""
        codec, waiting = self._codec, self._waiting
        if codec is None:
            return
        sets = [nal for nal in split_annexb(payload)[:_MOST_SETS] if nal_type(codec, nal) in PARAMETER_SETS[codec]]
        base = Fraction(1, _TICKS)
        self.headers = HeaderStream(codec, join_annexb(sets), base, _INTERVAL, framed=False, timed=True)
        self._waiting = []
        for pes in waiting:
            self.push(pes, codec)

    def end(self) -> None:
        """All came: what still waits has no parameter sets."""
        if self.headers is None and self._waiting:
            self._begin(b"")

    def _times(self, pes: PesPacket) -> tuple[int | None, int | None]:
        """On one time line, whatever the clock does."""
        if pes.dts is None:
            return None, None
        raw = pes.dts
        if self._raw is None:
            self._raw = self._time = raw
        step = (unwrapped(None, raw, self._raw)[1] or 0) - self._raw
        self._raw = raw
        self._time += step if abs(step) <= _JUMP else _INTERVAL
        shift = self._time - raw
        pts = unwrapped(pes.pts, raw, raw)[0]
        return None if pts is None else pts + shift, self._time


def _finish(check: FileCheck, streams: Iterable[tuple[int, HeaderStream]]) -> None:
    streams = list(streams)
    for _, stream in streams:
        stream.flush()
    start = min((one.start for _, one in streams if one.start is not None), default=None)
    check.streams = {index: one.finish(start) for index, one in streams}
    if not check.total("pictures"):
        raise InputError(f"{check.path}: no picture in it")
