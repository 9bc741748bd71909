"""What a second decoder, running ahead, saw of the pictures behind a damaged one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from concealer.picture import Picture


@dataclass(frozen=True)
class ReceivedMotion:
    """The vectors a picture was decoded with, on a grid of 8x8 luma samples; lists 0 and 1."""

    vectors: npt.NDArray[np.int16]
    """(2, rows, cols, 2): x, y in quarter luma samples, from the picture to its reference."""
    toward: npt.NDArray[np.int64]
    """(2, rows, cols): output order of the reference, `NOWHERE` if the list is not used there."""


NOWHERE = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Ahead:
    """A picture decoded after the damaged one. Read only."""

    picture: Picture
    received: ReceivedMotion | None = None
    """Its vectors, where the decoder's can be read."""


@dataclass(frozen=True)
class Outlook:
    """A damaged picture and some that follow it in decoding order, as the scout decoded them.

    The scout's pictures are not the main decoder's: in a hole they show what the scout's decoder put there, and what
    is predicted from it carries that along. How things move between them is true all the same.
    """

    now: Picture
    """The damaged picture itself."""
    later: tuple[Ahead, ...]
    """In decoding order."""
    inherited: bool = False
    """Vectors are inherited from picture to picture (HEVC), so those behind the hole may be wrong with it."""
