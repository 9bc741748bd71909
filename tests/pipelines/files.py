"""Files for the tests of the pipelines: rich ones, and damaged copies of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipelines.writing.x264 import reproducible
from tests.media import Codec, clip

START_CODE = b"\x00\x00\x01"
TICKS = 90000
HDR = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400:chromaloc=2"
)


def _is_slice(first_byte: int, codec: str) -> bool:
    return first_byte & 31 in (1, 5) if codec == "h264" else first_byte >> 1 & 63 < 32


def drop_slices(stream: bytes, codec: Codec, picked: set[int]) -> bytes:
    """An Annex B stream without its `picked` slices, counted from 0."""
    kept: list[bytes] = []
    number = -1
    for part in re.split(b"(?=\x00\x00\x01)", stream):
        if part.startswith(START_CODE) and len(part) > 3 and _is_slice(part[3], codec):
            number += 1
            if number in picked:
                continue
        kept.append(part)
    return b"".join(kept)


def _length_prefixed(sample: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(sample):
        size = int.from_bytes(sample[at : at + 4], "big")
        yield sample[at : at + 4 + size]
        at += 4 + size


def damage_samples(source: Path, target: Path, picked: set[int]) -> Path:
    """A copy of an MP4 or Matroska file whose `picked` video samples have lost their second slice."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in whole.streams if s.type != "data"}
        for index, stream in streams.items():
            stream.metadata.update(whole.streams[index].metadata)
            stream.disposition = whole.streams[index].disposition
        out.metadata.update(whole.metadata)
        out.set_chapters(whole.chapters())
        video = whole.streams.video[0]
        codec = video.codec_context.codec.canonical_name
        number = -1
        for packet in whole.demux():
            if packet.size == 0 or packet.stream_index not in streams:
                continue
            if packet.stream_index == video.index:
                number += 1
                if number in picked:
                    packet = _without_slice(packet, codec)
            packet.stream = streams[packet.stream_index]
            out.mux(packet)
    return target


def _without_slice(packet: av.Packet, codec: str) -> av.Packet:
    units = list(_length_prefixed(bytes(packet)))
    slices = [unit for unit in units if _is_slice(unit[4], codec)]
    assert len(slices) > 2, "the clip must have several slices a picture"
    damaged = av.Packet(b"".join(unit for unit in units if unit is not slices[1]))
    damaged.stream, damaged.time_base = packet.stream, packet.time_base
    damaged.pts, damaged.dts, damaged.duration = packet.pts, packet.dts, packet.duration
    damaged.is_keyframe = packet.is_keyframe
    return damaged


def vfr_times(count: int) -> list[int]:
    """Presentation times in 1/90000 s with steps of 20, 40 and 60 ms."""
    steps = [1800, 3600, 5400]
    return [sum(steps[i % 3] for i in range(n)) for n in range(count)]


@dataclass(frozen=True)
class Rich:
    """What `rich_file` put into a file."""

    times: Sequence[int]
    """Of the pictures, in 1/90000 s."""
    title: str = "A title"
    chapters: tuple[str, str] = ("opening", "the rest")
    subtitles: tuple[str, str] = ("first words", "last words")


def rich_file(path: Path, frames: int = 30, *, start: int = 0) -> Rich:
    """H.264 with VFR times, SAR 4:3, BT.709, a quarter turn; AAC; subtitles; chapters; tags; in MKV a font."""
    rich = Rich([start + time for time in vfr_times(frames)])
    mov = path.suffix in (".mp4", ".mov")
    with av.open(str(path), "w") as out:
        out.metadata["title"] = rich.title
        options = {
            "preset": "veryfast",
            "x264-params": reproducible("slices=4:sliced-threads=0:bframes=2:keyint=12:scenecut=0"),
        }
        video = out.add_stream("libx264", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 176, 144, "yuv420p"
        context = video.codec_context
        context.thread_count = 1
        context.time_base = Fraction(1, TICKS)
        context.sample_aspect_ratio = Fraction(4, 3)
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = 1
        video.time_base = Fraction(1, TICKS)
        video.set_display_rotation(90)
        sound = out.add_stream("aac", rate=48000, layout="mono")
        sound.metadata["language"] = "deu"
        words = out.add_mux_stream("mov_text" if mov else "subrip")
        words.metadata["language"] = "fra"
        words.time_base = Fraction(1, 1000)
        if not mov:
            out.add_attachment("a.ttf", "application/x-truetype-font", b"not really a font" * 20)
        end = round(rich.times[-1] / TICKS * 1000)
        out.set_chapters(
            [
                {
                    "id": 1,
                    "start": 0,
                    "end": end // 2,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": rich.chapters[0]},
                },
                {
                    "id": 2,
                    "start": end // 2,
                    "end": end,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": rich.chapters[1]},
                },
            ]
        )
        packets: list[av.Packet] = []
        for time, rgb in zip(rich.times, clip(frames), strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, TICKS)
            packets += video.encode(frame)
        packets += video.encode(None)
        for begin in range(0, 48000 * rich.times[-1] // TICKS, 1024):
            tone = np.sin(2 * np.pi * 440 * np.arange(begin, begin + 1024) / 48000).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.sample_rate, samples.time_base = 48000, Fraction(1, 48000)
            samples.pts = begin + start * 48000 // TICKS
            packets += sound.encode(samples)
        packets += sound.encode(None)
        for text, at in zip(rich.subtitles, (100, 600), strict=True):
            raw = text.encode()
            packet = av.Packet(len(raw).to_bytes(2, "big") + raw if mov else raw)
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = at + start * 1000 // TICKS
            packet.duration = 400
            packets.append(packet)
        for packet in packets:
            out.mux(packet)
    return rich


def hdr_file(path: Path, frames: int = 10) -> Path:
    """10-bit HEVC, BT.2020 PQ, with mastering display and content light level, 4 slices."""
    with av.open(str(path), "w") as out:
        options = {
            "preset": "ultrafast",
            "x265-params": f"log-level=none:pools=1:frame-threads=1:slices=4:{HDR}",
        }
        video = out.add_stream("libx265", rate=25, options=options)
        video.width, video.height, video.pix_fmt = 352, 288, "yuv420p10le"
        context = video.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, 16, 9, 1
        for rgb in clip(frames, 352, 288):
            out.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p10le")))
        out.mux(video.encode(None))
    return path


def packets_of(path: Path | str, kind: str) -> list[bytes]:
    """Payloads of the first stream of a kind, in file order."""
    with av.open(str(path)) as opened:
        stream = next(s for s in opened.streams if s.type == kind)
        return [bytes(packet) for packet in opened.demux(stream) if packet.size]


def picture_times(path: Path | str) -> list[float]:
    """Seconds at which the first video's pictures are shown, in order."""
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        assert stream.time_base is not None
        return sorted(float(p.pts * stream.time_base) for p in opened.demux(stream) if p.size and p.pts is not None)


@dataclass(frozen=True)
class VideoPacket:
    """One packet of a video stream, its times in pictures at 25 a second."""

    data: bytes
    pts: float
    dts: float
    key: bool = False


def rewrite_video(
    source: Path, target: Path, change: Callable[[list[VideoPacket]], list[VideoPacket]], ticks: int = TICKS
) -> Path:
    """A copy of a file with its video packets, in decode order, as `change` makes them of what they were."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in whole.streams if s.type != "data"}
        video = whole.streams.video[0]
        unit = 25 * float(video.time_base or 1)
        packets = [packet for packet in whole.demux() if packet.size]
        own = [packet for packet in packets if packet.stream_index == video.index]
        given = [VideoPacket(bytes(p), (p.pts or 0) * unit, (p.dts or 0) * unit, p.is_keyframe) for p in own]
        streams[video.index].time_base = Fraction(1, ticks)
        made = []
        for one in change(given):
            packet = av.Packet(one.data)
            packet.time_base = Fraction(1, ticks)
            packet.pts, packet.dts = round(one.pts * ticks / 25), round(one.dts * ticks / 25)
            packet.duration = ticks // 25
            packet.is_keyframe = one.key
            packet.stream = streams[video.index]
            made.append(packet)
        for packet in packets:
            if packet.stream_index != video.index and packet.stream_index in streams:
                packet.stream = streams[packet.stream_index]
                made.append(packet)
        for packet in sorted(made, key=lambda p: float((p.dts or 0) * (p.time_base or 1))):
            out.mux(packet)
    return target
