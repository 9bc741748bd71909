"""H.264: the decoder notices errors within two bytes, fills holes itself and tells which macroblocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from concealer.bitstream import AccessUnit, Interlaced, NalUnit
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.extent import range_blocks, slice_range
from concealer.decoder.hook import Errors
from concealer.decoder.rules.motion import FieldFn
from concealer.decoder.turn import Key
from concealer.outcome import Blocks


class H264Rules:
    """`Rules` of H.264."""

    fills_holes = True
    inherits_vectors = False
    counts_pictures = True

    def cut(self, nal: NalUnit, damaged_at: int, interlaced: Interlaced) -> tuple[NalUnit, NalUnit | None]:
        if interlaced != "progressive":
            # What is left to the decoder's own concealment is left to it as a whole: it judges by all it decodes
            # whether to fill a P picture from its reference or, which is worse, from its own samples.
            return nal, None
        return replace(nal, data=nal.data[:damaged_at]), None

    def stand_ins(
        self, au: AccessUnit, motion: FieldFn | None, first_arrived: bool, write_lost: bool
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

    def follows_its_reference(self, au: AccessUnit) -> bool:
        return False

    def first_references(self, key: Key, previous: AccessUnit | None) -> list[int]:
        return []


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
