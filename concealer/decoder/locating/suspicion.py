"""Slices that arrived corrupt at a place nobody knows: from where on their blocks are doubted, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.extent import in_order, in_raster, range_blocks, slice_range
from concealer.decoder.hook import Decoded
from concealer.decoder.locating.locator import Locator, begun_by
from concealer.outcome import Blocks
from concealer.picture import Picture

_Values = npt.NDArray[np.float32]
_LEAST = 0.05
"""Belief below which a block counts as received."""


class Suspicion:
    """For the pictures of one stream."""

    def __init__(self, codec: Codec) -> None:
        self._locator = Locator(codec)

    def mark(
        self, damage: DamageMap, au: AccessUnit, decoded: Decoded, picture: Picture, references: Sequence[Picture]
    ) -> None:
        """Mark what may be wrong before the place at which the decoder gave up, or in a slice it did not end with.

        references: pictures decoded before, repaired.
        """
        if not damage.any_hole and not decoded.left_over:
            return
        slices = list(_suspects(damage, au, decoded))
        if not slices:
            return
        signs = self._locator.signs(picture, references)
        for first, end, noticed in slices:
            belief = np.zeros(au.rows * au.cols, np.float32)
            said, blocks = _sums(signs(noticed), au), _sums(np.ones(damage.state.shape, np.float32), au)
            weighing, count = signs.weighing, damage.state.size
            belief[first:end] = begun_by(said[first:end], blocks[first:end], count, weighing, noticed=noticed)
            by_block = _spread(belief, au, damage)
            doubtful = range_blocks(first, end, au, damage) & (by_block > _LEAST)
            if not doubtful.any():
                continue
            damage.doubt(doubtful & ~damage.hole, by_block)
            damage.mark(doubtful, Damage.BROKEN, "decode error")
        if damage.belief is not None:
            damage.confidence = min(damage.confidence, float(damage.belief[damage.hole].mean()))


def _suspects(damage: DamageMap, au: AccessUnit, decoded: Decoded) -> Iterator[tuple[int, int, bool]]:
    """[first, end) in units of each such slice, from its begin to where its broken blocks begin, or to its end; and
    whether the decoder gave up there."""
    if au.interlaced != "progressive":
        return
    broken = damage.state == Damage.BROKEN
    for slice_ in au.slices:
        if slice_.first is None or slice_.header is None or slice_.nal.damaged_at is not None:
            continue
        first, end = slice_range(au, slice_.first)
        wrong = _units(broken & range_blocks(first, end, au, damage), au)[first:end]
        if wrong.any():
            yield first, first + int(np.argmax(wrong)), True
        elif slice_ is au.slices[-1] and _ends_elsewhere(slice_.nal.data, decoded.left_over):
            yield first, end, False


def _ends_elsewhere(data: bytes, left_over: int | None) -> bool:
    """Whether a slice was decoded to another place than its end; zero words behind it are no data (7.3.2.8), but none
    are decoded either."""
    if not left_over:
        return False
    return left_over < 0 or bool(data[-left_over:].strip(b"\x00\x03")) or not data[-left_over - 1]


def _units(blocks: Blocks, au: AccessUnit) -> Blocks:
    return _sums(blocks.astype(np.float32), au) > 0


def _sums(blocks: _Values, au: AccessUnit) -> _Values:
    """(rows * cols,) sums over the 16x16 blocks of each unit, by its place."""
    side = max(1, au.unit // BLOCK)
    whole = np.zeros((au.rows * side, au.cols * side), np.float32)
    rows, cols = (min(a, b) for a, b in zip(whole.shape, blocks.shape, strict=True))
    whole[:rows, :cols] = blocks[:rows, :cols]
    return np.asarray(in_order(whole.reshape(au.rows, side, au.cols, side).sum((1, 3)), au))


def _spread(units: _Values, au: AccessUnit, damage: DamageMap) -> _Values:
    """(rows * cols,) values of units by place, on the grid of the map."""
    side = max(1, au.unit // BLOCK)
    spread = in_raster(units, au).repeat(side, 0).repeat(side, 1)
    return np.asarray(spread[: damage.state.shape[0], : damage.state.shape[1]])
