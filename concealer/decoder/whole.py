"""Access units of which nothing is known to be missing: most of them, so what they cost counts."""

from __future__ import annotations

from concealer.bitstream import AccessUnit, h264, hevc
from concealer.damage import BLOCK
from concealer.decoder.fields import is_interlaced
from concealer.decoder.hook import Buffer, Decoded, Ends

_TELLING = 4
"""Luma rows of a block above the one that the sentinel writes to: without it, a block is told by the one above it."""


def arrived_whole(au: AccessUnit) -> bool:
    """Whether a progressive access unit came as it was sent, by all that is known before it is decoded, and what its
    slices cover goes without saying."""
    if au.interlaced != "progressive" or au.gap_after or au.rasl_skipped or not au.slices:
        return False
    for slice_ in au.slices:
        if slice_.header is None or slice_.nal.damaged_at is not None:
            return False
    if isinstance(au.pps, hevc.Pps) and au.pps.tiles:
        return False
    return au.coverage.is_intact and au.base_nals is au.nals and not is_interlaced(au)


def is_whole(decoded: Decoded, au: AccessUnit) -> bool:
    """Whether the decoder found nothing wrong with an access unit that arrived whole."""
    buffer = decoded.buffer
    if buffer is None or decoded.errors is not None or decoded.left_over:
        return False
    return _in_blocks(buffer) == (-(-au.height // BLOCK), -(-au.width // BLOCK))


def _in_blocks(buffer: Buffer) -> tuple[int, int]:
    return -(-buffer.height // BLOCK), -(-buffer.width // BLOCK)


class LastBlocks:
    """The last blocks of the slices of whole pictures, which as a rule are those of the picture before."""

    def __init__(self) -> None:
        self._starts: list[int | None] = []
        self._sets: tuple[object, object] = (None, None)
        self._ends: Ends | None = None

    def of(self, au: AccessUnit) -> Ends | None:
        """None where they do not tell whether all was decoded, or are not needed: of several slices H.264's decoder
        tells."""
        starts = [slice_.first for slice_ in au.slices]
        # Another size may come with a picture parameter set that is byte for byte the same.
        if starts != self._starts or au.pps is not self._sets[0] or au.sps is not self._sets[1]:
            self._starts, self._sets = starts, (au.pps, au.sps)
            self._ends = _last_blocks(au, starts)
        return self._ends


def _last_blocks(au: AccessUnit, starts: list[int | None]) -> Ends | None:
    if au.width % BLOCK or not au.coverage.reliable or None in starts:
        return None  # the sentinel looks at whole blocks first
    rows = -(-(au.height - _TELLING) // BLOCK)
    cols = au.width // BLOCK
    first = sorted(start for start in starts if start is not None)
    if first[0] != 0 or (isinstance(au.sps, h264.Sps) and len(first) > 1):
        return None
    last = [end - 1 for end in (*first[1:], au.rows * au.cols)]
    side = au.unit // BLOCK
    ends = [(min((unit // au.cols + 1) * side, rows) - 1, min((unit % au.cols + 1) * side, cols) - 1) for unit in last]
    return ends
