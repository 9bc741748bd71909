"""What a second decoder, running ahead, saw of the pictures behind a damaged one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from concealer.picture import Picture

TAINT_CELL = 8
"""Side, in luma samples, of one cell of `Ahead.tainted`."""


@dataclass(frozen=True)
class Ahead:
    """A picture decoded after the damaged one. Read only; its chroma is false where it is tainted."""

    picture: Picture
    tainted: npt.NDArray[np.bool_]
    """(ceil(height / 8), ceil(width / 8)): predicted from a hole, however indirectly, or lost itself."""


@dataclass(frozen=True)
class Outlook:
    """A damaged picture and some that follow it in decoding order, as the scout decoded them.

    The scout's pictures are not the main decoder's: in a hole they show what the scout's decoder put there, and what
    is predicted from it carries that along. How things move between them is true all the same.
    """

    now: Picture
    """The damaged picture itself; its chroma is false inside the hole."""
    later: tuple[Ahead, ...]
    """In decoding order."""
