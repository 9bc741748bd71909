"""Recovery points: how far a decoder that joined there is from correct pictures."""

from __future__ import annotations

from collections.abc import Iterable

from concealer.bitstream.access_unit import AccessUnit
from concealer.bitstream.bits import BitReader, BitstreamError
from concealer.bitstream.nal import Codec, NalUnit
from concealer.bitstream.sei import sei_messages

_RECOVERY_POINT = 6
"""payloadType (H.264 D.1, HEVC D.2.1)."""
_LONGEST = 600
"""Access units without an intra picture after which all is taken to be refreshed, for encoders that announce nothing:
x265 does not, and does not heal wholly in one round either."""


class Recovery:
    """Follows a stream without intra pictures from where decoding began to the end of a refresh."""

    def __init__(self) -> None:
        self._left: int | None = None
        """Reference pictures still to come until the end that a recovery point announced (H.264)."""
        self._poc: int | None = None
        """PicOrderCnt at its end (HEVC)."""
        self._seen = 0

    def is_complete(self, au: AccessUnit) -> bool:
        """Take in the next access unit in decode order; whether it lacks nothing."""
        self._seen += 1
        if self._left is not None and au.is_reference:
            self._left -= 1
        count = recovery_count(au.codec, au.base_nals)
        if count is not None and self._left is None and self._poc is None:
            if au.codec == "h264":
                self._left = count
            elif au.poc is not None:
                self._poc = au.poc + count
        if self._left is not None or self._poc is not None:
            return (self._left or 0) <= 0 and (self._poc is None or (au.poc is not None and au.poc >= self._poc))
        return self._seen > _LONGEST


def recovery_count(codec: Codec, nals: Iterable[NalUnit]) -> int | None:
    """recovery_frame_cnt (H.264 D.2.8) or recovery_poc_cnt (HEVC D.3.8) of an access unit; None if it has none."""
    for kind, payload in sei_messages(codec, nals):
        if kind == _RECOVERY_POINT:
            reader = BitReader(payload)
            try:
                return reader.ue() if codec == "h264" else reader.se()
            except BitstreamError:
                return None
    return None
