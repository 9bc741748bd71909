"""Pictures of one stream counted in output order, and the stretches of time in which they are damaged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.checking.verdict import StreamCheck, Stretch

_APART = 1.0
"""Seconds without damage that part one stretch from the next."""
_PAUSE = 1.0
"""Seconds without a picture that are told."""


@dataclass(slots=True)
class Hurt:
    """What is wrong with a picture."""

    lost: int = 0
    """16x16 blocks that are not there."""
    broken: int = 0
    """16x16 blocks that are corrupt."""
    tainted: int = 0
    """16x16 blocks predicted from those."""
    whole: bool = False
    """Nothing of the picture is there."""
    causes: Iterable[str] = ()


class Tally:
    """Counts one stream."""

    def __init__(self, codec: str, interval: float) -> None:
        """interval: seconds from one picture to the next where times do not tell."""
        self.check = StreamCheck(codec)
        self.start: float | None = None
        """Time of the first picture, in seconds."""
        self._interval = interval
        self._last: float | None = None
        self._open: list[float] | None = None
        """[start, end, pictures] of the stretch at hand."""

    def add(self, time: float | None, blocks: int, hurt: Hurt | None = None) -> None:
        """The next picture; time: in seconds, None where it has none of its own. blocks: all of it, 16x16 each."""
        last = self._last
        if time is None:
            time = 0.0 if last is None else last + self._interval
        if self.start is None:
            self.start = time
        if last is not None:
            step = time - last
            if step > _PAUSE + self._interval:
                self.check.pauses.append(Stretch(self._since(last + self._interval), self._since(time), 0))
            elif step > 0:
                self._interval = step
            else:
                time = last
        self._last = time
        check = self.check
        check.pictures += 1
        check.blocks += blocks
        if hurt is not None:
            self._hurt(time, hurt)

    def _hurt(self, time: float, hurt: Hurt) -> None:
        check = self.check
        hole = bool(hurt.whole or hurt.lost or hurt.broken)
        check.damaged += hole
        check.lost += hurt.whole
        check.tainted += not hole
        check.lost_blocks += hurt.lost
        check.broken_blocks += hurt.broken
        check.tainted_blocks += hurt.tainted
        for cause in hurt.causes if hole else ():
            check.causes[cause] = check.causes.get(cause, 0) + 1
        end = time + self._interval
        if self._open is not None and time - self._open[1] <= _APART:
            self._open[1], self._open[2] = max(end, self._open[1]), self._open[2] + 1
            return
        self._close()
        self._open = [time, end, 1]

    def finish(self, start: float | None = None) -> StreamCheck:
        """The stream ended; what was counted. start: the time of the file's first picture; None: of this stream's."""
        self._close()
        check = self.check
        if self.start is not None and self._last is not None:
            check.seconds = round(self._last + self._interval - self.start, 3)
            shift = 0.0 if start is None else self.start - start
            check.stretches = [_moved(one, shift) for one in check.stretches]
            check.pauses = [_moved(one, shift) for one in check.pauses]
        return check

    def _close(self) -> None:
        if self._open is not None:
            start, end, pictures = self._open
            self.check.stretches.append(Stretch(self._since(start), self._since(end), int(pictures)))
            self._open = None

    def _since(self, time: float) -> float:
        assert self.start is not None
        return time - self.start


def _moved(one: Stretch, shift: float) -> Stretch:
    return Stretch(round(one.start + shift, 3), round(one.end + shift, 3), one.pictures)
