"""Times as people read them, and as SMPTE timecode (SMPTE ST 12-1)."""

from __future__ import annotations

import re
from fractions import Fraction

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)")


def clock(seconds: float) -> str:
    """1:02:03.450, or 2:03.450 within the first hour."""
    thousandths = round(max(seconds, 0.0) * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"
    return f"{hours}:{tail}" if hours else tail.removeprefix("0")


class Timecode:
    """Counts the pictures of a stream."""

    def __init__(self, rate: Fraction, start: str | None = None) -> None:
        """start: timecode of the first picture; None, or what is none: zero."""
        self.rate = rate
        self.base = max(round(rate), 1)
        """Frame numbers in a second."""
        self.drops = rate.denominator == 1001 and self.base % 30 == 0
        """Drop-frame: numbers are left out so that they keep up with the clock."""
        self._first = self._number(start) if start else 0

    def _number(self, text: str) -> int:
        found = _FORM.fullmatch(text.strip())
        if found is None:
            return 0
        hours, minutes, seconds, frames = (int(found[n]) for n in (1, 2, 3, 5))
        total = (hours * 60 + minutes) * 60 * self.base + seconds * self.base + frames
        if self.drops and found[4] != ":":
            passed = hours * 60 + minutes
            total -= self.base // 15 * (passed - passed // 10)
        return total

    def at(self, seconds: float, more: int = 0) -> str:
        """Of the picture shown so many seconds behind the first, or so many pictures behind that."""
        number = self._first + round(max(seconds, 0.0) * self.rate) + more
        if self.drops:
            left_out = self.base // 15
            minute, ten = 60 * self.base - left_out, 600 * self.base - 9 * left_out
            tens, rest = divmod(number, ten)
            number += 9 * left_out * tens
            if rest >= left_out:
                number += left_out * ((rest - left_out) // minute)
        number %= 24 * 3600 * self.base
        seconds_all, frame = divmod(number, self.base)
        minutes_all, second = divmod(seconds_all, 60)
        hour, minute_ = divmod(minutes_all, 60)
        return f"{hour:02}:{minute_:02}:{second:02}{';' if self.drops else ':'}{frame:02}"
