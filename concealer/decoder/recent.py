"""The latest pictures, which repair looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from concealer.damage import DamageMap
from concealer.decoder.cadence import Cadence
from concealer.decoder.outputs import DecodedPicture
from concealer.decoder.scout import REFERENCES
from concealer.decoder.turn import Held
from concealer.picture import Picture

_LOOKED_BACK = 3
"""Pictures shown before a damaged one that repair looks at, at most."""


class Recent:
    """Those decoded last, in decode order.

    Of pictures that are whole only those are kept that a later one's repair may look at: whatever is held in vain is
    memory that the decoder would have used again while it was still in the cache (0.03 ms for each at 720p).
    """

    def __init__(self) -> None:
        self._held: deque[tuple[int, Held]] = deque()
        """Each with its number in decode order."""
        self._cadence = Cadence()
        self._count = 0
        self._shown = -1
        """Place in output order up to which all pictures were put out."""

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter([held for _, held in self._held])

    @property
    def last(self) -> Held | None:
        """The picture decoded last."""
        return self._held[-1][1] if self._held else None

    @property
    def pictures(self) -> list[Picture]:
        return [held.picture for _, held in self._held]

    def add(self, held: Held) -> None:
        """The next picture in decode order."""
        self._cadence.add(held.order, held.buffer)
        self._count += 1
        self._held.append((self._count, held))
        while self._held[0][0] <= self._count - REFERENCES:
            self._held.popleft()

    def foretell(self, picture: Picture, damage: DamageMap) -> None:
        """Say of a progressive picture of which nothing is there, before its repair, how likely it is a repetition."""
        if picture.field_orders is None and damage.hole.all():
            picture.repeats = self._cadence.repeats(picture.order)

    def thin_out(self, put_out: Iterable[DecodedPicture]) -> None:
        """Let go of pictures that the repair of a progressive one would not look at.

        put_out: what was just put out; pictures that are to come have greater places.
        """
        for picture in put_out:
            self._shown = max(self._shown, picture.order)
        held, shown = self._held, self._shown
        while len(held) > _LOOKED_BACK:
            oldest, nearer = held[0][1].order, 0
            for _, one in held:
                nearer += oldest < one.order <= shown
            if nearer < _LOOKED_BACK:
                return
            held.popleft()

    def clear(self) -> None:
        """Let go of all."""
        self._held.clear()
        self._cadence.clear()
