"""What is shown while a live input says nothing: the last good picture or a slate, so that the output never stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import av

from concealer.damage import DamageMap
from concealer.decoder import DecodedPicture
from pipelines.errors import UsageError, one_line

HOLD = "hold"
SILENT_SECONDS = 0.5
"""Without a picture, after which it is an outage."""


def read_slate(name: str) -> av.VideoFrame:
    """The picture in a file. Raises UsageError."""
    try:
        with av.open(name) as container:
            return next(container.decode(video=0))
    except (av.FFmpegError, ValueError, OSError, StopIteration, IndexError) as error:
        raise UsageError(f"{name}: not a picture that can be shown in an outage: {one_line(error)}") from error


class Outage:
    """Decides when pictures are made up for one stream, and which. All times are seconds of one clock."""

    def __init__(self, what: str, interval: float, now: Callable[[], float] = time.monotonic) -> None:
        """what: `HOLD`, or the name of a picture's file. interval: from picture to picture. Raises UsageError."""
        self._slate = None if what == HOLD else read_slate(what)
        self.interval = interval
        self._now = now
        self._last: DecodedPicture | None = None
        self._due = math.inf
        """When the next picture is to be shown."""
        self._lasts = False

    def anew(self) -> Outage:
        """For another stream of the same kind."""
        made = Outage(HOLD, self.interval, self._now)
        made._slate = self._slate
        return made

    def shown(self, picture: DecodedPicture) -> None:
        """A picture of the stream was shown."""
        self._last = picture
        self.goes_on()

    def goes_on(self) -> None:
        """The stream is there, though what it holds may not be fit to be shown yet."""
        self._lasts = False
        self._due = self._now() + self.interval

    @property
    def is_due(self) -> bool:
        """An outage is to be begun now."""
        return not self._lasts and self._now() >= self._due - self.interval + SILENT_SECONDS

    def begin(self) -> DecodedPicture | None:
        """The stream is silent: what is shown from now on."""
        self._lasts = True
        return None if self._last is None else self._instead(self._last)

    def pictures(self) -> Iterator[DecodedPicture]:
        """What is to be shown by now in place of what does not come, without a time."""
        while self._lasts and self._last is not None and self._due <= self._now():
            self._due += self.interval
            yield self._instead(self._last)

    def _instead(self, last: DecodedPicture) -> DecodedPicture:
        frame = last.frame
        if self._slate is not None:
            if (self._slate.width, self._slate.height, self._slate.format.name) != (
                frame.width,
                frame.height,
                frame.format.name,
            ):
                self._slate = self._slate.reformat(frame.width, frame.height, frame.format.name)
            frame = self._slate
        nothing = DamageMap(frame.width, frame.height)
        return replace(last, frame=frame, damage=nothing, outcome=None, pts=None, synthesised=True)
