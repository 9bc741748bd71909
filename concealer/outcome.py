"""What a repair is asked for and what it answers: the types that decoder and repair agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from concealer.damage import DamageMap
from concealer.outlook import Outlook
from concealer.picture import Picture

Blocks = npt.NDArray[np.bool_]
"""(rows, cols) bool on the grid of 16x16 luma samples."""
Vectors = npt.NDArray[np.int16]
"""(rows, cols, 2): x, y in quarter luma samples."""
KnownVectors = tuple[Vectors, Blocks]
"""Vectors, and where they mean anything."""


@dataclass
class RepairOutcome:
    """Report of one repaired picture."""

    method: str
    """"motion", "generative", "spatial", "copy", "decoder" (its own concealment kept) or "none" (no hole); the one
    that painted most pixels if regions of the picture differ."""
    milliseconds: float
    """Wall time of the whole repair."""
    blocks: int
    """Number of 16x16 blocks in the hole."""
    detail: dict[str, float] = field(default_factory=dict)
    """Shares of the hole per method ("share_motion" ...), mean weight per candidate ("weight_acc" ...),
    rim misfit ("rim_error", mean absolute luma difference on an 8-bit scale) and, where it was looked at,
    "misfit" (that of motion in units of a spatial fill's). Of a network: "fit_network" (its error on samples it was
    not shown, in units of its competitor's) and "share_of_network" (its mean weight in the hole)."""


class Repair(Protocol):
    """Paints the hole of one picture after the other, in decode order."""

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome | None:
        """Edit `picture.planes` inside the hole of `damage`, nowhere else.

        references: pictures of the same size, decoded and repaired before, told apart by `order`. outlook: what
        follows, where it was looked at.
        """


class Measure(Protocol):
    """Tells how repaired blocks moved; see `repair.measured_motion`."""

    def __call__(
        self, picture: Picture, hole: Blocks, reference: Picture, received: Vectors, known: Blocks, /
    ) -> Vectors | None:
        """Motion of the blocks of `hole` to `reference`; None if it is not to be had."""


class Motion(Protocol):
    """Tells how a picture moves that is not decoded yet; see `repair.predicted_motion`."""

    def __call__(
        self, order: int, toward: int, references: Sequence[Picture], top: int, bottom: int, /
    ) -> Vectors | None:
        """Vectors (rows8, cols8, 2) of the picture at `order` to the one at `toward`, right at least in the luma rows
        [top, bottom); None if it is not known."""
