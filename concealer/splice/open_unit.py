"""An access unit with open places, as a carrier is given it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from concealer.bitstream import NalUnit, SliceHeader, h264, hevc
from concealer.outcome import KnownVectors
from concealer.picture import Plane
from concealer.splice.unit import Written


@dataclass
class Run:
    """A range to be written."""

    header: SliceHeader
    """Of a slice of the same picture, or what stands for one."""
    first: int
    end: int
    """Macroblocks or CTBs [first, end) in coding order."""
    kind: str
    """What the picture's slices are, "I", "P" or "B": that they are predicted from nothing, one or two references."""
    arrived: float = 0.0
    """Part of it that was decoded right."""
    repeat: bool = False
    """Do not look at the samples: repeat the reference. Intra pictures, which have none, are written coarsely."""
    rest: NalUnit | None = None
    """H.264: what came of a slice of just this range, whose header is that of the run; it may be all of it."""


@dataclass
class OpenUnit:
    """One access unit on its way out; a carrier must be given all of them, in decode order, with or without runs."""

    nals: list[NalUnit | None]
    """In order; None stands for the next run's unit."""
    order: int
    is_reference: bool
    restart: bool
    """No later picture refers to any before it."""
    is_disposable: bool = False
    """No other picture is predicted from it."""
    sps: h264.Sps | hevc.Sps | None = None
    """Active sequence parameter set."""
    runs: list[Run] = field(default_factory=list)
    planes: tuple[Plane, ...] = ()
    """Rows of the repaired picture around the runs, at coded width; () without runs that look at it."""
    parameter_sets: tuple[NalUnit, ...] = ()
    """Sets of the container's header that are valid from here on, where they change."""
    top: int = 0
    """Luma row of the picture that the planes begin with, a multiple of 64."""
    motion: tuple[KnownVectors, ...] = ()
    """See `Settled`: what the runs are written with, so that later pictures inherit the same everywhere."""

    def filled(self, written: Sequence[Written]) -> list[NalUnit]:
        """Its NAL units, with the written ones at the open places."""
        ours = iter(written)
        return [next(ours).nal if nal is None else nal for nal in self.nals]
