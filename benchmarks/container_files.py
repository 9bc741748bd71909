"""Files of every container, written by FFmpeg's muxers alone, and what a stock player finds in a file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.frame import Frame
from av.stream import Stream
from av.video.stream import VideoStream

from benchmarks.synthetic import moving_layers
from concealer.bitstream import join_annexb, parse_extradata
from pipelines.writing.x264 import reproducible

Codec = Literal["h264", "hevc"]

FPS, PICTURES, RATE = 25, 50, 48000
SUFFIXES = {
    "MP4": ".mp4", "MOV": ".mov", "MKV": ".mkv", "TS": ".ts", "M2TS": ".m2ts", "FLV": ".flv", "AVI": ".avi",
    "MXF": ".mxf", "3GP": ".3gp", "ASF": ".asf", "raw": ".264",
}  # fmt: skip
"""Of the containers in the matrix; raw HEVC has ".265"."""
_FORMATS = {".m2ts": "mpegts", ".264": "h264", ".265": "hevc"}
_DECODE_TIMES = {"avi", "asf"}
_START_CODES = {"AVI", "MXF", "ASF", "TS", "M2TS", "raw"}
"""Where FFmpeg's tool is told, or tells itself, to put start codes before the NAL units."""


def suffix(container: str, codec: Codec) -> str:
    """With its dot."""
    return ".265" if container == "raw" and codec == "hevc" else SUFFIXES[container]


def write_original(path: Path, codec: Codec, sound: Literal["aac", "pcm_s16le"]) -> Path:
    """A Matroska file of two seconds, small pictures with two B-pictures in a row, and a tone."""
    keyed: dict[str, int | str] = {"bframes": 2, "keyint": 12, "min-keyint": 12, "scenecut": 0}
    encoder, name = ("libx264", "x264-params") if codec == "h264" else ("libx265", "x265-params")
    keyed |= {"sliced-threads": 0} if codec == "h264" else {"log-level": "none", "pools": 1, "frame-threads": 1}
    params = ":".join(f"{key}={value}" for key, value in keyed.items())
    own = reproducible(params) if codec == "h264" else params
    with av.open(str(path), "w", format="matroska") as out:
        made = out.add_stream(encoder, rate=FPS, options={"preset": "veryfast", "crf": "20", name: own})
        video = cast(VideoStream, made)
        video.width, video.height, video.pix_fmt = 176, 144, "yuv420p"
        video.codec_context.thread_count = 1
        audio = out.add_stream(sound, rate=RATE, layout="mono")
        for rgb in moving_layers(PICTURES):
            out.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")))
        out.mux(video.encode(None))
        for frame in _tone("fltp" if sound == "aac" else "s16"):
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    return path


def _tone(sample_format: str) -> Iterator[av.AudioFrame]:
    total = RATE * PICTURES // FPS
    wave = np.sin(2 * np.pi * 440 * np.arange(total) / RATE) * 0.25
    samples = wave.astype(np.float32) if sample_format == "fltp" else (wave * 32767).astype(np.int16)
    for start in range(0, total, 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format=sample_format, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield frame


def remux(source: Path, target: Path, container: str, cut: Collection[int] = ()) -> None:
    """Packets from one container into another, as FFmpeg's tool does it; `cut`: video packets of which half is lost.

    Raises FFmpegError, ValueError where libavformat refuses.
    """
    form = _FORMATS.get(target.suffix)
    with av.open(str(source)) as opened, av.open(str(target), "w", format=form) as out:
        ways = {stream.index: _Way(out, stream, container) for stream in _held(opened, container)}
        seen = 0
        for packet in opened.demux():
            way = ways.get(packet.stream_index)
            if way is None or not packet.size:
                continue
            if packet.stream.type == "video":
                if seen in cut:
                    packet = _half(packet)
                seen += 1
            for made in way.push(packet):
                out.mux_one(made)


def _held(opened: InputContainer, container: str) -> Sequence[Stream]:
    known = [stream for stream in opened.streams if stream.type in ("video", "audio")]
    return [stream for stream in known if container != "raw" or stream.type == "video"]


class _Way:
    """One stream on its way."""

    def __init__(self, out: OutputContainer, stream: Stream, container: str) -> None:
        self._made = out.add_stream_from_template(stream, opaque=True)
        self._filter: BitStreamFilterContext | None = None
        context = stream.codec_context
        made = self._made.codec_context
        if made is not None:
            made.codec_tag = "\0\0\0\0"  # whichever the muxer has for it
        held = context.extradata if isinstance(stream, VideoStream) and context is not None else None
        if held and held[0] == 1 and container in _START_CODES and made is not None:
            codec = cast(Codec, made.codec.canonical_name)
            self._filter = BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
            made.extradata = join_annexb(parse_extradata(codec, held).parameter_sets)

    def push(self, packet: av.Packet) -> Iterator[av.Packet]:
        time_base = packet.time_base
        for made in self._filter.filter(packet) if self._filter is not None else (packet,):
            made.stream, made.time_base = self._made, time_base
            yield made


def _half(packet: av.Packet) -> av.Packet:
    """Without the second half of its last NAL unit."""
    data = bytes(packet)
    at = end = 0
    while at + 4 <= len(data):
        end, at = at, at + 4 + int.from_bytes(data[at : at + 4], "big")
    left = (len(data) - end - 4) // 2
    made = av.Packet(data[:end] + left.to_bytes(4, "big") + data[end + 4 : end + 4 + left])
    made.stream, made.time_base = packet.stream, packet.time_base
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    return made


@dataclass(frozen=True)
class Shown:
    """What a stock player finds in a file."""

    pictures: int
    """That decode."""
    packets: int
    """Of video."""
    times: tuple[float, ...]
    """Of the pictures that are shown, in seconds from the first; in AVI and ASF, which know no others and put the first
    packet at 0 whatever its time, decode times from the second picture on."""
    sound_seconds: float
    sync: float | None
    """Seconds from the first picture to the first sound."""


def shown(source: Path | bytes) -> Shown:
    """Read a file with FFmpeg alone. Raises FFmpegError where it cannot be opened."""
    with _opened(source) as opened:
        video = opened.streams.video[0]
        sound = next(iter(opened.streams.audio), None)
        counted = opened.format.name in _DECODE_TIMES
        pictures, samples = 0, 0
        times: list[float] = []
        heard: list[float] = []
        packets, seen = 0, None
        for packet in opened.demux():
            if packet.size and packet.stream_index == video.index:
                packets += 1
                _note(times, packet, counted)
            elif packet.size and sound is not None and packet.stream_index == sound.index:
                _note(heard, packet, False)
            if packet.stream_index not in (video.index, sound.index if sound is not None else -1) or (
                packet.stream.codec_context is None
            ):
                continue
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    if isinstance(frame, av.AudioFrame):
                        samples += frame.samples
                    elif isinstance(frame, av.VideoFrame):
                        pictures += 1
                        if pictures == 1 + counted:
                            seen = _time(frame, counted)
    times = sorted(times)[counted:]
    start = times[0] if times else 0.0
    sync = min(heard) - seen if heard and seen is not None else None
    rate = sound.codec_context.sample_rate if sound is not None else RATE
    return Shown(pictures, packets, tuple(time - start for time in times), samples / max(rate, 1), sync)


def _opened(source: Path | bytes) -> InputContainer:
    return av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source), "r")


def _time(frame: Frame, counted: bool) -> float | None:
    """When a player shows the first picture: without times of presentation, when the packet comes that releases it."""
    time = frame.dts if counted or frame.pts is None else frame.pts
    return None if time is None or not frame.time_base else float(time * frame.time_base) - counted / FPS


def _note(times: list[float], packet: av.Packet, counted: bool) -> None:
    time = packet.dts if counted or packet.pts is None else packet.pts
    if time is not None and packet.time_base and not packet.is_discard:
        times.append(float(time * packet.time_base))
