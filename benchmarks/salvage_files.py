"""Recordings by several encoders and muxers, and ways in which they are broken: for `benchmarks.salvage` and tests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from benchmarks.synthetic import moving_layers

Span = tuple[int, int]
_CODECS = {"h264": "libx264", "hevc": "libx265"}


@dataclass(frozen=True)
class Recording:
    """How a recording is made."""

    name: str
    encoder: str
    muxer: str
    codec: str = "h264"
    suffix: str = ".mp4"
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = (320, 192)
    preset: str = "veryfast"
    params: Mapping[str, str | int] = field(default_factory=dict)
    sound: str = "aac"
    sound_rate: int = 48000
    layout: str = "stereo"
    sound_options: Mapping[str, str] = field(default_factory=dict)
    sound_bits: int = 0
    """A second; 0: as the encoder likes."""
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the muxer."""
    pipeline: str = ""
    """Of GStreamer: video encoder, and muxer with its settings; sound goes through `sound`."""


def tone(seconds: float, rate: int, channels: int) -> npt.NDArray[np.float32]:
    """(channels, samples): tones that glide, with noise, which no encoder finds easy."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(1).normal(0, 0.02, (channels, len(t)))
    tones = [np.sin(2 * np.pi * (300 + 100 * c + 40 * t) * t) for c in range(channels)]
    return (0.2 * np.stack(tones) + noise).astype(np.float32)


def make(recording: Recording, path: Path, seconds: float = 6.0) -> Path:
    """Write it. Raises av.FFmpegError, subprocess.CalledProcessError where it cannot be made here."""
    if recording.pipeline:
        return _by_gstreamer(recording, path, seconds)
    options = {"preset": recording.preset}
    params: dict[str, object] = dict(recording.params)
    if recording.codec == "hevc":
        params = {"log-level": "none", "pools": 1, "frame-threads": 1} | params
    options[f"{_CODECS[recording.codec][3:]}-params"] = ":".join(f"{k}={v}" for k, v in params.items())
    with av.open(str(path), "w", options=dict(recording.options)) as out:
        video = cast(VideoStream, out.add_stream(_CODECS[recording.codec], rate=recording.rate, options=options))
        video.width, video.height = recording.size
        video.pix_fmt = recording.pixel_format
        video.codec_context.thread_count = 1
        video.time_base = video.codec_context.time_base = 1 / recording.rate
        packets = list(_video_packets(recording, video, seconds))
        if recording.sound:
            packets += _sound_packets(recording, out, seconds)
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            out.mux(packet)
    return path


def _video_packets(recording: Recording, video: VideoStream, seconds: float) -> Iterator[av.Packet]:
    count = round(seconds * recording.rate)
    base = moving_layers(min(count, 50), *recording.size, seed=3)
    for number in range(count):
        turn, place = divmod(number, len(base))
        rgb = base[place if turn % 2 == 0 else -1 - place]
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=recording.pixel_format)
        frame.pts, frame.time_base = number, 1 / recording.rate
        yield from video.encode(frame)
    yield from video.encode(None)


def _sound_packets(recording: Recording, out: av.container.OutputContainer, seconds: float) -> list[av.Packet]:
    options = dict(recording.sound_options)
    added = out.add_stream(recording.sound, rate=recording.sound_rate, layout=recording.layout, options=options)
    stream = cast(AudioStream, added)
    if recording.sound_bits:
        stream.bit_rate = recording.sound_bits
    context = stream.codec_context
    context.open()
    channels = 1 if recording.layout == "mono" else 2
    samples = tone(seconds, recording.sound_rate, channels)
    form = context.format.name if context.format is not None else "fltp"
    size = context.frame_size or 1024
    resampler = av.AudioResampler(form, recording.layout, recording.sound_rate, frame_size=size)
    packets: list[av.Packet] = []
    for start in range(0, samples.shape[1], size):
        piece = np.ascontiguousarray(samples[:, start : start + size])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=recording.layout)
        frame.sample_rate, frame.pts, frame.time_base = recording.sound_rate, start, Fraction(1, recording.sound_rate)
        for ready in resampler.resample(frame):
            packets += stream.encode(ready)
    return packets + list(stream.encode(None))


def _by_gstreamer(recording: Recording, path: Path, seconds: float) -> Path:
    width, height = recording.size
    count = round(seconds * recording.rate)
    rate = f"{recording.rate.numerator}/{recording.rate.denominator}"
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={rate}"
    encoder, _, muxer = recording.pipeline.partition(" | ")
    buffers = int(seconds * recording.sound_rate / 1024)
    source = f"videotestsrc num-buffers={count} pattern=ball ! {caps} ! {encoder} ! queue ! m. "
    if recording.sound:
        channels = 1 if recording.layout == "mono" else 2
        form = f"audio/x-raw,rate={recording.sound_rate},channels={channels}"
        wave = "sine" if recording.sound == "identity" else "pink-noise"
        source += f"audiotestsrc num-buffers={buffers} samplesperbuffer=1024 wave={wave} ! {form} ! "
        source += f"audioconvert ! {recording.sound} ! queue ! m. "
    command = f"gst-launch-1.0 -q {source} {muxer} name=m ! filesink location={path}"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=120)
    return path


def has_gstreamer() -> bool:
    """Its command is there."""
    return shutil.which("gst-launch-1.0") is not None


@dataclass(frozen=True)
class Broken:
    """A broken copy of a recording, and where the bytes of the original are in it."""

    path: Path
    gone: tuple[Span, ...]
    """Bytes of the original that are not in it, or are others there."""

    def holds(self, place: int, size: int) -> bool:
        """Whether a sample of the original is in the copy."""
        return all(place >= end or place + size <= start for start, end in self.gone)


def boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Kind, start and end of the boxes of the file's own level."""
    found, place = [], 0
    while place + 8 <= len(data):
        size, head = int.from_bytes(data[place : place + 4], "big"), 8
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        elif size == 0:
            size = len(data) - place
        if size < head:
            break
        found.append((data[place + 4 : place + 8], place, min(place + size, len(data))))
        place += size
    return found


def _without_moov(data: bytes) -> tuple[bytes, list[Span]]:
    """The moov zeroed where it is in front, cut off where it is at the end."""
    (start, end) = next((a, b) for kind, a, b in boxes(data) if kind == b"moov")
    if start > len(data) // 2:
        return data[:start], [(start, len(data))]
    return data[:start] + bytes(end - start) + data[end:], [(start, end)]


def no_moov(data: bytes) -> tuple[bytes, list[Span]]:
    return _without_moov(data)


def moov_broken(data: bytes) -> tuple[bytes, list[Span]]:
    """Noise over the middle two thirds of the moov, the sample descriptions with it."""
    (start, end) = next((a, b) for kind, a, b in boxes(data) if kind == b"moov")
    first, last = start + 64, end - (end - start) // 6
    noise = np.random.default_rng(5).integers(0, 256, last - first, np.uint8).tobytes()
    return data[:first] + noise + data[last:], [(first, last)]


def tables_broken(data: bytes) -> tuple[bytes, list[Span]]:
    """A moov whose tables of places and sizes are zeros: it opens, and knows nothing."""
    (start, end) = next((a, b) for kind, a, b in boxes(data) if kind == b"moov")
    made, gone = bytearray(data), [(start, end)]
    for name in (b"stco", b"co64", b"stsz", b"trun"):
        place = data.find(name, start, end)
        while place >= 0:
            size = int.from_bytes(data[place - 4 : place], "big")
            made[place + 12 : place - 4 + size] = bytes(max(0, size - 16))
            place = data.find(name, place + 1, end)
    return bytes(made), gone


def truncated(data: bytes) -> tuple[bytes, list[Span]]:
    """As a crash leaves it: no moov, three quarters of the media, a length of the media data that was never set."""
    plain, gone = _without_moov(data)
    (_, start, end), *more = [one for one in boxes(data) if one[0] == b"mdat"]
    stop = len(plain) * 3 // 4 if more else start + (end - start) * 3 // 4
    made = bytearray(plain[:stop])
    if not more and int.from_bytes(made[start : start + 4], "big") != 1:
        made[start : start + 4] = bytes(4)
    return bytes(made), [*gone, (stop, len(data))]


def zeroed(data: bytes) -> tuple[bytes, list[Span]]:
    """No moov, and zeros over a tenth of the media in its middle."""
    plain, gone = _without_moov(data)
    middle, size = len(plain) // 2, len(plain) // 10
    return plain[:middle] + bytes(size) + plain[middle + size :], [*gone, (middle, middle + size)]


def headless(data: bytes) -> tuple[bytes, list[Span]]:
    """No moov, and zeros over the first 64 bytes: nothing says what the file is."""
    plain, gone = _without_moov(data)
    return bytes(64) + plain[64:], [*gone, (0, 64)]


def holes(data: bytes) -> tuple[bytes, list[Span]]:
    """No moov, and four holes of 4 KiB."""
    plain, gone = _without_moov(data)
    made = bytearray(plain)
    for number in range(1, 5):
        at = len(plain) * number // 5
        made[at : at + 4096] = bytes(len(made[at : at + 4096]))
        gone.append((at, at + 4096))
    return bytes(made), gone


WAYS: dict[str, Callable[[bytes], tuple[bytes, list[Span]]]] = {
    "no moov": no_moov,
    "moov broken": moov_broken,
    "tables broken": tables_broken,
    "truncated": truncated,
    "zeroed middle": zeroed,
    "holes": holes,
    "no head": headless,
}


def broken(original: Path, way: str, path: Path) -> Broken:
    """Write a broken copy."""
    data, gone = WAYS[way](original.read_bytes())
    path.write_bytes(data)
    return Broken(path, tuple(gone))


def x264(name: str, **kept: object) -> Recording:
    """By x264 and FFmpeg's muxer."""
    return Recording(name, "x264", "FFmpeg", **kept)  # type: ignore[arg-type]


def gst(name: str, encoder: str, pipeline: str, **kept: object) -> Recording:
    """By GStreamer."""
    return Recording(name, encoder, "GStreamer", pipeline=pipeline, sound=str(kept.pop("sound", "")), **kept)  # type: ignore[arg-type]


_P: dict[str, str | int] = {"bframes": 0, "keyint": 50}
_B: dict[str, str | int] = {"bframes": 3, "keyint": 50, "b-adapt": 0}
_NTSC = Fraction(30000, 1001)
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+delay_moov+default_base_moof"}
RECORDINGS: tuple[Recording, ...] = (
    x264("ultrafast", preset="ultrafast", params=_P),
    x264("medium, B-pictures", preset="medium", params=_B),
    x264("slow, B-pyramid, MOV with PCM", preset="slow", params=_B, suffix=".mov", sound="pcm_s16le"),
    x264("four slices, 44.1 kHz mono", params=_P | {"slices": 4}, sound_rate=44100, layout="mono"),
    x264("baseline 3GP with AMR", params=_P | {"cabac": 0, "8x8dct": 0, "weightp": 0}, suffix=".3gp", size=(176, 144),
         rate=Fraction(15), sound="libopencore_amrnb", sound_bits=12200, sound_rate=8000, layout="mono"),
    x264("29.97, 360p", params=_B, rate=_NTSC, size=(640, 360)),
    x264("60, no sound", params=_B, rate=Fraction(60), sound=""),
    x264("parameter sets in band", params=_B | {"repeat-headers": 1}),
    x264("10 bit", params=_P, pixel_format="yuv420p10le"),
    x264("fragmented", params=_B, options=_FRAGMENTS),
    x264("open GOP, intra refresh", params=_P | {"intra-refresh": 1}, sound_rate=44100),
    x264("interlaced", params=_B | {"tff": 1}, size=(320, 256)),
    x264("moov in front, 4:2:2", params=_P, pixel_format="yuv422p", options={"movflags": "faststart"}),
    x264("Opus, 29.97", params=_B, rate=_NTSC, sound="libopus"),
    x264("Opus of 60 ms, mono", params=_P, sound="libopus", layout="mono", sound_options={"frame_duration": "60"}),
    x264("MP3, MOV", params=_P, suffix=".mov", sound="libmp3lame", sound_rate=44100),
    Recording("AC-3", "x265", "FFmpeg", "hevc", params=_B, sound="ac3"),
    Recording("hev1, in band", "x265", "FFmpeg", "hevc", params=_B | {"repeat-headers": 1}),
    Recording("hvc1", "x265", "FFmpeg", "hevc", params=_B),
    Recording("medium, fragmented", "x265", "FFmpeg", "hevc", preset="medium", params=_B, options=_FRAGMENTS),
    gst("x264enc, mp4mux", "x264 (GStreamer)",
        "x264enc bframes=2 key-int-max=50 speed-preset=fast | mp4mux", sound="avenc_aac"),
    gst("openh264enc, mp4mux", "openh264", "openh264enc gop-size=50 ! h264parse | mp4mux", sound="voaacenc"),
    gst("x264enc, qtmux, PCM", "x264 (GStreamer)",
        "x264enc bframes=0 key-int-max=50 speed-preset=veryfast | qtmux", suffix=".mov", sound="identity"),
    gst("x264enc, fragmented", "x264 (GStreamer)",
        "x264enc bframes=0 key-int-max=50 speed-preset=fast | mp4mux fragment-duration=1000", sound="avenc_aac"),
    gst("x265enc, mp4mux", "x265 (GStreamer)",
        "x265enc key-int-max=50 speed-preset=fast log-level=none ! h265parse | mp4mux", sound="avenc_aac"),
    gst("openh264enc, qtmux, no sound", "openh264", "openh264enc gop-size=50 ! h264parse | qtmux", suffix=".mov"),
)  # fmt: skip


def packets(path: Path) -> dict[str, list[tuple[int, int, float, float]]]:
    """By "video" and "audio": place, size, seconds when it is shown and when it is decoded, of each packet."""
    found: dict[str, list[tuple[int, int, float, float]]] = {"video": [], "audio": []}
    with av.open(str(path)) as opened:
        for packet in opened.demux():
            kind = packet.stream.type
            if packet.size and kind in found and None not in (packet.pts, packet.dts, packet.pos):
                assert packet.pts is not None and packet.dts is not None and packet.pos is not None
                base = float(packet.time_base)
                found[kind].append((packet.pos, packet.size, packet.pts * base, packet.dts * base))
    return found
