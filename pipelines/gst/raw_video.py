"""Decoded frames as GStreamer raw video: caps and buffers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from concealer.decoder.hook import HookUnavailableError
from concealer.picture import Plane
from pipelines.gst.bindings import Gst, GstVideo
from pipelines.gst.frame_memory import FrameMemory

log = logging.getLogger(__name__)

_SUBSAMPLINGS = (("420", "I420"), ("422", "Y42B"), ("444", "Y444"))


def _formats() -> dict[str, tuple[str, int]]:
    table = {"gray": ("GRAY8", 8), "gray16le": ("GRAY16_LE", 16), "gbrp": ("GBR", 8)}
    table |= {f"gbrp{depth}le": (f"GBR_{depth}LE", depth) for depth in (10, 12)}
    for chroma, name in _SUBSAMPLINGS:
        table[f"yuv{chroma}p"] = table[f"yuvj{chroma}p"] = (name, 8)
        deep = {"I420": "I420", "Y42B": "I422", "Y444": "Y444"}[name]
        table |= {f"yuv{chroma}p{depth}le": (f"{deep}_{depth}LE", depth) for depth in (10, 12)}
    return table


FORMATS = _formats()
"""libav's pixel format: GStreamer's with the same samples, and bits per sample."""

CAPS = Gst.Caps.from_string(
    "video/x-raw, format=(string){ "
    + ", ".join(dict.fromkeys(name for name, _ in FORMATS.values()))
    + " }, width=(int)[ 1, max ], height=(int)[ 1, max ], framerate=(fraction)[ 0/1, max ]"
)


def with_known_format(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame itself, or converted to a format GStreamer has: more bits rather than fewer."""
    if frame.format.name in FORMATS:
        return frame
    depth = max(component.bits for component in frame.format.components)
    if len(frame.format.components) == 1:
        return frame.reformat(format="gray16le")
    return frame.reformat(format="yuv444p12le" if depth > 8 else "yuv444p")


@dataclass(frozen=True)
class KeptCaps:
    """What the output's caps take from the input's."""

    framerate: Fraction | None = None
    aspect: Fraction | None = None
    colorimetry: str | None = None
    chroma_site: str | None = None
    size: tuple[int, int] | None = None
    """Width and height, for a stream that begins with a gap."""
    bottom_first: bool = False
    others: tuple[tuple[str, str], ...] = ()
    """Field name and string value of what is passed on as it is."""

    @classmethod
    def of(cls, caps: Gst.Caps) -> KeptCaps:
        """From caps of H.264 or HEVC video."""
        structure = caps.get_structure(0)

        def fraction(name: str) -> Fraction | None:
            found, top, bottom = structure.get_fraction(name)
            return Fraction(top, bottom) if found and bottom else None

        names = ("mastering-display-info", "content-light-level", "multiview-mode")
        others = tuple((name, structure.get_string(name)) for name in names if structure.get_string(name))
        sides = [structure.get_int(name) for name in ("width", "height")]
        return cls(
            fraction("framerate"),
            fraction("pixel-aspect-ratio"),
            structure.get_string("colorimetry"),
            structure.get_string("chroma-site"),
            (sides[0][1], sides[1][1]) if all(found for found, _ in sides) else None,
            structure.get_string("field-order") == "bottom-field-first",
            others,
        )


class BufferMaker:
    """Makes caps and buffers for frames of one size and format after the other."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._info: GstVideo.VideoInfo | None = None
        self._places: list[tuple[int, int, int, int]] = []
        """Of each plane in the buffer: offset, stride, bytes a row, rows."""
        self._memory: FrameMemory | None = None
        self._interlaced = False
        self.caps: Gst.Caps | None = None
        self.bit_depth = 8
        self.rgb = False

    def adapt(
        self,
        frame: av.VideoFrame,
        kept: KeptCaps,
        aspect: Fraction | None,
        coded_rate: Fraction | None = None,
        *,
        is_mixed: bool = False,
    ) -> bool:
        """Caps for `frame`; True if they differ from those before.

        aspect, coded_rate: of the bitstream, for caps that say none. is_mixed: flags tell of its fields.
        """
        # A stream that had an interlaced picture may have more: caps that change with every picture help nobody.
        self._interlaced |= frame.interlaced_frame or is_mixed
        colours = (frame.color_range, frame.colorspace, frame.color_trc, frame.color_primaries)
        key = (frame.width, frame.height, frame.format.name, self._interlaced, *map(int, colours), kept, aspect)
        key += (coded_rate,)
        if key == self._key:
            return False
        self._key = key
        name, self.bit_depth = FORMATS[frame.format.name]
        self.rgb = name.startswith("GBR")
        rate = kept.framerate or coded_rate or Fraction(0)
        shape = kept.aspect or aspect or Fraction(1)
        text = (
            f"video/x-raw, format={name}, width={frame.width}, height={frame.height}, "
            f"framerate={rate.numerator}/{rate.denominator}, "
            f"pixel-aspect-ratio={shape.numerator}/{shape.denominator}, "
            f"interlace-mode={'mixed' if self._interlaced else 'progressive'}"
        )
        caps = Gst.Caps.from_string(text)
        colorimetry = kept.colorimetry or _colorimetry(frame, self.rgb)
        if colorimetry:
            caps.set_value("colorimetry", colorimetry)
        if kept.chroma_site:
            caps.set_value("chroma-site", kept.chroma_site)
        for field, value in kept.others:
            caps.set_value(field, value)
        changed = self.caps is None or not caps.is_equal(self.caps)
        self.caps = caps
        self._info = info = GstVideo.VideoInfo.new_from_caps(caps)
        itemsize = 1 if self.bit_depth == 8 else 2
        self._places = [
            (offset, stride, plane.width * itemsize, plane.height)
            for offset, stride, plane in zip(info.offset, info.stride, frame.planes, strict=False)
        ]
        return changed

    def share_memory(self, allowed: bool) -> None:
        """Whether buffers may be the decoder's own memory, with strides of its own (GstVideoMeta)."""
        self._memory = None
        if allowed:
            try:
                self._memory = FrameMemory()
            except HookUnavailableError as error:
                log.info("pictures are copied: %s", error)

    def buffer(self, frame: av.VideoFrame, draw: Callable[[Sequence[Plane]], None] | None = None) -> Gst.Buffer:
        """A new buffer with the frame's samples; `draw` may change them, given views (rows, cols) of the planes."""
        info = self._info
        assert info is not None
        if self._memory is not None and draw is None:
            shared = self._memory.wrap(frame, info.finfo.format)
            if shared is not None:
                return shared
        buffer = Gst.Buffer.new_allocate(None, info.size, None)
        mapped, memory = buffer.map(Gst.MapFlags.WRITE)
        if not mapped:
            raise MemoryError(f"buffer of {info.size} bytes cannot be mapped")
        views = []
        raw = np.frombuffer(memory.data, np.uint8)
        for plane, (offset, stride, width, height) in zip(frame.planes, self._places, strict=False):
            target = raw[offset : offset + stride * height].reshape(height, stride)[:, :width]
            source = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
            line = plane.line_size
            target[:] = source[: line * height].reshape(height, line)[:, :width]
            views.append(target)
        if draw is not None:
            draw([view if self.bit_depth == 8 else view.view(np.uint16) for view in views])
        del views, raw, target
        buffer.unmap(memory)
        return buffer


def _colorimetry(frame: av.VideoFrame, rgb: bool) -> str | None:
    """GStreamer's words for the frame's colour description (ISO/IEC 23001-8 code points); None if it has none."""
    codes = int(frame.color_range), int(frame.colorspace), int(frame.color_trc), int(frame.color_primaries)
    full, matrix, transfer, primaries = codes
    if matrix == 2 and transfer == 2 and primaries == 2 and full == 0 and not frame.format.name.startswith("yuvj"):
        return None
    value = GstVideo.VideoColorimetry()
    is_full = full == 2 or rgb or frame.format.name.startswith("yuvj")
    value.range = GstVideo.VideoColorRange(1 if is_full else 2)
    value.matrix = GstVideo.video_color_matrix_from_iso(matrix)
    value.transfer = GstVideo.video_transfer_function_from_iso(transfer)
    value.primaries = GstVideo.video_color_primaries_from_iso(primaries)
    text: str | None = value.to_string()
    return text
