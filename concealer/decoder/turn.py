"""Values that go from step to step while a picture is on its way."""

from __future__ import annotations

from dataclasses import dataclass

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.damage import Damage, DamageMap
from concealer.decoder.hook import Buffer, Errors
from concealer.outcome import Blocks
from concealer.picture import Picture

Key = AccessUnit | MissingPicture
"""What a picture is known by: its access unit, or what is known of a picture that never arrived."""


class Held:
    """A decoded picture and our share of the decoder's buffer that it lies in."""

    __slots__ = ("_picture", "_told", "buffer", "order")

    def __init__(
        self,
        picture: Picture | None,
        buffer: Buffer,
        order: int = 0,
        pts: int | None = None,
        kind: str = "?",
        scene: int = 0,
    ) -> None:
        """picture: None: a progressive one that is whole, whose views are made, with what follows as in `Picture`, once
        they are asked for: of most nobody does."""
        self._picture = picture
        self._told = (pts, kind, scene)
        self.buffer = buffer
        self.order = order if picture is None else picture.order
        """Place in output order."""

    @property
    def picture(self) -> Picture:
        if self._picture is None:
            self._picture = Picture(self.buffer.planes, self.buffer.layout.bit_depth, self.order, *self._told)
        return self._picture


@dataclass(frozen=True)
class Turn:
    """One picture right after it was decoded, with all that finding, repair and the other decoders need of it."""

    key: Key
    previous: AccessUnit | None
    """The access unit before it."""
    held: Held
    damage: DamageMap
    references: tuple[Held, ...]
    """The latest pictures before it, in decode order."""
    errors: Errors | None = None
    """What the decoder failed in."""

    @property
    def picture(self) -> Picture:
        return self.held.picture

    @property
    def buffer(self) -> Buffer:
        return self.held.buffer

    @property
    def hole(self) -> Blocks | None:
        """The lost and broken blocks; None if there are none."""
        return self.damage.hole if self.damage.any_hole else None

    @property
    def reference_pictures(self) -> list[Picture]:
        return [one.picture for one in self.references]


def all_lost(width: int, height: int) -> DamageMap:
    """The map of a picture of which nothing arrived; sizes in luma samples, at least one block."""
    damage = DamageMap(max(width, 16), max(height, 16))
    damage.mark(damage.state >= 0, Damage.LOST, "picture lost")
    return damage
