"""Presentation times of RTP packets, steady also for streams with B-pictures."""

from __future__ import annotations

_CLOCK = 90_000
_SECOND = 1_000_000_000
_SHARE = 1 / 1024
"""How fast the sender's clock is followed: at 60 packets a second within about 20 s."""
_JUMP = _SECOND // 2
"""Nanoseconds beyond which the jitter buffer has set its clock anew."""


class RtpTimes:
    """Times by RTP timestamp, following the drift that the jitter buffer found.

    rtpjitterbuffer takes RTP timestamps that go back, as they do where B-pictures are sent in decoding order, for
    jitter: its times of such a stream are off by more than a picture, and not unique. Times differ here exactly as RTP
    timestamps do (RFC 6184 5.1: the sampling instant), but for a slow correction towards the jitter buffer's.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._ticks = self._highest = 0
        self._offset: float | None = None

    def time(self, timestamp: int, pts: int) -> int:
        """Nanoseconds for a packet with this 32-bit RTP timestamp, which the jitter buffer timed `pts`."""
        if self._last is not None:
            self._ticks += ((timestamp - self._last + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        self._last = timestamp
        own = self._ticks * _SECOND // _CLOCK
        if self._offset is None or abs(pts - own - self._offset) > _JUMP:
            self._offset = pts - own
        elif self._ticks > self._highest:
            self._offset += (pts - own - self._offset) * _SHARE
        self._highest = max(self._highest, self._ticks)
        return max(round(self._offset) + own, 0)
