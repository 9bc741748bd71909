"""Which received slices of a damaged access unit stay, and which ranges are to be written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Slice, h264, hevc
from concealer.damage import Damage, DamageMap
from concealer.decoder import from_blocks
from concealer.standins.hevc import coding_order

Units = npt.NDArray[np.bool_]
"""By address: macroblocks or CTBs of a picture or field, pairs of an MBAFF frame."""


@dataclass
class Plan:
    """Every macroblock or CTB of the picture is in a kept slice or in a run."""

    kept: list[Slice] = field(default_factory=list)
    removed: list[Slice] = field(default_factory=list)
    """Arrived corrupt, or hang on one that did."""
    shortened: dict[int, Slice] = field(default_factory=dict)
    """By the address of their run: slices that may have arrived whole, with bytes of another behind what was lost."""
    runs: list[tuple[int, int]] = field(default_factory=list)
    """Ranges [first, end) to be written, by address, ascending."""
    hole: Units = field(default_factory=lambda: np.ones(0, np.bool_))
    """Lost and broken units by address; empty where nothing arrived."""

    @property
    def slices(self) -> list[Slice]:
        """What arrived, the best first."""
        return [*self.kept, *self.removed]

    def arrived(self, first: int, end: int) -> float:
        """Part of a range that is written though it was decoded right."""
        return 1 - float(self.hole[first:end].mean()) if self.hole.size else 0.0


def make_plan(au: AccessUnit, damage: DamageMap) -> Plan:
    """Plan for a progressive picture without tiles whose slices are in order; `damage` is of its size."""
    readable = [(s.first, s) for s in au.slices if s.header is not None and s.first is not None]
    units = from_blocks(damage.state == Damage.LOST, au), from_blocks(damage.state == Damage.BROKEN, au)
    # What came of the slice behind another, and is not readable, says nothing of that one.
    plan = sort_out(readable, *units, [start for start, _ in au.coverage.broken])
    plan.removed += [s for s in au.slices if s.header is None or s.first is None]
    if isinstance(au.sps, hevc.Sps) and isinstance(au.pps, hevc.Pps):
        order = coding_order(au.sps, au.pps)
        plan.runs = [legal for first, end in plan.runs for legal in order.legal_ranges(first, end)]
    return plan


def sort_out(readable: Iterable[tuple[int, Slice]], lost: Units, broken: Units, stumps: Sequence[int] = ()) -> Plan:
    """Plan for one picture, frame or field.

    readable: its slices and the addresses they begin at. lost, broken: (units,) by address. stumps: where slices begin
    of which too little came.
    """
    size = lost.size
    plan = Plan(hole=lost | broken)
    covered = np.zeros(size, bool)
    ordered = sorted(readable, key=lambda one: one[0])
    starts = [first for first, _ in ordered]
    for (first, slice_), following in zip(ordered, [*starts[1:], size], strict=True):
        following = min([following, *(start for start in stumps if start > first)])
        end = _end(lost, first, following)
        # A dependent slice segment (HEVC) takes its header and contexts from the one before.
        orphan = bool(getattr(slice_.header, "dependent", False)) and not (first and covered[first - 1])
        redundant = bool(getattr(slice_.header, "redundant_pic_cnt", 0))
        cut = slice_.nal.damaged_at
        if redundant:
            plan.kept.append(slice_)
        elif end == first or orphan or broken[first:end].any() or (cut is not None and not _notices(slice_)):
            plan.removed.append(slice_)
        else:
            covered[first:end] = True
            if cut is None:
                plan.kept.append(slice_)
            else:
                plan.removed.append(slice_)
                plan.shortened[first] = slice_
                plan.runs.append((first, end))
    edges = np.flatnonzero(np.diff(np.concatenate([[True], covered, [True]])))
    plan.runs = sorted([*plan.runs, *zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)])
    return plan


def _notices(slice_: Slice) -> bool:
    """Whether a decoder that reached the end of a slice may have been given all of it: H.264's sees that there are no
    more bytes, unless what is missing is the end."""
    return isinstance(slice_.header, h264.SliceHeader)


def _end(lost: Units, first: int, following: int) -> int:
    """Where the slice that starts at `first` ends: at the next one or before the first lost unit."""
    gone = np.flatnonzero(lost[first:following])
    return first + int(gone[0]) if gone.size else following
