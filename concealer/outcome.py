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
    error: npt.NDArray[np.float32] | None = None
    """(rows, cols) on the grid of 16x16 luma samples: mean squared luma error (8-bit scale) expected of each block of
    the hole, 0 outside. None where the repair tells nothing."""
    activity: npt.NDArray[np.float32] | None = None
    """The same: mean squared difference of the pictures around, which tells how much there is to go wrong."""


def of_both_fields(outcomes: Sequence[RepairOutcome | None]) -> RepairOutcome | None:
    """The report of a frame whose fields were repaired each by itself; None stands for a field that was not."""
    made = [one for one in outcomes if one is not None]
    if not made:
        return None
    most, blocks = max(made, key=lambda one: one.blocks), sum(one.blocks for one in made)
    detail: dict[str, float] = {}
    for one in made:
        for name, value in one.detail.items():
            detail[name] = detail.get(name, 0.0) + value * one.blocks / max(blocks, 1)
    spent = sum(one.milliseconds for one in made)
    error, activity = _of_frame([one.error for one in made]), _of_frame([one.activity for one in made])
    return RepairOutcome(most.method, spent, blocks, detail, error, activity)


def _of_frame(maps: Sequence[npt.NDArray[np.float32] | None]) -> npt.NDArray[np.float32] | None:
    """Mean squares of the blocks of a frame, half of whose samples are those of either field."""
    known = [one for one in maps if one is not None]
    if len(known) != len(maps):
        return None
    return np.asarray(sum(known) * np.float32(0.5), np.float32).repeat(2, axis=0)


PROMISED, SLACK = 30.0, 1.0
"""PSNR-Y in dB over the whole picture that a repair is to reach against the undamaged picture, and what may be missing
of that."""


@dataclass(frozen=True)
class Promise:
    """What a picture that damage has touched, by itself or through what it is predicted from, is held to be worth."""

    confidence: float
    """0 to 1, less than 1: probability that its PSNR-Y against the undamaged picture is at least `PROMISED` - `SLACK`
    dB."""
    expected_psnr: float
    """That PSNR-Y as it is expected, in dB."""
    figures: tuple[float, ...] = field(repr=False)
    """What both were told by."""


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
