"""What is done to one stretch of a stream whose other packets are copied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import av

from concealer.bitstream import Codec, NalUnit, join_annexb, join_length_prefixed, nal_type, split_sample
from pipelines.jobs.lines import Line
from pipelines.jobs.splice_totals import SpliceTotals
from pipelines.reading import Source, VideoPayload
from pipelines.reporting import Plate
from pipelines.writing import with_data

_DELIMITERS: dict[Codec, int] = {"h264": 9, "hevc": 35}


Route = Literal["splice", "gop"]
"""How a span is repaired."""


class Piece(NamedTuple):
    """A packet of a repaired span, on its way to where it is written."""

    number: int | None
    """Of the payload that it stands for; None if the encoder made it, or nothing of its picture arrived."""
    data: bytes | None
    """None: it is as it came."""
    pts: int | None
    dts: int | None
    duration: int
    key: bool


@dataclass
class SpanFacts:
    """What was done to a span."""

    repaired: int = 0
    """Damaged pictures whose hole was painted."""
    pictures: int = 0
    bytes: int = 0
    """Encoded."""
    splice: SpliceTotals = field(default_factory=SpliceTotals)
    changes: list[dict[str, object]] = field(default_factory=list)
    """What splicing did to each access unit that it changed."""
    lines: list[Line] = field(default_factory=list)
    """What the report says of each picture, if there is one; numbers are the stream's."""
    plates: list[Plate] = field(default_factory=list)
    """The worst pictures, if the report shows any."""


class SpanRun(Protocol):
    """Takes the payloads of one span, gives packets in decode order. A packet's `opaque` is a list of its own with the
    number of the payload that it stands for, if there is one; payloads are counted from the span's lead on."""

    @property
    def facts(self) -> SpanFacts:
        """What was done so far."""
        ...

    def push(self, payload: VideoPayload) -> list[av.Packet]:
        """The next payload, from the span's lead on; packets that are ready."""
        ...

    def finish(self) -> list[av.Packet]:
        """The span ended: what is left."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def as_packet(source: Source, payload: VideoPayload, data: bytes | None = None) -> av.Packet:
    """A payload on its way out as it came in, or with other bytes."""
    if payload.packet is not None:
        return payload.packet if data is None else with_data(payload.packet, data)
    stream = source.video[payload.stream]
    packet = av.Packet(payload.data if data is None else data)
    packet.stream, packet.time_base = stream, source.time_base(payload.stream)
    packet.pts, packet.dts = payload.pts, payload.dts
    packet.duration = payload.duration or max(1, round(1 / (source.rate(payload.stream) * packet.time_base)))
    return packet


def framed(nals: list[NalUnit], length_size: int) -> bytes:
    """NAL units in the form that the container has: behind lengths, or with start codes where it has none."""
    return join_length_prefixed(nals, length_size) if length_size else join_annexb(nals)


def put_in_front(codec: Codec, data: bytes, nals: list[NalUnit], length_size: int) -> bytes:
    """A sample with more NAL units at its start, behind its access unit delimiter."""
    own, _ = split_sample(data, length_size)
    delimiter = own[:1] if own and nal_type(codec, own[0]) == _DELIMITERS[codec] else []
    return framed([*delimiter, *nals, *own[len(delimiter) :]], length_size)
