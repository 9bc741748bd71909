"""Packets of silence for copied sound, while a live input says nothing."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipelines.outage import SILENT_SECONDS
from pipelines.reading import codec_name

log = logging.getLogger(__name__)

_ENCODERS = {"aac": "aac", "mp2": "mp2", "mp3": "libmp3lame", "ac3": "ac3", "eac3": "eac3", "opus": "libopus"}
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""By sampling_frequency_index (ISO/IEC 14496-3 Table 1.18)."""
_FEW = 8
"""Frames that an encoder may take to give one packet of pure silence."""


class Silences:
    """Watches the sound streams of an input, and fills what is missing of them."""

    def __init__(self, container: InputContainer) -> None:
        self._streams = {stream.index: _Silence(stream) for stream in container.streams.audio}

    def passed(self, packet: av.Packet) -> bool:
        """A packet came; False if its time was filled already."""
        stream = self._streams.get(packet.stream_index)
        return stream is None or stream.passed(packet)

    def due(self) -> Iterator[av.Packet]:
        """Packets that are missing by now."""
        for stream in self._streams.values():
            yield from stream.due()


class _Silence:
    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        self._last: av.Packet | None = None
        self._end: Fraction | None = None
        """Seconds of the stream up to which there is sound."""
        self._came = 0.0
        self._filled_to = 0.0
        self._sample: tuple[bytes, Fraction] | None = None
        self._given_up = False

    def passed(self, packet: av.Packet) -> bool:
        if packet.pts is None or not packet.time_base:
            return True
        start = packet.pts * packet.time_base
        if self._end is not None and self._filled_to and start < self._end:
            return False
        self._last, self._filled_to = packet, 0.0
        self._came = time.monotonic()
        self._end = start + (packet.duration or 0) * packet.time_base
        return True

    def due(self) -> Iterator[av.Packet]:
        now = time.monotonic()
        if self._last is None or self._end is None or now < self._came + SILENT_SECONDS:
            return
        made = self._packet()
        if made is None:
            return
        data, seconds = made
        self._filled_to = self._filled_to or self._came
        while self._filled_to < now:
            packet = av.Packet(data)
            packet.stream, packet.time_base = self._stream, self._last.time_base
            ticks = round(self._end / self._last.time_base)
            packet.pts = packet.dts = ticks
            packet.duration = round(seconds / self._last.time_base)
            self._end += seconds
            self._filled_to += float(seconds)
            yield packet

    def _packet(self) -> tuple[bytes, Fraction] | None:
        """A packet of silence as the stream's own packets are, and the seconds it lasts."""
        if self._sample is None and not self._given_up:
            with contextlib.suppress(av.FFmpegError, ValueError, OSError):
                self._sample = self._encoded()
            if self._sample is None:
                self._given_up = True
                log.warning("stream #%d: no silence in %s: nothing is heard", self._stream.index, self._name)
        return self._sample

    @property
    def _name(self) -> str:
        return codec_name(self._stream)

    def _encoded(self) -> tuple[bytes, Fraction] | None:
        context = self._stream.codec_context
        if self._name not in _ENCODERS:
            return None
        encoder = cast(AudioCodecContext, av.CodecContext.create(_ENCODERS[self._name], "w"))
        encoder.sample_rate, encoder.layout = context.sample_rate, context.layout
        assert encoder.codec.audio_formats is not None
        encoder.format = encoder.codec.audio_formats[0]
        encoder.time_base = Fraction(1, context.sample_rate)
        if context.bit_rate:
            encoder.bit_rate = context.bit_rate
        encoder.open()
        size = encoder.frame_size or 1024
        shape = (
            (context.layout.nb_channels, size) if encoder.format.is_planar else (1, size * context.layout.nb_channels)
        )
        kind = np.dtype({"s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}[encoder.format.name.rstrip("p")])
        data = b""
        for number in range(_FEW):
            frame = av.AudioFrame.from_ndarray(np.zeros(shape, kind), encoder.format.name, context.layout.name)
            frame.sample_rate, frame.pts = context.sample_rate, number * size
            data = next((bytes(packet) for packet in encoder.encode(frame) if packet.size), data)
        if not data:
            return None
        assert self._last is not None
        if self._name == "aac" and bytes(self._last)[:1] == b"\xff":
            data = _adts(len(data), context.sample_rate, context.layout.nb_channels) + data
        return data, Fraction(size, context.sample_rate)


def _adts(size: int, rate: int, channels: int) -> bytes:
    """Header of an AAC-LC frame of `size` bytes (ISO/IEC 13818-7 6.2). Raises ValueError for a rate it cannot say."""
    index, whole = _RATES.index(rate), size + 7
    return bytes(
        (
            0xFF,
            0xF1,
            1 << 6 | index << 2 | channels >> 2,
            (channels & 3) << 6 | whole >> 11,
            whole >> 3 & 0xFF,
            (whole & 7) << 5 | 0x1F,
            0xFC,
        )
    )
