"""What splicing took out of a stream and put in, counted and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from concealer.bitstream import NalUnit
from concealer.splice import SplicedUnit


@dataclass
class SpliceTotals:
    """Counts over one or all spliced streams."""

    access_units: int = 0
    """That left, inserted ones among them."""
    inserted_access_units: int = 0
    """Of pictures of which nothing arrived."""
    unmended: int = 0
    """That left damaged as they came: nothing was known that could be put in."""
    misplaced: int = 0
    """That came one place too early or too late, and left in their place."""
    left_out: int = 0
    """Parameter sets that arrived damaged, where those before hold on."""
    kept: int = 0
    """Received NAL units that left as they came."""
    replaced: int = 0
    """Received slices that were corrupt and made way for ours."""
    inserted: int = 0
    """NAL units of ours."""
    forms: dict[str, int] = field(default_factory=dict)
    """NAL units of ours by the way they carry their samples: "pcm", "intra", "inter", "skip", "cut"."""
    bytes_in: int = 0
    """Of the NAL units received."""
    bytes_out: int = 0
    """Of the NAL units that left."""

    def add_sets(self, sets: Sequence[NalUnit]) -> None:
        """Parameter sets that were put in."""
        self.inserted += len(sets)
        self.bytes_out += sum(len(nal.data) for nal in sets)

    def add(self, unit: SplicedUnit) -> None:
        ours = sum(len(one.nal.data) for one in unit.written)
        sent = sum(len(nal.data) for nal in unit.nals)
        gone = sum(len(nal.data) for nal in unit.removed)
        self.access_units += 1
        self.inserted_access_units += unit.au is None
        self.unmended += unit.unmended
        self.kept += len(unit.nals) - len(unit.written)
        self.replaced += len(unit.removed)
        self.inserted += len(unit.written)
        for one in unit.written:
            self.forms[one.form] = self.forms.get(one.form, 0) + 1
        self.bytes_in += sent - ours + gone
        self.bytes_out += sent

    def count_copied(self, nal_units: int, size: int) -> None:
        """A payload that was copied as it is."""
        self.access_units += 1
        self.kept += nal_units
        self.bytes_in += size
        self.bytes_out += size

    def merge(self, other: SpliceTotals) -> None:
        """Add the counts of another stream."""
        for key, value in asdict(other).items():
            if isinstance(value, dict):
                for form, count in value.items():
                    self.forms[form] = self.forms.get(form, 0) + count
            else:
                setattr(self, key, getattr(self, key) + value)


def describe(unit: SplicedUnit) -> dict[str, object]:
    """What the report says of one changed access unit."""
    return {
        "pts": unit.pts,
        "kept": len(unit.nals) - len(unit.written),
        "replaced": [len(nal.data) for nal in unit.removed],
        "inserted": [
            {"first": one.first, "end": one.end, "form": one.form, "bytes": len(one.nal.data)} for one in unit.written
        ],
    }
