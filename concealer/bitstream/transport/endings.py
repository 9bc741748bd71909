"""Where PES packets end, seen before the next one begins.

Video PES packets seldom tell their length (ISO/IEC 13818-1 2.4.3.7 lets it be 0). But their last transport packet must
be filled up, with stuffing in its adaptation field (2.4.3.5), and most multiplexers stuff nowhere else.
"""

from __future__ import annotations

from concealer.bitstream.nal import Codec

_TOLD_OFTEN = 8
_DISTRUST = -1000
_FIRST = {"h264": (6, 7, 8, 9), "hevc": (32, 33, 34, 35, 39)}
"""nal_unit_type of what comes before the first slice of an access unit."""


class Endings:
    """Learns of one PID whether stuffing tells the end."""

    def __init__(self) -> None:
        self._told = 0
        """PES packets in a row whose last packet, and no other, was filled up."""
        self._packets: list[bool] = []
        self._seen_early = False

    def packet(self, stuffed: bool) -> bool:
        """A packet of the PES packet at hand came; whether it is the last one."""
        self._packets.append(stuffed)
        self._seen_early = stuffed and self._told >= _TOLD_OFTEN
        return self._seen_early

    def went_on(self) -> None:
        """A PES packet that was taken for ended was not."""
        self._told = _DISTRUST

    def began(self, whole: bool) -> None:
        """The next PES packet begins. whole: nothing was lost of the one at hand."""
        if whole and self._packets and not self._seen_early:
            *before, last = self._packets
            # One that fits exactly is not filled up at all, and says nothing.
            if any(before) or (not last and self._told < _TOLD_OFTEN):
                self._told = min(self._told, 0)
            elif last:
                self._told += 1
        self._packets, self._seen_early = [], False


def is_stuffed(packet: bytes) -> bool:
    """Whether a transport packet's adaptation field holds bytes that only fill it up."""
    if not packet[3] & 0x20:
        return False
    length = packet[4]
    if length == 0:
        return True
    flags, used = packet[5], 1
    used += 6 * bool(flags & 0x10) + 6 * bool(flags & 0x08) + bool(flags & 0x04)
    for present in (flags & 0x02, flags & 0x01):  # private data, extension: each with its length
        if present:
            used += 1 + (packet[5 + used] if 5 + used < len(packet) else 0)
    return used < length


def begins_access_unit(payload: bytes, codec: Codec) -> bool:
    """Whether an Annex B payload begins with the first NAL unit of an access unit."""
    start = payload.find(b"\x00\x00\x01", 0, 4)
    nal = payload[start + 3 : start + 6]
    if start < 0 or len(nal) < 3:
        return False
    if codec == "h264":
        kind = nal[0] & 31
        return kind in _FIRST[codec] or (kind in (1, 2, 5) and bool(nal[1] & 0x80))
    kind = nal[0] >> 1 & 63
    return kind in _FIRST[codec] or (kind < 32 and bool(nal[2] & 0x80))
