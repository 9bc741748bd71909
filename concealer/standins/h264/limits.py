"""What an H.264 level allows a stream to weigh (A.3.1, A.3.3, C.1.2)."""

from __future__ import annotations

from concealer.bitstream import h264

# MaxMBPS, MaxBR in 1000 bits/s, MaxCPB in 1000 bits, MinCR by level_idc (Table A-1); 9 and 11 with set3 are level 1b.
_LEVELS = {
    9: (1485, 128, 350, 2), 10: (1485, 64, 175, 2), 11: (3000, 192, 500, 2), 12: (6000, 384, 1000, 2),
    13: (11880, 768, 2000, 2), 20: (11880, 2000, 2000, 2), 21: (19800, 4000, 4000, 2), 22: (20250, 4000, 4000, 2),
    30: (40500, 10000, 10000, 2), 31: (108000, 14000, 14000, 4), 32: (216000, 20000, 20000, 4),
    40: (245760, 20000, 25000, 4), 41: (245760, 50000, 62500, 2), 42: (522240, 50000, 62500, 2),
    50: (589824, 135000, 135000, 2), 51: (983040, 240000, 240000, 2), 52: (2073600, 240000, 240000, 2),
    60: (4177920, 240000, 240000, 2), 61: (8355840, 480000, 480000, 2), 62: (16711680, 800000, 800000, 2),
}  # fmt: skip
_FACTORS = {100: 1250, 110: 3000, 122: 4000, 244: 4000, 44: 4000}
"""cpbBrVclFactor by profile_idc (Table A-2); 1000 for the others."""


def vertical_range(sps: h264.Sps, field_coded: bool) -> int:
    """MaxVmvR in quarter samples: vectors lie within -range..range - 1 up and down; in fields half of it (A.3.1)."""
    level = sps.level_idc
    return (64 if level <= 10 else 128 if level <= 20 else 256 if level <= 30 else 512) * 4 >> field_coded


class BitBudget:
    """A decoder's buffer, filled at the level's rate and emptied picture by picture.

    Full means: pictures came that were larger than the rate allows for, until the buffer could not hold them ahead.
    """

    def __init__(self, seconds: float) -> None:
        """`seconds`: from one access unit to the next in decode order."""
        self._seconds = max(seconds, 1e-3)
        self._debt = 0.0
        """Bits by which the pictures so far ran ahead of the rate."""

    def left(self, sps: h264.Sps, received: int) -> int:
        """Bytes that may be added to an access unit of which `received` bytes are given."""
        mbps, rate, size, ratio = _limits(sps)
        debt = max(0.0, self._debt - rate * self._seconds)
        buffer = (size - debt) / 8
        # A.3.1 i: NumBytesInVclNALunits; its 384 are the bytes of a macroblock in 8-bit 4:2:0.
        picture = 384 * mbps * self._seconds / ratio
        return int(min(buffer, picture)) - received

    def spend(self, sps: h264.Sps, size: int) -> None:
        """An access unit of `size` bytes left."""
        _, rate, _, _ = _limits(sps)
        self._debt = max(0.0, self._debt - rate * self._seconds) + 8 * size


def _limits(sps: h264.Sps) -> tuple[int, int, int, int]:
    """MaxMBPS, bits a second, bits of buffer, MinCR; of level 6.2 where the level is unknown."""
    level = sps.level_idc
    if level == 11 and sps.constraint_flags & 0x10 and sps.profile_idc in (66, 77, 88):
        level = 9
    mbps, rate, size, ratio = _LEVELS.get(level, _LEVELS[62])
    factor = _FACTORS.get(sps.profile_idc, 1000)
    return mbps, rate * factor, size * factor, ratio
