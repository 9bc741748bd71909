"""Pictures on their way from the decoder to where they are shown: each gets its time, and holes in time are filled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from concealer.decoder import Between, DecodedPicture
from pipelines.gaps import Gaps
from pipelines.reading.mending import TimeMender
from pipelines.reading.timing import PictureClock


@dataclass(slots=True)
class ShownPicture:
    """A decoded picture and when it is shown."""

    picture: DecodedPicture
    pts: int | None
    """Ticks of the track's time base, strictly increasing; None for a picture that is not shown: outside the edit list,
    or left out where the stream is joined."""


class Presenter:
    """Pictures of one stream, in output order. Where what follows can be waited for, they wait for it here."""

    def __init__(
        self,
        clock: PictureClock | TimeMender,
        gaps: Gaps | None,
        between: Between,
        made: Callable[[DecodedPicture, DecodedPicture], None],
    ) -> None:
        """gaps: looks for holes in time; None fills none. made: told of every picture made to fill one, and of the
        one behind it."""
        self._clock = clock
        self._gaps = gaps
        self._between = between
        self._made = made
        self._waiting: deque[tuple[DecodedPicture, bool, bool]] = deque()
        """Picture, whether it has its turn in time, whether it is shown."""
        self._last: DecodedPicture | None = None

    @property
    def mended(self) -> int:
        """Pictures whose time was wrong and put right."""
        return self._clock.mended if isinstance(self._clock, TimeMender) else 0

    @property
    def last(self) -> int | None:
        """Time of the latest picture of a live input."""
        return self._clock.last if isinstance(self._clock, PictureClock) else None

    def instead(self, picture: DecodedPicture) -> ShownPicture:
        """A picture that is shown now in place of what does not come of a live input."""
        assert isinstance(self._clock, PictureClock)
        return ShownPicture(picture, self._clock.stamp(None))

    def arrived(self, pts: int | None, dts: int | None) -> None:
        """An access unit went into the decoder."""
        self._clock.arrived(pts, dts)

    def push(self, picture: DecodedPicture, shown: bool, left_out: bool = False) -> Iterator[ShownPicture]:
        """The next picture, and whether it is shown; yields those whose turn it is. left_out: it is not, but its time
        is left free."""
        timed = shown or left_out
        self._waiting.append((picture, timed, shown))
        times = []
        if timed:
            pts = picture.pts
            if isinstance(self._clock, TimeMender):
                times = self._clock.push(pts, not picture.synthesised)
            else:
                times = [self._clock.stamp(pts)]
        return self._release(times)

    def flush(self) -> Iterator[ShownPicture]:
        """The stream ended: those that still wait."""
        return self._release(self._clock.flush() if isinstance(self._clock, TimeMender) else [])

    def _release(self, times: list[int]) -> Iterator[ShownPicture]:
        for time in times:
            yield from self._unshown()
            picture, _, shown = self._waiting.popleft()
            if not shown:
                yield self._passed_over(picture)
                continue
            yield from self._missing_before(picture, time)
            self._last = picture
            yield ShownPicture(picture, time)
        yield from self._unshown()

    def _unshown(self) -> Iterator[ShownPicture]:
        while self._waiting and not self._waiting[0][1]:
            yield self._passed_over(self._waiting.popleft()[0])

    def _passed_over(self, picture: DecodedPicture) -> ShownPicture:
        if self._gaps is not None:
            self._gaps.forget()
        return ShownPicture(picture, None)

    def _missing_before(self, picture: DecodedPicture, time: int) -> Iterator[ShownPicture]:
        if self._gaps is None:
            return
        following = [one for one, _, shown in self._waiting if shown]
        times, frozen = self._gaps.before(picture, time, following)
        if self._last is None:
            return
        made = self._between.make(self._last, picture, times, frozen=frozen)
        for one, pts in zip(made, times, strict=True):
            self._made(one, picture)
            yield ShownPicture(one, pts)
