"""H.264: the decoder notices errors within two bytes, fills holes itself and tells which macroblocks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from concealer.bitstream import AccessUnit, Interlaced, NalUnit, Slice
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.extent import from_blocks, range_blocks, slice_range
from concealer.decoder.hook import Errors
from concealer.decoder.rules.motion import FieldFn
from concealer.decoder.turn import Key
from concealer.outcome import Blocks

_READ_ON = 3
"""Bytes behind the end of a slice that libav reads before it takes that for an error."""


class H264Rules:
    """`Rules` of H.264."""

    fills_holes = True
    inherits_vectors = False
    counts_pictures = True

    def take_apart(self, au: AccessUnit) -> None:
        """A slice has one set of contexts and predictions throughout: what follows a gap in it cannot be read."""

    def close(self) -> None:
        """There is nothing."""

    def cut(self, slice_: Slice, damaged_at: int, interlaced: Interlaced) -> tuple[NalUnit, NalUnit | None]:
        nal = slice_.nal
        if interlaced != "progressive":
            # What is left to the decoder's own concealment is left to it as a whole: it judges by all it decodes
            # whether to fill a P picture from its reference or, which is worse, from its own samples.
            return nal, None
        return replace(nal, data=nal.data[:damaged_at]), None

    def stand_ins(
        self, au: AccessUnit, motion: FieldFn | None, arrived: Collection[int], write_lost: bool
    ) -> list[tuple[int, NalUnit]]:
        """None: the decoder conceals lost slices, and keeps a picture without its first."""
        return []

    def mark_errors(
        self, damage: DamageMap, au: AccessUnit, errors: Errors, previous: AccessUnit | None, all_arrived: bool
    ) -> None:
        missing, broken = errors.missing, errors.broken
        inside = _failed_slices(au, missing | broken, broken, damage)
        damage.mark(broken | (missing & inside), Damage.BROKEN, "decode error")
        damage.mark(missing & ~inside, Damage.LOST, "slice lost")
        for slice_ in au.slices:
            if slice_.first is not None and slice_.nal.damaged_at:
                _mark_read_on(damage, au, slice_, slice_.nal.damaged_at)

    def follows_its_reference(self, au: AccessUnit) -> bool:
        return False

    def first_references(self, key: Key, previous: AccessUnit | None) -> list[int]:
        return []


def _mark_read_on(damage: DamageMap, au: AccessUnit, slice_: Slice, cut: int) -> None:
    """Mark the macroblocks that the decoder made of the bytes behind a cut before it noticed, as many as a slice of its
    `cut` bytes has in so many bits."""
    first, end = slice_range(au, slice_.first or 0)
    broken = from_blocks(damage.hole & range_blocks(first, end, au, damage), au)[first:end]
    decoded = int(np.argmax(broken)) if broken.any() else 0
    behind = -(-_READ_ON * decoded // cut)
    damage.mark(range_blocks(first + decoded - behind, first + decoded, au, damage), Damage.BROKEN, "bytes lost")


def _failed_slices(au: AccessUnit, errors: Blocks, broken: Blocks, damage: DamageMap) -> Blocks:
    """Blocks of those arrived slices in which the decoder met an error: what follows there was not lost, but broken."""
    inside = np.zeros_like(errors)
    if au.unit != BLOCK:
        return inside
    for slice_ in au.slices:
        if slice_.first is None:
            continue
        blocks = range_blocks(*slice_range(au, slice_.first), au, damage)
        if (blocks & broken).any():
            inside |= blocks
    return inside
