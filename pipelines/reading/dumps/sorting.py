"""RTP packets of a capture sorted by stream, in sequence, with retransmissions where they belong."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from concealer.bitstream import Codec
from concealer.bitstream.transport import RtpDepacketiser, RtpPacket, codec_of
from pipelines.reading.dumps.captures import Datagram
from pipelines.reading.dumps.description import Format, Session

_LOOKED_AT = 3000
"""Packets of a source that are kept to find out what it is."""
_RTCP = range(192, 224)
"""Second bytes of packets that are RTCP beside RTP (RFC 5761)."""
_WINDOW = 1024
"""Packets that wait for one out of order, or sent again."""
_COUNTED_ANEW = 3000
"""Steps of the sequence number beyond which nothing is in order with what came before (RFC 3550 A.1)."""
_OVERLAP, _PART = 1.0, 0.1
"""Seconds, and share of its time, that a source may be there beside another that begins anew as it."""
_ALIKE = 0.9
_STATIC = {0: Format("PCMU", 8000, 1), 8: Format("PCMA", 8000, 1)}
VIDEO: dict[str, Codec] = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}

Key = tuple[tuple[object, ...], int]
"""Flow and SSRC."""


@dataclass
class Source:
    """One SSRC of one flow, as far as it was looked at."""

    key: Key
    first: float
    last: float
    count: int = 0
    kinds: Counter[int] = field(default_factory=Counter)
    """Packets by payload type."""
    early: list[bytes] = field(default_factory=list)
    times: set[int] = field(default_factory=set)
    """RTP timestamps of `early`."""

    @property
    def kind(self) -> int:
        """Its payload type, that of most packets."""
        return self.kinds.most_common(1)[0][0]


@dataclass
class Stream:
    """What becomes a stream of the file: one source, or several that follow each other."""

    keys: list[Key]
    format: Format
    codec: Codec | None
    """None: sound."""
    first: float
    """Seconds: when its first packet came."""
    last: float
    kind: int
    """Payload type."""


def is_rtp(data: bytes) -> bool:
    """It can be RTP, and is no RTCP."""
    return len(data) > 12 and data[0] >> 6 == 2 and data[1] not in _RTCP


def look_at(datagrams: Iterable[Datagram], session: Session) -> list[Source]:
    """All sources, in order of their first packet. Descriptions that pass by are read into `session`."""
    sources: dict[Key, Source] = {}
    for one in datagrams:
        if b"m=video " in one.data and b"a=rtpmap:" in one.data:
            session.read(one.data.decode("utf-8", "replace").replace("\r\n", "\n"))
        if one.tcp or not is_rtp(one.data):
            continue
        key = one.flow, int.from_bytes(one.data[8:12], "big")
        source = sources.setdefault(key, Source(key, one.time, one.time))
        source.last = max(source.last, one.time)
        source.count += 1
        source.kinds[one.data[1] & 127] += 1
        if len(source.early) < _LOOKED_AT:
            source.early.append(one.data)
            source.times.add(int.from_bytes(one.data[4:8], "big"))
    return list(sources.values())


def streams_of(sources: Iterable[Source], session: Session, named: str | None) -> list[Stream]:
    """Those that are H.264 or HEVC, and sound. named: what the recording calls its one codec."""
    streams: list[Stream] = []
    for source in sources:
        found = _format_of(source, session, named)
        if found is None:
            continue
        codec = VIDEO.get(found.name)
        earlier = next((one for one in streams if _follows(source, found, one)), None)
        if earlier is not None:
            earlier.keys.append(source.key)
            earlier.last = source.last
        else:
            streams.append(Stream([source.key], found, codec, source.first, source.last, source.kind))
    return streams


def _follows(source: Source, found: Format, stream: Stream) -> bool:
    overlap = min(_OVERLAP, _PART * (source.last - source.first))
    return source.key[0] == stream.keys[0][0] and found == stream.format and source.first >= stream.last - overlap


def _format_of(source: Source, session: Session, named: str | None) -> Format | None:
    if source.count < 2 or source.key[1] in session.pairs:
        return None
    known = session.formats.get(source.kind) or (
        None if named is None else Format(named.upper(), 90000 if named.upper() in VIDEO else 48000, 2)
    )
    if known is not None and (known.name in VIDEO or not known.name.startswith(("H26", "RTX"))):
        return known
    if known is None and source.kind in _STATIC:
        return _STATIC[source.kind]
    codec = None if known is not None else _guess(source)
    return None if codec is None else Format("H264" if codec == "h264" else "H265", 90000, 1)


def _guess(source: Source) -> Codec | None:
    """By the parameter sets among its first packets."""
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    order = InSequence()
    early = [one for packet in source.early for one, _ in order.push(packet, 0.0)] + [one for one, _ in order.flush()]
    for codec in codecs:
        depacketiser = RtpDepacketiser(codec)
        for packet in early:
            if any(codec_of(unit.payload) == codec for unit in depacketiser.push(packet)):
                return codec
    return None


def repairs(sources: Iterable[Source], streams: Iterable[Stream], session: Session) -> dict[Key, tuple[Key, int]]:
    """What retransmits, and whose packets: source and payload type, as told or as their timestamps tell."""
    by_key = {source.key: source for source in sources}
    taken = {key for stream in streams for key in stream.keys}
    video = [by_key[key] for stream in streams if stream.codec is not None for key in stream.keys]
    found: dict[Key, tuple[Key, int]] = {}
    for source in by_key.values():
        if source.key in taken:
            continue
        told = session.pairs.get(source.key[1])
        kind = session.repairs.get(source.kind)
        for one in video:
            same = len(source.times & one.times) >= _ALIKE * len(source.times)
            if one.key[1] == told or (told is None and kind in (None, one.kind) and same):
                found[source.key] = one.key, one.kind
                break
    return found


def restored(packet: bytes, source: int, kind: int) -> bytes | None:
    """The packet that a retransmission repeats (RFC 4588 4); None: it repeats none."""
    parsed = RtpPacket.parse(packet)
    if parsed is None or len(parsed.payload) < 3:
        return None
    head = bytes((0x80, kind | 0x80 * parsed.marker)) + parsed.payload[:2] + packet[4:8]
    return head + source.to_bytes(4, "big") + parsed.payload[2:]


class InSequence:
    """Puts the packets of a stream in order, which may wait here as long as they like."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, float, bytes]] = []
        self._count = self._high = 0
        self._source: bytes | None = None

    def push(self, packet: bytes, time: float) -> Iterator[tuple[bytes, float]]:
        """Packets whose turn has come, with the time when each came."""
        sequence = int.from_bytes(packet[2:4], "big")
        step = (sequence - self._high + 0x8000 & 0xFFFF) - 0x8000
        if packet[8:12] != self._source or abs(step) > _COUNTED_ANEW:
            yield from self.flush()
            self._source, self._high, step = packet[8:12], sequence, 0
        number = self._high + step
        self._high = max(self._high, number)
        self._count += 1
        heapq.heappush(self._waiting, (number, self._count, time, packet))
        while len(self._waiting) > _WINDOW:
            yield self._next()

    def flush(self) -> Iterator[tuple[bytes, float]]:
        """All that wait."""
        while self._waiting:
            yield self._next()

    def _next(self) -> tuple[bytes, float]:
        _, _, time, packet = heapq.heappop(self._waiting)
        return packet, time
