"""Streams that are copied: whether a container can hold them, and what must be done to their packets for it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.container.streams import StreamContainer
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from concealer.bitstream import Codec, join_annexb, join_length_prefixed, nal_type, parse_extradata, split_sample
from pipelines.reading import codec_name, picture_rate
from pipelines.writing.encoder import cannot_hold, output_tag
from pipelines.writing.time_bases import stream_time_base

_START_CODES = {
    "avi",
    "mpeg",
    "vob",
    "svcd",
    "vcd",
    "dvd",
    "wtv",
    "h264",
    "hevc",
    "mxf",
    "mxf_d10",
    "mxf_opatom",
    "asf",
}
"""Muxers that write H.264 and HEVC with start codes and do not put them there themselves."""
_TS_SOUND = {
    "mp1", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "ac4", "dts", "truehd", "opus", "s302m", "pcm_bluray",
}  # fmt: skip
"""What MPEG-TS has a stream type or a descriptor for: anything else becomes private data that no player plays."""
_STALE = re.compile(
    r"major_brand|minor_version|compatible_brands|encoder|duration|(BPS|NUMBER_OF_|_STATISTICS_).*", re.I
)
"""Tags that describe the old file, not its content."""


def to_start_codes(container_format: str, stream: Stream) -> str | None:
    """The bitstream filter that a stream's packets need for the container, None if they need none."""
    name = codec_name(stream)
    if container_format not in _START_CODES or name not in ("h264", "hevc") or stream.codec_context is None:
        return None
    codec: Codec = "h264" if name == "h264" else "hevc"
    framing = parse_extradata(codec, stream.codec_context.extradata)
    return f"{name}_mp4toannexb" if framing.length_size else None


class Filtered:
    """Packets of one stream through the bitstream filter that its container needs, if it does."""

    def __init__(self, container_format: str, stream: Stream) -> None:
        """Raises FFmpegError, ValueError where the filter does not take the stream."""
        name = to_start_codes(container_format, stream)
        self._filter = BitStreamFilterContext(name, stream) if name is not None else None
        framing = None
        if codec_name(stream) == "h264" and stream.codec_context is not None:
            framing = parse_extradata("h264", stream.codec_context.extradata)
        self._length_size = framing.length_size if framing is not None else 0
        # The filter, which MPEG-TS has of its own, puts them before IDR pictures only.
        needed = name is not None or container_format == "mpegts"
        self._missing = framing.parameter_sets if framing is not None and self._length_size and needed else []
        # Muxers describe the whole stream by its first packet, and what they refuse at the end takes others with it.
        self._framed = codec_name(stream) == "aac" and stream.container.format.name == "mpegts"

    def push(self, packet: av.Packet) -> Iterator[av.Packet]:
        """What comes out; a packet that the filter does not take raises FFmpegError, one that no muxer should see
        ValueError."""
        if self._framed and packet.size and not _is_adts(bytes(packet)):
            raise ValueError("not a frame of AAC")
        if self._missing:
            sets, self._missing = self._missing, []
            kinds = {nal_type("h264", nal) for nal in split_sample(bytes(packet), self._length_size)[0]}
            if not kinds & {5, 7}:
                data = join_length_prefixed(sets, self._length_size) + bytes(packet)
                packet = with_data(packet, data)
        if self._filter is None:
            yield packet
            return
        stream, time_base = packet.stream, packet.time_base
        for made in self._filter.filter(packet):
            made.stream, made.time_base = stream, time_base
            yield made


def _is_adts(data: bytes) -> bool:
    """Whether it begins with an ADTS header (ISO/IEC 13818-7 6.2) of no more bytes than there are."""
    head = int.from_bytes(data[:7].ljust(7, b"\0"), "big")
    syncword, layer, rate, length = head >> 44, head >> 41 & 3, head >> 34 & 15, head >> 13 & 0x1FFF
    return syncword == 0xFFF and layer == 0 and rate < 13 and 7 <= length <= len(data)


def can_hold(container_format: str, stream: Stream, beside: Sequence[Stream] = ()) -> bool:
    """Try the stream in a file of the format: muxers tell their limits only when asked to write.

    beside: what is in the file already. Some formats take one stream of a kind only, or sound only with video.
    """
    if container_format == "mpegts" and stream.type == "audio" and codec_name(stream) not in _TS_SOUND:
        return False
    trial = av.open(io.BytesIO(), "w", format=container_format)
    try:
        for other in sorted((*beside, stream), key=lambda one: one.index):  # which a muxer may mind
            copy_stream(trial, other)
        trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    finally:
        with contextlib.suppress(av.FFmpegError, ValueError):
            trial.close()
    return True


def held_together(container_format: str, streams: StreamContainer, video: Iterable[Stream]) -> set[int]:
    """Indices of the streams that one file of the format can hold at once; `video` and the main sound go before others.

    Damage makes libavformat see streams of a few packets that nobody wrote, and some formats take one of a kind only.
    """
    sound = streams.best("audio")
    first = [*video, *([] if sound is None else [sound])]
    order = {stream.index: stream for stream in (*first, *streams)}
    held: list[Stream] = []
    for stream in order.values():
        if stream.discard != Discard.all and can_hold(container_format, stream, held):
            held.append(stream)
    return {stream.index for stream in held}


def check_codec(container_format: str, encoder: str) -> None:
    """Raise OutputError if the container cannot hold what the encoder makes."""
    try:
        av.open(io.BytesIO(), "w", format=container_format).add_stream(encoder)
    except ValueError as error:
        raise cannot_hold(container_format, encoder) from error


def copy_stream(container: OutputContainer, stream: Stream) -> Stream:
    """The stream in another container; its packets must go through `Filtered`."""
    made = container.add_stream_from_template(stream, opaque=True)
    name = codec_name(stream)
    if made.codec_context is not None and isinstance(stream, VideoStream):
        made.codec_context.extradata = (
            stream.codec_context.extradata
        )  # which may have been given more since it was read
    if made.codec_context is not None and to_start_codes(container.format.name, stream) is not None:
        held = parse_extradata("h264" if name == "h264" else "hevc", made.codec_context.extradata)
        made.codec_context.extradata = join_annexb(held.parameter_sets)
        made.codec_context.codec_tag = "\0\0\0\0"  # whichever the muxer has for it
    if isinstance(made, VideoStream) and isinstance(stream, VideoStream) and made.codec_context is not None:
        tag = output_tag(stream, container)
        if tag is not None:
            made.codec_context.codec_tag = tag
        if stream.sample_aspect_ratio:
            made.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio
        if stream.average_rate:
            made.codec_context.framerate = picture_rate(stream)
        made.time_base = stream_time_base(container.format.name, stream) or made.time_base
    made.disposition = stream.disposition
    return made


def with_data(packet: av.Packet, data: bytes) -> av.Packet:
    """The packet with another payload.

    What it carries as `opaque` must be an object of its own: PyAV keeps these by identity, and forgets one for all
    packets as soon as the first of them is freed. It is copied, therefore.
    """
    made = av.Packet(data)
    made.stream = packet.stream
    made.time_base = packet.time_base
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.is_keyframe, made.opaque = packet.is_keyframe, copy(packet.opaque)
    for kind in packet.iter_sidedata():
        made.set_sidedata(kind)
    return made


def stream_label(stream: Stream) -> str:
    """A stream in words: "audio stream #1 (aac, eng)"."""
    known = (codec_name(stream), stream.metadata.get("language", "und"))
    details = ", ".join(part for part in known if part not in ("?", "und"))
    return f"{stream.type} stream #{stream.index}" + (f" ({details})" if details else "")


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those that describe the content."""
    return {key: value for key, value in tags.items() if not _STALE.fullmatch(key)}
