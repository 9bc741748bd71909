"""What a libav decoder failed in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Blocks = npt.NDArray[np.bool_]
"""(rows, cols) bool on the grid of 16x16 luma samples."""


@dataclass(frozen=True)
class Errors:
    """Blocks in which the decoder of the picture just decoded failed; disjoint."""

    missing: Blocks
    """Never touched by any slice, or left as they were when the decoder gave up."""
    broken: Blocks
    """Inside a received slice whose decoding failed, with the blocks before the failure that the decoder distrusts."""
