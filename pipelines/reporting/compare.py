"""Before and after, side by side, as a video."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from concealer.bitstream import Codec
from concealer.damage import DamageMap
from pipelines.errors import OutputError, UsageError, one_line
from pipelines.overlay import draw_overlay, write_text
from pipelines.presenting import ShownPicture
from pipelines.reporting.beside import open_plain
from pipelines.reporting.sight import VideoFacts
from pipelines.writing import Draft

_MOST = 960
"""Samples across one picture, which leaves 1920 for both."""
_GAP = 4
"""Samples between them."""
_BEFORE, _AFTER = "before: as FFmpeg shows it", "after"
_OPTIONS = {"preset": "veryfast", "crf": "18"}

Planes = tuple[npt.NDArray[np.uint8], ...]


def check_comparison(target: str) -> None:
    """Raise UsageError if the container cannot hold it."""
    try:
        container = av.open("file:" + target, "w")  # nothing is created before the header is written
    except (av.FFmpegError, ValueError) as error:
        raise UsageError(f"{target}: no container has this suffix: take .mp4 or .mkv") from error
    if "libx264" not in container.supported_codecs and "h264" not in container.supported_codecs:
        raise UsageError(f"{target}: {container.format.name} holds no H.264: take .mp4 or .mkv")


class Comparison:
    """Takes the pictures of one stream as they are shown; the file gets its name when it is complete."""

    def __init__(self, target: str, video: VideoFacts, time_base: Fraction) -> None:
        """Raises OutputError if the file cannot be created."""
        self.stream, self._target = video.index, target
        self._draft = Draft(target)
        self._video, self._time_base = video, time_base
        self._container: OutputContainer | None = None
        self._out: VideoStream | None = None
        self._size = (0, 0)
        self._last: int | None = None
        self._plain: VideoCodecContext | None = None

    def look(self, stream: int, shown: ShownPicture, before: av.VideoFrame | None, time_base: Fraction) -> None:
        """The next picture of a stream, and what a plain decoder shows in its place. Raises OutputError."""
        if stream != self.stream or shown.pts is None:
            return
        picture, frame = shown.picture, shown.picture.frame
        text = _AFTER
        if picture.confidence < 1.0:
            causes = ", ".join(picture.damage.causes)
            text = f"{_AFTER}: {causes + ', ' if causes else ''}confidence {picture.confidence:.2f}"
        self._write(before, frame, shown.pts, picture.damage, picture.outcome is not None, text)

    def copied(self, codec: Codec, header: bytes | None, data: bytes, pts: int | None) -> None:
        """A payload of a stretch in which nothing is damaged, nor changed: both sides show it as it is.

        header: what a decoder is opened with that begins here.
        """
        if self._plain is None:
            self._plain = open_plain(codec, header)
        packet = av.Packet(data)
        packet.pts = pts
        self._show_copied(packet)

    def leave(self) -> None:
        """The stretch of copied payloads is over."""
        if self._plain is not None:
            self._show_copied(None)
            self._plain = None

    def _show_copied(self, packet: av.Packet | None) -> None:
        assert self._plain is not None
        frames: list[av.VideoFrame] = []
        with contextlib.suppress(av.FFmpegError, EOFError):
            frames = self._plain.decode(packet)
        for frame in frames:
            if frame.pts is not None:
                self._write(frame, frame, frame.pts, DamageMap(frame.width, frame.height), False, _AFTER)

    def _write(
        self,
        before: av.VideoFrame | None,
        after: av.VideoFrame,
        pts: int,
        damage: DamageMap,
        repaired: bool,
        text: str,
    ) -> None:
        if self._last is not None and pts <= self._last:
            return
        self._last = pts
        try:
            out, container = self._opened(after)
            width, height = self._size
            whole = av.VideoFrame(2 * width + _GAP, height, "yuv420p")
            scale = after.width / width, after.height / height
            for place, frame in enumerate((before, after)):
                planes = _part(whole, place * (width + _GAP), width)
                _fill(planes, frame)
                draw_overlay(planes, 8, damage, repaired and place == 1, "", scale=scale)
                write_text(planes, 8, text if place else _BEFORE)
            _fill(_part(whole, width, _GAP), None)
            whole.pts, whole.time_base = pts, self._time_base
            container.mux(out.encode(whole))
        except (av.FFmpegError, OSError) as error:
            raise OutputError(f"{self._target}: {one_line(error)}") from error

    def _opened(self, first: av.VideoFrame) -> tuple[VideoStream, OutputContainer]:
        if self._container is None or self._out is None:
            shown = float(first.width * self._video.aspect)
            width = min(shown, _MOST)
            self._size = int(width) // 4 * 4 or 4, int(first.height * width / shown) // 2 * 2 or 2
            self._container = av.open("file:" + self._draft.path, "w")
            self._out = self._container.add_stream("libx264", rate=self._video.rate, options=_OPTIONS)
            self._out.width, self._out.height = 2 * self._size[0] + _GAP, self._size[1]
            self._out.pix_fmt = "yuv420p"
            self._out.codec_context.time_base = self._out.time_base = self._time_base
        return self._out, self._container

    def finish(self) -> bool:
        """Complete the file and give it its name; False: nothing was to be compared, and there is none.

        Raises OutputError.
        """
        try:
            self.leave()
            if self._container is None or self._out is None:
                return False
            self._container.mux(self._out.encode(None))
            self._container.close()
            self._container = None
            self._draft.commit()
        except (av.FFmpegError, OSError) as error:
            raise OutputError(f"{self._target}: {one_line(error)}") from error
        finally:
            self.abort()
        return True

    def abort(self) -> None:
        """Forget the file, if it is not complete."""
        if self._container is not None:
            with contextlib.suppress(av.FFmpegError, OSError):
                self._container.close()
            self._container = None
        self._draft.discard()


def _part(whole: av.VideoFrame, left: int, width: int) -> Planes:
    """Views of some of its columns."""
    return tuple(
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
            :, left >> shift : left + width >> shift
        ]
        for plane, shift in zip(whole.planes, (0, 1, 1), strict=True)
    )


def _fill(planes: Planes, frame: av.VideoFrame | None) -> None:
    """With a picture as large as they are; None: black."""
    if frame is None:
        for plane, value in zip(planes, (16, 128, 128), strict=True):
            plane[:] = value
        return
    height, width = planes[0].shape
    scaled = frame.reformat(width, height, "yuv420p", interpolation="AREA")
    for plane, source in zip(planes, _whole(scaled), strict=True):
        plane[:] = source


def _whole(frame: av.VideoFrame) -> Iterator[npt.NDArray[np.uint8]]:
    for plane in frame.planes:
        yield np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
