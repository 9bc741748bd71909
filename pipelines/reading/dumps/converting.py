"""A capture as a container that libavformat reads: access units as they arrived, with the gaps beside."""

from __future__ import annotations

import heapq
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import OutputContainer
from av.stream import Stream as OutputStream

from concealer.bitstream import BitstreamError, Codec, NalUnit, h264, hevc, nal_type, split_annexb
from concealer.bitstream.transport import RtpAccessUnit, RtpDepacketiser, RtpPacket
from pipelines.errors import InputError, one_line
from pipelines.reading.dumps.captures import Capture
from pipelines.reading.dumps.description import Format, Session
from pipelines.reading.dumps.sorting import (
    VIDEO,
    InSequence,
    Key,
    Stream,
    is_rtp,
    look_at,
    repairs,
    restored,
    streams_of,
)

log = logging.getLogger(__name__)

_CLOCK = 90000
_ELSEWHERE = 10 * _CLOCK
"""Ticks from one access unit to the next beyond which the sender's clock began anew."""
_AWAY = 24 * 3600
"""Seconds; where captures say that more passed than this, their clock is damaged."""
_NOTHING = b"\x00"
"""Stands for an access unit of which nothing arrived but that there was one: a packet must hold something."""
_SOUND = {"PCMU": "pcm_s16le", "PCMA": "pcm_s16le", "OPUS": "libopus"}
"""FFmpeg's name of what the container holds."""
_LAWS = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}


Gaps = dict[tuple[int, int | None], tuple[int, ...]]
"""Byte offsets before which bytes are missing, by stream and time."""


@dataclass(slots=True)
class _Sample:
    """What one packet of the container holds, and where it lies."""

    pts: int
    offset: int
    size: int
    gaps: tuple[int, ...] = ()


@dataclass
class _Track:
    """One stream on its way into the container."""

    stream: Stream
    start: int
    """Ticks of its clock from the first packet of all to its own first."""
    spool: BinaryIO
    sets: bytes = b""
    """Parameter sets that its description tells, with start codes."""
    samples: list[_Sample] = field(default_factory=list)
    order: InSequence = field(default_factory=InSequence)
    depacketiser: RtpDepacketiser | None = None
    lost: int = 0
    _first: int | None = None
    _last: tuple[int, float] | None = None
    _extra: int = 0
    _size: tuple[int, int] | None = None
    _taken: set[int] = field(default_factory=set)

    def push(self, packets: Iterable[tuple[bytes, float]]) -> None:
        """The next ones in sequence."""
        for packet, time in packets:
            if self.depacketiser is not None:
                for unit in self.depacketiser.push(packet):
                    self._video(unit, time)
            else:
                self._sound(packet, time)

    def finish(self) -> None:
        self.push(self.order.flush())
        if self.depacketiser is not None:
            for unit in self.depacketiser.flush():
                self._video(unit, self._last[1] if self._last else 0.0)
            self.lost = self.depacketiser.lost_packets

    def _video(self, unit: RtpAccessUnit, time: float) -> None:
        data, gaps, codec = unit.payload or _NOTHING, unit.gaps, self.stream.codec
        if self.sets and codec is not None:
            if _picture_size(codec, data) is None:  # the stream does not bring them itself
                gaps = tuple(len(self.sets) + gap for gap in gaps)
                data = self.sets + data
            self.sets = b""
        self._add(data, self._timed(unit.timestamp, time), gaps)

    def _sound(self, packet: bytes, time: float) -> None:
        parsed = RtpPacket.parse(packet)
        if parsed is None:
            return
        last = self._last[0] - self._extra if self._last else parsed.timestamp
        step = (parsed.timestamp - last + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        pts = self._timed(last + step, time)
        if not self.samples or pts > self.samples[-1].pts:
            self._add(parsed.payload, pts)

    def _timed(self, timestamp: int, time: float) -> int:
        """Counted from the first; where the sender's clock began anew, by when packets came."""
        stamp = timestamp + self._extra
        if self._last is not None and abs(stamp - self._last[0]) > _ELSEWHERE:
            clock = self.stream.format.clock
            passed = max(round(_sane(time - self._last[1]) * clock), clock // 25)
            self._extra += self._last[0] + passed - stamp
            stamp = timestamp + self._extra
        if self._first is None:
            self._first = stamp
        self._last = max(stamp, self._last[0] if self._last else stamp), time
        return self.start + stamp - self._first

    def _add(self, data: bytes, pts: int, gaps: tuple[int, ...] = ()) -> None:
        while pts in self._taken:
            pts += 1  # two of one time: a sender's matter, not a container's
        self._taken.add(pts)
        self.samples.append(_Sample(pts, self.spool.tell(), len(data), gaps))
        self.spool.write(data)
        if self._size is None and self.stream.codec is not None:
            self._size = _picture_size(self.stream.codec, data)

    @property
    def clock(self) -> int:
        """Ticks a second."""
        return self.stream.format.clock

    @property
    def shown(self) -> list[int]:
        """Times of presentation in their order."""
        return sorted(sample.pts for sample in self.samples)

    @property
    def ahead(self) -> Fraction:
        """Seconds by which decoding has to be ahead of the pictures' order."""
        late = max(time - sample.pts for time, sample in zip(self.shown, self.samples, strict=True))
        return Fraction(late, self.clock)

    def move(self, seconds: Fraction) -> None:
        """Show all of it later."""
        for sample in self.samples:
            sample.pts += round(seconds * self.clock)

    @property
    def size(self) -> tuple[int, int]:
        """Of the pictures, as the container wants to have it told; what is in the stream counts."""
        return self._size or (16, 16)


@dataclass(frozen=True)
class Converted:
    """The container, which lasts as long as this does."""

    path: str
    gaps: Gaps
    losses: int
    """Packets that are missing."""
    _folder: tempfile.TemporaryDirectory[str] | None

    def __getstate__(self) -> dict[str, object]:
        """For another process, which reads the file and leaves it to this one to delete it."""
        return self.__dict__ | {"_folder": None}


def convert(path: str, capture: Capture, session: Session) -> Converted:
    """Raises InputError if there is no video in it, OSError."""
    sources = look_at(capture.datagrams(path), session)
    streams = streams_of(sources, session, capture.codec)
    if not any(stream.codec is not None for stream in streams):
        raise InputError(f"{path}: {_nothing_found(len(sources), capture)}")
    folder = tempfile.TemporaryDirectory(prefix="conceal-")
    zero = min(stream.first for stream in streams)
    tracks = []
    for number, stream in enumerate(sorted(streams, key=lambda one: one.codec is None)):
        if stream.codec is None and stream.format.name not in _SOUND:
            log.warning("%s: sound as %s is left out", path, stream.format.name)
            continue
        spool = open(os.path.join(folder.name, str(number)), "w+b")  # noqa: SIM115 - closed below
        start = round(_sane(stream.first - zero) * stream.format.clock)
        track = _Track(stream, start, spool, session.parameter_sets.get(stream.kind, b""))
        track.depacketiser = RtpDepacketiser(stream.codec) if stream.codec is not None else None
        tracks.append(track)
    try:
        _fill(path, capture, tracks, repairs(sources, streams, session))
        target = os.path.join(folder.name, "capture.nut")
        gaps = _write(target, [track for track in tracks if track.samples])
    except av.FFmpegError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    finally:
        for track in tracks:
            track.spool.close()
            os.unlink(track.spool.name)
    return Converted(target, gaps, sum(track.lost for track in tracks), folder)


def _sane(seconds: float) -> float:
    return seconds if 0 <= seconds <= _AWAY else 0.0


def _nothing_found(sources: int, capture: Capture) -> str:
    if capture.codec is not None and capture.codec.upper() not in VIDEO:
        return f"no H.264 or HEVC: this {capture.kind} holds {capture.codec}"
    if not sources:
        return f"no RTP in this {capture.kind}"
    found = f"no H.264 or HEVC in {sources} RTP stream{'s' if sources != 1 else ''} of this {capture.kind}"
    return f"{found}: encrypted, or without parameter sets; --sdp FILE tells what they are"


def _fill(path: str, capture: Capture, tracks: list[_Track], again: dict[Key, tuple[Key, int]]) -> None:
    by_key = {key: track for track in tracks for key in track.stream.keys}
    for one in capture.datagrams(path):
        if one.tcp or not is_rtp(one.data):
            continue
        key, packet = (one.flow, int.from_bytes(one.data[8:12], "big")), one.data
        if key in again:
            key, kind = again[key]
            repeated = restored(packet, key[1], kind)
            if repeated is None:
                continue
            packet = repeated
        track = by_key.get(key)
        if track is not None:
            track.push(track.order.push(packet, one.time))
    for track in tracks:
        track.finish()


def _write(target: str, tracks: list[_Track]) -> Gaps:
    gaps: Gaps = {}
    # Before 0 the muxer would move them, and gaps are known by their times.
    early = max(track.ahead - Fraction(track.shown[0], track.clock) for track in tracks)
    for track in tracks:
        track.move(early)
    with av.open(target, "w", format="nut") as container:
        outputs = [_output(container, track) for track in tracks]
        due = [_packets(track, output) for track, output in zip(tracks, outputs, strict=True)]
        for packet in heapq.merge(*due, key=lambda one: Fraction(one.dts or 0) * (one.time_base or 1)):
            container.mux(packet)
    for index, track in enumerate(tracks):
        gaps |= {(index, sample.pts): sample.gaps for sample in track.samples if sample.gaps}
    return gaps


def _output(container: OutputContainer, track: _Track) -> OutputStream:
    made = track.stream.format
    if track.stream.codec is None:
        return container.add_stream(_SOUND[made.name], rate=made.clock, layout=_layout(made))
    width, height = track.size
    video = container.add_mux_stream(VIDEO[made.name], rate=25, width=width, height=height)
    video.time_base = Fraction(1, _CLOCK)
    return video


def _layout(sound: Format) -> str:
    return "stereo" if sound.channels == 2 or sound.name == "OPUS" else "mono"


def _packets(track: _Track, output: OutputStream) -> Iterator[av.Packet]:
    """With decode times, which RTP does not have: as late as the order of the pictures allows."""
    ahead, unpacked = round(track.ahead * track.clock), _unpacker(track)
    for time, sample in zip(track.shown, track.samples, strict=True):
        track.spool.seek(sample.offset)
        packet = av.Packet(unpacked(track.spool.read(sample.size)))
        packet.stream, packet.time_base = output, Fraction(1, track.clock)
        packet.pts, packet.dts = sample.pts, time - ahead
        packet.is_keyframe = track.stream.codec is None or _is_entry(track.stream.codec, bytes(packet))
        yield packet


def _unpacker(track: _Track) -> Callable[[bytes], bytes]:
    """What makes of a packet what the container holds: of G.711 plain samples, which more containers take."""
    law = _LAWS.get(track.stream.format.name)
    if law is None:
        return lambda data: data
    context = av.CodecContext.create(law, "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = track.clock, _layout(track.stream.format)
    return lambda data: b"".join(frame.to_ndarray().tobytes() for frame in context.decode(av.Packet(data)))


def _is_entry(codec: Codec, payload: bytes) -> bool:
    entries = {5} if codec == "h264" else set(range(16, 22))
    return any(nal_type(codec, nal) in entries for nal in split_annexb(payload))


def _picture_size(codec: Codec, payload: bytes) -> tuple[int, int] | None:
    for nal in split_annexb(payload):
        try:
            if codec == "h264" and nal_type(codec, nal) == h264.NAL_SPS:
                sps = h264.parse_sps(NalUnit(nal.data))
                return 16 * sps.width_mbs, 16 * sps.height_mbs
            if codec == "hevc" and nal_type(codec, nal) == hevc.NAL_SPS:
                hevc_sps = hevc.parse_sps(NalUnit(nal.data))
                return hevc_sps.width, hevc_sps.height
        except BitstreamError:
            continue
    return None
