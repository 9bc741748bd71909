"""What an observer of the decoder is told of each picture, in decode order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.damage import DamageMap
from concealer.outcome import KnownVectors
from concealer.picture import Plane


@dataclass(frozen=True)
class Settled:
    """One picture right after it was decoded, its damage found and repaired.

    An access unit of which no slice can be used is told twice if later ones show it to be a reference picture: first
    without planes, then, with the same `index`, as `missing`.
    """

    index: int
    """Position in decode order, that of `DecodedPicture.index`."""
    order: int
    """Position in output order."""
    pts: int | None
    au: AccessUnit | None
    """None if nothing of it arrived."""
    missing: MissingPicture | None
    """What is known of a picture that was lost as a whole; None if some of it was decoded."""
    damage: DamageMap | None
    """None where the decoder made no picture."""
    planes: tuple[Plane, ...]
    """Writable views of the decoder's memory at coded size, valid during the call; empty if there is no picture."""
    motion: tuple[KnownVectors, ...] = ()
    """HEVC, of a damaged picture: the vectors to reference 0 of each list that later pictures inherit, those measured
    for its repaired blocks among them, and where there are any. Empty where they can't be had."""


ObserveFn = Callable[[Settled], None]
