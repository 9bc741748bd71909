"""What exactly a lossy channel did to a stream: kept as JSON, and turned back into block maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from concealer.damage import BLOCK

FORMAT = "concealer damage record 1"


@dataclass(slots=True)
class NalDamage:
    """Damage of one NAL unit. Offsets count in its bytes as sent, header included, without start code."""

    nal: int
    """Index among the NAL units of its access unit as sent."""
    nal_type: int
    """nal_unit_type."""
    size: int
    """Bytes as sent."""
    blocks: list[tuple[int, int]] | None = None
    """What the slice codes, as sent: [first, end) raster ranges of the frame's macroblocks or CTBs, rising.
    None if it is not a slice, or not known (slice groups, arbitrary slice order, redundant slices)."""
    removed: list[tuple[int, int]] = field(default_factory=list)
    """(offset, count) of bytes taken out, rising. Offsets -3..-1 are the start code before it: a unit whose
    start code is lost cannot be found, and what is left of it reads as the end of the unit before."""
    flipped: list[tuple[int, int]] = field(default_factory=list)
    """(offset, mask) of bytes that were changed by exclusive or with mask, in rising order."""
    orphaned: bool = False
    """Sent whole, but a dependent slice segment whose independent segment is damaged."""

    @property
    def dropped(self) -> bool:
        """True if nothing of the NAL unit is left."""
        return sum(count + min(offset, 0) for offset, count in self.removed) >= self.size


@dataclass(slots=True)
class AccessUnitDamage:
    """Damage of one access unit."""

    index: int
    """Position of the access unit in the stream as sent, in decoding order, from 0."""
    pts: int | None
    """Presentation time in the stream's time base."""
    dropped: bool = False
    """True if no slice of it is left; then the whole access unit was taken out."""
    nals: list[NalDamage] = field(default_factory=list)


@dataclass(slots=True)
class Layout:
    """Picture size from one access unit on."""

    index: int
    width: int
    """Coded luma width in samples."""
    height: int
    """Coded luma height in samples."""
    unit: int
    """Side of the square that slice addresses count: 16 (macroblock) or the CTB size."""


@dataclass(frozen=True, slots=True)
class Truth:
    """True damage of one picture on the 16x16 grid of `DamageMap`: bool arrays (rows, cols)."""

    lost: npt.NDArray[np.bool_]
    """Blocks of slices that never arrived."""
    broken: npt.NDArray[np.bool_]
    """Blocks of slices that arrived with bytes missing or wrong. Those coded before the damage still decode
    rightly; which these are, only a comparison with the clean decode can tell."""
    exact: bool
    """False if a damaged slice's range is not known (`NalDamage.blocks`): its blocks are not marked."""


@dataclass
class DamageRecord:
    """Everything one run of a channel did."""

    codec: str
    model: dict[str, Any]
    """Name and parameters of the loss model, with its seed."""
    source: str | None = None
    access_units: int = 0
    """Access units sent."""
    slices: int = 0
    """Slice NAL units sent."""
    layout: list[Layout] = field(default_factory=list)
    damaged: list[AccessUnitDamage] = field(default_factory=list)
    """Damaged access units only, in decoding order."""
    packets: int = 0
    """Transport packets sent; 0 for models that know none."""
    packets_dropped: list[int] = field(default_factory=list)
    """Indices of the transport packets that were dropped, from 0."""
    file_removed: list[tuple[int, int]] = field(default_factory=list)
    """(offset, count) of bytes taken out of the file itself (truncation)."""

    def truth(self, index: int) -> Truth:
        """True damage of access unit `index` (decoding order as sent).

        Raises IndexError if the stream had no such access unit, ValueError if its picture size is not known.
        """
        if not 0 <= index < self.access_units:
            raise IndexError(f"access unit {index} is outside 0..{self.access_units - 1}")
        sizes = [size for size in self.layout if size.index <= index]
        if not sizes:
            raise ValueError(f"the picture size of access unit {index} is not known")
        size = sizes[-1]
        shape = (-(-size.height // BLOCK), -(-size.width // BLOCK))
        lost, broken, exact = np.zeros(shape, bool), np.zeros(shape, bool), True
        damage = next((unit for unit in self.damaged if unit.index == index), None)
        if damage is None:
            return Truth(lost, broken, True)
        if damage.dropped:
            lost[:] = True
            return Truth(lost, broken, True)
        for nal in damage.nals:
            if nal.blocks is None:
                exact = exact and not is_slice(self.codec, nal.nal_type)
            else:
                (lost if nal.dropped else broken)[_on_grid(size, nal.blocks)] = True
        broken &= ~lost
        return Truth(lost, broken, exact)

    def to_json(self) -> str:
        """The record as JSON text, one damaged access unit a line."""
        head = {"format": FORMAT} | {key: value for key, value in asdict(self).items() if key != "damaged"}
        units = ",\n".join("  " + json.dumps(asdict(unit)) for unit in self.damaged)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        return "{\n" + ",\n".join(lines) + ',\n "damaged": [' + (f"\n{units}\n " if units else "") + "]\n}\n"

    @classmethod
    def from_json(cls, text: str) -> DamageRecord:
        """Read what `to_json` wrote. Raises ValueError if it is something else."""
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
                raise ValueError(f"not a {FORMAT!r}")
            values["layout"] = [Layout(**size) for size in values["layout"]]
            values["file_removed"] = [tuple(span) for span in values["file_removed"]]
            values["damaged"] = [_unit_from_json(unit) for unit in values["damaged"]]
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise ValueError(f"malformed damage record: {error}") from error


def is_slice(codec: str, nal_type: int) -> bool:
    """Whether a NAL unit of this type carries picture data (H.264 table 7-1, HEVC table 7-1)."""
    return nal_type in (1, 2, 3, 4, 5) if codec == "h264" else nal_type < 32


def _unit_from_json(values: dict[str, Any]) -> AccessUnitDamage:
    nals = []
    for nal in values["nals"]:
        pairs = {
            key: None if nal[key] is None else [(int(a), int(b)) for a, b in nal[key]]
            for key in ("blocks", "removed", "flipped")
        }
        nals.append(NalDamage(**(nal | pairs)))
    return AccessUnitDamage(**(values | {"nals": nals}))


def _on_grid(size: Layout, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """[first, end) raster ranges of macroblocks or CTBs as bool blocks of the 16x16 grid."""
    rows, cols = -(-size.height // size.unit), -(-size.width // size.unit)
    units = np.zeros(rows * cols, bool)
    for first, end in ranges:
        units[first:end] = True
    # CtbLog2SizeY is 4..6 (HEVC A.3): a unit is never smaller than a block.
    times = size.unit // BLOCK
    grid = units.reshape(rows, cols).repeat(times, axis=0).repeat(times, axis=1)
    return grid[: -(-size.height // BLOCK), : -(-size.width // BLOCK)]
