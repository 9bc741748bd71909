"""One encoder for one video stream, set up from its container's parameters and its first picture."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from pipelines.errors import OutputError, UsageError, one_line
from pipelines.reading import codec_tag
from pipelines.writing.fitting import Fitting
from pipelines.writing.hdr import content_light, display_matrix, mastering_display
from pipelines.writing.output_file import MOV_FAMILY
from pipelines.writing.time_bases import stream_time_base
from pipelines.writing.x264 import x264_simd

log = logging.getLogger(__name__)

ENCODER_OF = {"h264": "libx264", "hevc": "libx265"}
DEFAULT_CRF = {
    "libx264": 14,
    "libx265": 16,
    "libsvtav1": 14,
    "libvpx-vp9": 14,
    "h264_nvenc": 16,
    "hevc_nvenc": 16,
}
"""Visually lossless: repaired pictures are a second generation and should not show it."""
DEFAULT_PRESET = {"libx264": "medium", "libx265": "fast"}
"""At a fixed quality a slower preset saves bits only; x265's medium costs twice the time of fast."""
_LOOKAHEAD = "20"
"""Pictures; half of x264's own, which at 1080p saves 100 MB and at constant quality costs next to nothing."""
_UNSPECIFIED = 2
"""The value that says "not known" in the colour code points of ITU-T H.273."""
_PROGRESSIVE = 1
"""AV_FIELD_PROGRESSIVE; the greater values are orders of fields, 0 is "not known"."""
_FLAG_INTERLACED = av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
_CARRIED = (
    "width", "height", "pix_fmt", "framerate", "sample_aspect_ratio",
    "color_range", "color_primaries", "color_trc", "colorspace",
)  # fmt: skip
_MOV_TAGS = {"avc1", "avc3", "hvc1", "hev1"}


@dataclass(frozen=True)
class EncoderSettings:
    """What to encode with."""

    name: str | None = None
    """FFmpeg's name of the encoder, e.g. "ffv1"; None = the input's own codec (libx264, libx265)."""
    crf: float | None = None
    """Constant quality in the encoder's own scale, 0 = best; None = `DEFAULT_CRF`."""
    preset: str | None = None
    """The encoder's own preset name; None = `DEFAULT_PRESET`."""

    def encoder(self, codec: str) -> str:
        """Name of the encoder for a stream of `codec`, "h264" or "hevc"."""
        return self.name or ENCODER_OF[codec]

    def check(self) -> None:
        """Raise UsageError if there is no such encoder, or it has no such setting."""
        if self.name is None:
            return
        try:
            codec = av.Codec(self.name, "w")
        except ValueError as error:
            raise UsageError(f"no encoder named {self.name!r} in this FFmpeg") from error
        if codec.type != "video":
            raise UsageError(f"{self.name} is not a video encoder")
        known = _option_names(self.name)
        if self.crf is not None and not known & {"crf", "cq"}:
            raise UsageError(f"{self.name} has no constant quality: leave out --crf")
        if self.preset is not None and "preset" not in known:
            raise UsageError(f"{self.name} has no presets: leave out --preset")


def _option_names(encoder: str) -> set[str]:
    return {option.name for option in av.CodecContext.create(encoder, "w").supported_options.private}


class PictureEncoder:
    """Encodes the pictures of one stream. All pictures leave in the size and format of the first."""

    def __init__(
        self,
        settings: EncoderSettings,
        stream: VideoStream,
        first: av.VideoFrame,
        container: OutputContainer,
        *,
        time_base: Fraction,
        rate: Fraction,
        sample: av.VideoFrame | None = None,
        chroma_location: int | None = None,
        further: Mapping[str, object] | None = None,
        one_thread: bool = False,
    ) -> None:
        """Add a video stream to `container`, whose header must not be written yet.

        `stream` is the input's, `first` the first picture to encode, `sample` one with the container's side
        data, `further` more of x264's or x265's own parameters. `one_thread` makes x264's output the same with
        any number of cores. Raises OutputError if the encoder cannot be opened or the container cannot hold its codec.
        """
        source_codec = stream.codec_context.codec.canonical_name
        self.name = settings.encoder(source_codec)
        codec = av.Codec(self.name, "w")
        self._index = stream.index
        self._sample = sample
        self._size = (first.width, first.height)
        self._format = _choose_format(codec, first.format)
        self._fitting = Fitting(*self._size, self._format)
        self._told: set[str] = set()
        same_codec = codec.canonical_name == source_codec
        try:
            if same_codec:
                # Two steps, as only a template brings along the side data of the input stream.
                self.stream = container.add_stream_from_template(stream, opaque=True)
                self.context = cast(VideoCodecContext, av.CodecContext.create(self.name, "w"))
            else:
                self.stream = cast(VideoStream, container.add_stream(self.name, rate=rate))
                self.context = self.stream.codec_context
        except ValueError as error:
            raise cannot_hold(container.format.name, self.name) from error
        self._configure(stream, first, container, time_base, rate)
        if one_thread and self.name == "libx264":
            self.context.thread_count = 1
        self.context.options = self._options(settings, first, chroma_location, further or {})
        try:
            self.context.open()
        except (av.FFmpegError, ValueError) as error:
            raise OutputError(f"cannot encode {self._format} with {self.name}: {one_line(error)}") from error
        self.stream.time_base = stream_time_base(container.format.name, stream) or time_base
        if same_codec:
            self._describe_copy(stream, container)
        elif sample is not None:
            self.stream.set_display_matrix(display_matrix(sample))

    def _configure(
        self,
        stream: VideoStream,
        first: av.VideoFrame,
        container: OutputContainer,
        time_base: Fraction,
        rate: Fraction,
    ) -> None:
        context = self.context
        context.width, context.height, context.pix_fmt = *self._size, self._format
        context.time_base, context.framerate = time_base, rate
        if stream.sample_aspect_ratio:
            context.sample_aspect_ratio = stream.sample_aspect_ratio
        held = stream.codec_context
        context.color_range = held.color_range or first.color_range
        context.color_primaries = _specified(held.color_primaries, first.color_primaries)
        context.color_trc = _specified(held.color_trc, first.color_trc)
        context.colorspace = _specified(held.colorspace, first.colorspace)
        if has_flag(container.format, av.format.Flags.global_header):
            context.flags |= av.codec.context.Flags.global_header
        if first.interlaced_frame or held.field_order > _PROGRESSIVE:  # the first may be the only progressive one
            context.flags |= _FLAG_INTERLACED
            context.field_order = held.field_order
        # x264 holds a picture and more for each thread: memory must not follow the number of cores.
        context.thread_count = min(8, os.cpu_count() or 1) if self.name == "libx264" else 0
        # Left to itself PyAV asks x264 for slice threads, which cost quality.
        context.thread_type = "FRAME" if self.name in DEFAULT_PRESET else "AUTO"

    def _describe_copy(self, stream: VideoStream, container: OutputContainer) -> None:
        """Replace in the stream made from the input's what the encoder decides."""
        target = self.stream.codec_context
        target.extradata = self.context.extradata
        target.bit_rate = 0
        for name in _CARRIED:
            value = getattr(self.context, name)
            if value is not None:
                setattr(target, name, value)
        tag = output_tag(stream, container)
        if tag is not None:
            target.codec_tag = tag

    def _options(
        self,
        settings: EncoderSettings,
        first: av.VideoFrame,
        chroma_location: int | None,
        further: Mapping[str, object],
    ) -> dict[str, str]:
        known = _option_names(self.name)
        options: dict[str, str] = {}
        crf = settings.crf if settings.crf is not None else DEFAULT_CRF.get(self.name)
        if crf is not None:
            options |= {"crf": f"{crf:g}"} if "crf" in known else {"rc": "vbr", "cq": f"{crf:g}"}
        preset = settings.preset or DEFAULT_PRESET.get(self.name)
        if preset is not None:
            options["preset"] = preset
        if self.name == "libx264" and settings.preset is None:
            options["rc-lookahead"] = _LOOKAHEAD
        mastering, light = mastering_display(first), content_light(first)
        if self._sample is not None:
            mastering = mastering or mastering_display(self._sample)
            light = light or content_light(self._sample)
        location = {"chromaloc": chroma_location} if chroma_location is not None else {}
        if self.name == "libx264":
            params = {**location, "mastering-display": mastering, "cll": light, "asm": x264_simd(), **further}
            options["x264-params"] = _join(params)
        elif self.name == "libx265":
            params = {"log-level": "none", **location, "master-display": mastering, "max-cll": light, **further}
            options["x265-params"] = _join(params)
        elif mastering or light:
            log.warning("%s cannot carry the HDR mastering metadata of this stream", self.name)
        if self.name == "ffv1":
            options |= {"level": "3", "slices": "4", "slicecrc": "1"}
        return {key: value for key, value in options.items() if value}

    def encode(self, frame: av.VideoFrame, pts: int, duration: int | None) -> list[av.Packet]:
        """Encode one picture shown at `pts` for `duration` ticks of the time base; its samples stay as they are."""
        fitted = self._fit(frame)
        fitted.pts, fitted.time_base = pts, self.context.time_base
        fitted.duration = duration or 0
        fitted.pict_type = 0
        return self._timed(self.context.encode(fitted))

    def flush(self) -> list[av.Packet]:
        """The packets still inside the encoder."""
        return self._timed(self.context.encode(None))

    def _timed(self, packets: list[av.Packet]) -> list[av.Packet]:
        for packet in packets:
            packet.time_base = self.context.time_base
            packet.stream = self.stream
        return packets

    def _fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        if (frame.width, frame.height) != self._size:
            self._tell(
                f"the picture size changes from {self._size[0]}x{self._size[1]} "
                f"to {frame.width}x{frame.height}: fitted into the first, in its own shape"
            )
            return self._fitting.fit(frame)
        if frame.format.name == self._format:
            return frame
        if frame.format.name.replace("yuvj", "yuv") == self._format:
            return _relabel(frame, self._format)
        self._tell(f"{self.name} takes no {frame.format.name}: converted to {self._format}")
        return frame.reformat(format=self._format)

    def _tell(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            log.warning("stream #%d: %s", self._index, message)


def cannot_hold(container_format: str, encoder: str) -> OutputError:
    """The error for a codec that a container has no place for."""
    codec = av.Codec(encoder, "w").canonical_name
    return OutputError(f"{container_format} cannot hold {codec} video: choose another container")


def has_flag(container_format: av.ContainerFormat, flag: av.format.Flags) -> bool:
    """Whether a container format has one of libavformat's AVFMT_ flags."""
    return bool(av.format.Flags(container_format.flags) & flag)


def _join(params: Mapping[str, object]) -> str:
    return ":".join(f"{key}={value}" for key, value in params.items() if value is not None)


def _specified(container: int, bitstream: int) -> int:
    return bitstream if container == _UNSPECIFIED else container


def _choose_format(codec: av.Codec, wanted: VideoFormat) -> str:
    """The pixel format to encode: the picture's own if the encoder takes it, else that which loses least."""
    offered = [known.name for known in codec.video_formats or []]
    if not offered or wanted.name in offered:
        return wanted.name
    plain = wanted.name.replace("yuvj", "yuv")
    if plain in offered:
        return plain
    best, _ = av.codec.codec.find_best_pix_fmt_of_list(offered, wanted.name)
    return best.name if best is not None else offered[0]


def _relabel(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The same samples under another format name: yuvj420p is yuv420p with its full range told elsewhere."""
    copy = av.VideoFrame(frame.width, frame.height, name)
    for source, target in zip(frame.planes, copy.planes, strict=True):
        rows = np.frombuffer(source, np.uint8)[: source.height * source.line_size]  # type: ignore[call-overload]
        out = np.frombuffer(target, np.uint8)[: target.height * target.line_size]  # type: ignore[call-overload]
        width = min(source.line_size, target.line_size)
        out.reshape(target.height, -1)[:, :width] = rows.reshape(source.height, -1)[:, :width]
    copy.color_range = frame.color_range
    return copy


def output_tag(stream: VideoStream, container: OutputContainer) -> str | None:
    """Sample entry for the MP4 family: the input's own, else hvc1 for HEVC, which Apple's players need."""
    if container.format.name not in MOV_FAMILY:
        return None
    tag = codec_tag(stream)
    if tag in _MOV_TAGS:
        return tag
    return "hvc1" if stream.codec_context.codec.canonical_name == "hevc" else None
