"""What a player without us shows of the same stream, picture by picture."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator

import av
from av.video.codeccontext import VideoCodecContext

from concealer.bitstream import Codec
from pipelines.presenting import ShownPicture

_PATIENCE = 20
"""Payloads behind a picture's own after which a decoder that has not put it out never will: it may hold back 16."""
_MOST_HELD = 64

Pair = tuple[ShownPicture, av.VideoFrame | None]
"""A picture as it is shown, and what the plain decoder shows at that moment; None: nothing yet."""


def open_plain(codec: Codec, extradata: bytes | None) -> VideoCodecContext:
    """A plain decoder, set as FFmpeg's own player sets it."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = extradata
    context.thread_count = 1
    context.options = {"flags": "+output_corrupt"}
    return context


class Beside:
    """A plain decoder that is fed what ours is fed."""

    def __init__(self, codec: Codec, extradata: bytes | None) -> None:
        self._codec = codec
        self._header = extradata
        self._context = open_plain(self._codec, extradata)
        self._fed = -1
        self._frames: dict[int, av.VideoFrame] = {}
        """By number of their payload, in the order in which they came."""
        self._waiting: deque[ShownPicture] = deque()
        self._last: av.VideoFrame | None = None
        self._ended = False

    def push(self, number: int, data: bytes, extradata: bytes | None) -> None:
        """A payload and its number; extradata: new parameter sets of the container's form."""
        if extradata is not None or self._ended:
            if not self._ended:
                self._take(None)
            self._header = self._header if extradata is None else extradata
            self._context = open_plain(self._codec, self._header)
            self._ended = False
        self._fed = number
        packet = av.Packet(data)
        packet.pts = number
        self._take(packet)

    def flush(self) -> None:
        """The stream ended, or paused: what comes then begins anew."""
        self._take(None)
        self._ended = True

    def _take(self, packet: av.Packet | None) -> None:
        frames: Iterable[av.VideoFrame] = ()
        with contextlib.suppress(av.FFmpegError, EOFError):
            frames = self._context.decode(packet)
        for frame in frames:
            if frame.pts is not None:
                self._frames[frame.pts] = frame
        while len(self._frames) > _MOST_HELD:  # nobody asks for them: ours shows no picture there
            self._last = self._frames.pop(next(iter(self._frames)))

    def expect(self, shown: ShownPicture) -> None:
        """A picture that is shown, in order."""
        self._waiting.append(shown)

    def ready(self) -> Iterator[Pair]:
        """The pictures that were expected and whose counterpart is known."""
        while self._waiting:
            number = self._waiting[0].picture.tag
            if number is not None and number in self._frames:
                for earlier in [*self._frames]:
                    self._last = self._frames.pop(earlier)
                    if earlier == number:
                        break
            elif number is not None and not self._ended and self._fed < number + _PATIENCE:
                return
            yield self._waiting.popleft(), self._last
