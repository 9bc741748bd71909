"""What a container says of its streams."""

from __future__ import annotations

import contextlib
import logging
import re
from fractions import Fraction
from typing import cast

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from concealer.bitstream import BitstreamError, Codec, h264, hevc, nal_type, parse_extradata
from pipelines.errors import InputError, NoVideoError

log = logging.getLogger(__name__)

_SPS: dict[Codec, int] = {"h264": h264.NAL_SPS, "hevc": hevc.NAL_SPS}
_USUAL_RATE = 240
"""Pictures a second."""
_SAME_RATE = 0.01
"""Share by which two rates may differ and mean the same."""
_CHROMA_LOCATION = re.compile(r"chroma_sample_loc_type_top_field\s+[01]+ = ([0-5])\b")


def repairable(container: InputContainer, label: str) -> dict[int, VideoStream]:
    """Its H.264 and HEVC streams by their index. Raises InputError if it has none, or one that is encrypted."""
    found: dict[int, VideoStream] = {}
    for stream in container.streams.video:
        if stream.codec_context is None or stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context.codec.canonical_name in ("h264", "hevc"):
            if codec_tag(stream) in ("encv", "drmi"):
                raise InputError(f"{label}: video stream #{stream.index} is encrypted")
            found[stream.index] = stream
    if not found:
        held = ", ".join(f"{s.type} {codec_name(s)}" for s in container.streams) or "no streams"
        raise NoVideoError(f"{label}: no H.264 or HEVC video in it ({held})")
    return found


def new_header(packet: av.Packet) -> bytes | None:
    """Parameter sets in the container's form that come with a packet of H.264 or HEVC and hold from there on.

    None where none come, or none that can be read: a damaged byte makes FLV take a picture for a header.
    """
    stream = packet.stream
    if not packet.has_sidedata("new_extradata") or not isinstance(stream, VideoStream):
        return None
    data = bytes(packet.get_sidedata("new_extradata"))
    codec = video_codec(stream)
    for nal in parse_extradata(codec, data).parameter_sets:
        with contextlib.suppress(BitstreamError):
            if nal_type(codec, nal) == _SPS[codec]:
                (h264.parse_sps if codec == "h264" else hevc.parse_sps)(nal)
                return data
    return None


def without_header(packet: av.Packet) -> av.Packet:
    """The packet without its side data."""
    made = av.Packet(bytes(packet))
    made.stream, made.time_base = packet.stream, packet.time_base
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    return made


def codec_tag(stream: VideoStream) -> str:
    """The container's four letters for the codec; "" where they are none, such as a stream type of MPEG-TS."""
    try:
        return stream.codec_tag
    except UnicodeDecodeError:
        return ""


def codec_name(stream: Stream) -> str:
    """Name of a stream's codec, "?" if FFmpeg knows none."""
    context = stream.codec_context
    # A stream without context has its name, if any, by its type.
    return context.codec.canonical_name if context is not None else getattr(stream, "name", None) or "?"


def video_codec(stream: VideoStream) -> Codec:
    """Of a stream that is `repairable`."""
    return cast(Codec, stream.codec_context.codec.canonical_name)


def picture_rate(stream: VideoStream) -> Fraction:
    """Pictures a second, as good as the container and the bitstream know.

    The average is of the pictures that are there, and too low where some were lost: libavformat's guess counts if the
    bitstream says the same, or the average nearly does.
    """
    guess, average = stream.guessed_rate, stream.average_rate
    told = stream.codec_context.framerate if stream.codec_context is not None else None
    sure = [guess] if guess and any(one and abs(one / guess - 1) < _SAME_RATE for one in (told, average)) else []
    known = [rate for rate in (*sure, average, guess, stream.base_rate) if rate and 0 < rate <= 1000]
    # AVI takes the unit of its times for the rate, which may be a millisecond.
    return next((rate for rate in known if rate <= _USUAL_RATE), known[0] if known else Fraction(25))


def first_delay(container: InputContainer, index: int, most: int) -> tuple[int, int]:
    """How long libavcodec holds a stream's first picture back: in ticks, by decode times, and in packets.

    most: packets that are tried; (0, 0) if there is no picture among them. The container must not have been read from.
    """
    stream = next(one for one in container.streams.video if one.index == index)
    first: int | None = None
    for count, packet in enumerate(container.demux(stream)):
        first = packet.dts if first is None else first
        with contextlib.suppress(av.FFmpegError):
            for frame in packet.decode():
                return max(0, frame.dts - first) if frame.dts is not None and first is not None else 0, count
        if count >= most:
            break
    return 0, 0


def chroma_location(stream: VideoStream) -> int | None:
    """chroma_sample_loc_type (H.264 E.2.1, HEVC E.3.1), 0..5; None if the parameter sets do not tell.

    PyAV does not show it, but libavcodec's header tracer reads the stream's parameter sets aloud.
    """
    level = av.logging.get_level()
    try:
        with av.logging.Capture(local=True) as messages:
            av.logging.set_level(av.logging.INFO)
            BitStreamFilterContext("trace_headers", stream)
    except (av.FFmpegError, ValueError):
        log.debug("stream #%d: parameter sets cannot be traced", stream.index)
    finally:
        av.logging.set_level(level)
    found = _CHROMA_LOCATION.search("\n".join(text for _, _, text in messages))
    return int(found[1]) if found else None
