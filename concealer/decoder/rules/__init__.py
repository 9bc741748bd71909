"""What is done differently for H.264 and for HEVC: one interface, chosen once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from concealer.bitstream import AccessUnit, Codec, Interlaced, NalUnit, Slice
from concealer.damage import DamageMap
from concealer.decoder.hook import Errors
from concealer.decoder.rules.h264 import H264Rules
from concealer.decoder.rules.hevc import HevcRules
from concealer.decoder.rules.motion import FieldFn
from concealer.decoder.turn import Key

__all__ = ["FieldFn", "Rules", "rules_of"]


class Rules(Protocol):
    """How the streams of one codec are prepared, judged and placed in time."""

    fills_holes: bool
    """The decoder conceals what is missing; else holes are empty, and a decoder that runs ahead needs its own."""
    inherits_vectors: bool
    """Vectors are inherited from picture to picture, so that a hole spoils them as well."""
    counts_pictures: bool
    """Pictures count from the latest IDR: a lost one looks like many lost pictures."""

    def take_apart(self, au: AccessUnit) -> None:
        """Let `au` hold, instead of a damaged slice, what of it decodes by itself; done once."""

    def close(self) -> None:
        """Free what was used for that."""

    def cut(self, slice_: Slice, damaged_at: int, interlaced: Interlaced) -> tuple[NalUnit, NalUnit | None]:
        """What the decoder gets of a slice with wrong bytes from `damaged_at` on: (unit, the same with another tail).

        The second tells where the damage reaches the picture; None if the decoder notices by itself, or that is known.
        """

    def stand_ins(
        self, au: AccessUnit, motion: FieldFn | None, arrived: Collection[int], write_lost: bool
    ) -> list[tuple[int, NalUnit]]:
        """(place of the first unit, slice) to write in place of lost ones; see `Prepared`. arrived: places of the first
        units of slices that the decoder gets.
        """

    def mark_errors(
        self, damage: DamageMap, au: AccessUnit, errors: Errors, previous: AccessUnit | None, all_arrived: bool
    ) -> None:
        """Mark what the decoder failed in.

        previous: the access unit before. all_arrived: its slices started where those of `au` do, so none is missing.
        """

    def follows_its_reference(self, au: AccessUnit) -> bool:
        """Whether motion of `au` measured after its repair serves better than motion predicted before."""

    def first_references(self, key: Key, previous: AccessUnit | None) -> list[int]:
        """Output orders of reference 0 of each list that the stand-ins of a picture use; empty where it can't be told.

        previous: the access unit before it.
        """


def rules_of(codec: Codec, threads: int = 1) -> Rules:
    """The rules of a codec for a decoder with so many slice threads."""
    return H264Rules() if codec == "h264" else HevcRules(threads)
