"""What splicing makes of one access unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from concealer.bitstream import AccessUnit, NalUnit

Form = Literal["pcm", "intra", "inter", "skip", "cut"]
"""How a written slice carries its samples: as they are; intra or inter with residual; or not at all, by repetition.
"cut": it is a received one without the bytes of another that hung behind it."""


@dataclass(frozen=True)
class Written:
    """One NAL unit of ours."""

    nal: NalUnit
    first: int
    end: int
    """Macroblocks or CTBs [first, end) in coding order."""
    form: Form


@dataclass(frozen=True)
class SplicedUnit:
    """One access unit as it leaves."""

    index: int
    """Position in decode order, that of `DecodedPicture.index`."""
    order: int
    """Position in output order."""
    pts: int | None
    au: AccessUnit | None
    """As it arrived; None if nothing of it did."""
    nals: list[NalUnit]
    """All of it in order: received units as they are, and ours."""
    removed: list[NalUnit] = field(default_factory=list)
    """Received slices that are corrupt and therefore left out."""
    written: list[Written] = field(default_factory=list)
    """Ours."""
    unmended: bool = False
    """It is damaged, and left as it came: nothing is known that could be put in."""

    @property
    def changed(self) -> bool:
        """Anything was taken out or put in."""
        return bool(self.removed or self.written)
