"""The pieces of a damaged access unit, its frame or each of its fields: what of them stays, what is written."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from concealer.bitstream import AccessUnit, NalUnit, SliceHeader, h264, hevc, nal_type
from concealer.damage import Damage, DamageMap
from concealer.decoder import Part, parts_of
from concealer.splice.plan import Plan, Units, make_plan, sort_out
from concealer.standins import UnsupportedStandInError
from concealer.standins import h264 as standins

_SEI, _ENDS = 6, (10, 11, 12)
"""H.264: nal_unit_type of what announces a picture, and of what ends a sequence or fills up."""
_PARTITIONS = (3, 4)
_FEWEST_REFERENCES = {"P": 2, "B": 4}
"""Frames a decoder must hold for a first field not to drive out what the second is predicted from here (8.2.5.3)."""
_REMOVES_ONE = 1
"""memory_management_control_operation that marks one short-term picture as unused."""
_LAST_FRAME = 2
"""Greatest difference_of_pic_nums_minus1 by which a field refers to one of the frame before it (8-39)."""


@dataclass
class Piece:
    """A frame or a field."""

    header: SliceHeader
    """To go by: of a slice that arrived whole, else of any, else made up."""
    kind: str
    """As of `Run`."""
    plan: Plan
    blocks: int = 1
    """Macroblocks to each address: 2 in MBAFF frames."""
    rows: int = 1
    """Rows of units in the frame that one row of addresses spans."""


class Pieces:
    """Takes the access units of one stream apart."""

    def __init__(self) -> None:
        self._begins_with_bottom: bool | None = None
        """Of the pairs of fields so far."""
        self._long_term = False
        """The sequence has long-term reference pictures."""

    @property
    def begins_with_bottom(self) -> bool:
        """Of a pair of fields."""
        return bool(self._begins_with_bottom)

    def passed(self, au: AccessUnit) -> None:
        """Must be told of every access unit that is not taken apart."""
        parts = parts_of(au) if au.interlaced == "field" else []
        if len(parts) == 2:
            self._begins_with_bottom = parts[0].header.bottom_field
        headers: list[SliceHeader | None] = [*(part.header for part in parts)] or [s.header for s in au.slices[:1]]
        for header in headers:
            if isinstance(header, h264.SliceHeader):
                self._long_term = (self._long_term and not header.is_idr) or _keeps_long(header)

    def of(self, au: AccessUnit, damage: DamageMap) -> list[Piece]:
        """In decode order. Raises UnsupportedStandInError."""
        if au.interlaced != "progressive":
            self.passed(au)
            return self._interlaced(au, damage)
        plan = make_plan(au, damage)
        self.passed(au)
        return [Piece(_sibling(plan), au.kind if au.kind != "?" else "I", plan)]

    def _interlaced(self, au: AccessUnit, damage: DamageMap) -> list[Piece]:
        parts = parts_of(au)
        if not parts:
            raise UnsupportedStandInError("no slice header of the picture is readable")
        kinds = [_kind(part) for part in parts]
        pieces = []
        for part, kind in zip(parts, kinds, strict=True):
            mbaff = not part.coding.is_field
            own = damage if mbaff or damage.fields is None else damage.fields[part.coding.parity]
            plan = _part_plan(part, own)
            pieces.append(Piece(_sibling(plan), kind, plan, 1 + mbaff, 2))
        used = {id(slice_) for part in parts for slice_ in part.slices}
        pieces[0].plan.removed += [slice_ for slice_ in au.slices if id(slice_) not in used]
        if au.interlaced == "field":
            self._pair(pieces, kinds)
        return pieces

    def _pair(self, pieces: list[Piece], kinds: Sequence[str]) -> None:
        """Put in the field that never came, and settle how the second one may be predicted."""
        first = pieces[0].header
        assert isinstance(first, h264.SliceHeader)
        if len(pieces) == 1 and self._begins_with_bottom is not None:
            second = first.bottom_field == self._begins_with_bottom
            size = first.sps.width_mbs * first.sps.height_mbs >> 1
            made = standins.lost_field_header(first, second)
            pieces.insert(int(second), Piece(made, kinds[0], Plan(runs=[(0, size)]), 1, 2))
        if len(pieces) < 2:
            return
        header = pieces[0].header
        assert isinstance(header, h264.SliceHeader)
        if pieces[0].kind == "I" or not self.keeps_references(header, pieces[1].kind):
            pieces[1].kind = "I"

    def keeps_references(self, first: h264.SliceHeader, kind: str) -> bool:
        """Whether the second field of a frame finds the same fields of its parity as the first one could have."""
        if not first.nal_ref_idc:
            return True
        if self._long_term or first.is_idr or first.sps.max_num_ref_frames < _FEWEST_REFERENCES.get(kind, 0):
            return False
        if kind == "B":
            return not first.marking
        return all(op[0] == _REMOVES_ONE and op[1] > _LAST_FRAME for op in first.marking or ())


def _keeps_long(header: h264.SliceHeader) -> bool:
    return header.long_term_reference or any(op[0] in (3, 6) for op in header.marking or ())


def _kind(part: Part) -> str:
    types = {slice_.header.slice_type for slice_ in part.slices if isinstance(slice_.header, h264.SliceHeader)}
    if h264.B in types:
        return "B"
    return "I" if types <= {h264.I, h264.SI} else "P"


def _part_plan(part: Part, damage: DamageMap) -> Plan:
    readable = [(s.header.first_mb, s) for s in part.slices if isinstance(s.header, h264.SliceHeader)]

    def units(state: Damage) -> Units:
        blocks = damage.state == state
        return blocks.ravel() if part.coding.is_field else (blocks[::2] | blocks[1::2]).ravel()

    return sort_out(readable, units(Damage.LOST), units(Damage.BROKEN))


def _sibling(plan: Plan) -> SliceHeader:
    """A header to go by: of a slice that arrived whole, else of any."""
    found = [slice_.header for slice_ in plan.slices]
    usable = [header for header in found if header is not None and not getattr(header, "redundant_pic_cnt", 0)]
    if not usable:
        raise UnsupportedStandInError("no slice header of the picture is readable")
    # Rather one with references, as an intra slice says nothing of them.
    return copy.copy(min(usable, key=_is_intra))


def _is_intra(header: SliceHeader) -> bool:
    return header.slice_type == (h264.I if isinstance(header, h264.SliceHeader) else hevc.I)


Place = tuple[int, int]
"""Piece and address."""


def merge(au: AccessUnit, pieces: Sequence[Piece]) -> list[NalUnit | None]:
    """The access unit's NAL units without the removed slices, and None at the places of the runs in order."""
    gone = {id(slice_.nal) for piece in pieces for slice_ in piece.plan.removed}
    places = _places(pieces)
    slices = {id(slice_.nal) for slice_ in au.slices}
    waiting: list[Place] = [(number, first) for number, piece in enumerate(pieces) for first, _ in piece.plan.runs]
    nals: list[NalUnit | None] = []
    current, behind = 0, None
    """The piece that is being gone through, and the place behind its last slice."""

    def put(end: Place, at: int | None = None) -> None:
        while waiting and waiting[0] < end:
            nals.insert(len(nals) if at is None else at, None)
            waiting.pop(0)

    for nal in au.nals:
        place = places.get(id(nal))
        if place is not None and place[0] > current:
            put((place[0], 0), _in_front(nals) if behind is None else behind)
            current, behind = place[0], None
        if place is not None:
            put(place)
        elif nal_type(au.codec, nal) in _PARTITIONS and au.codec == "h264" and gone:
            continue  # data partitions B and C, which mean nothing without their A
        if id(nal) in slices:
            behind = len(nals) + (id(nal) not in gone)
        if id(nal) not in gone:
            nals.append(nal)
    put((current + 1, 0), behind)
    put((len(pieces), 0), _at_end(nals))
    return nals


def _places(pieces: Sequence[Piece]) -> Mapping[int, Place]:
    """By id() of slices' NAL units."""
    found: dict[int, Place] = {}
    for number, piece in enumerate(pieces):
        for slice_ in piece.plan.slices:
            address = slice_.first if piece.rows == 1 else getattr(slice_.header, "first_mb", None)
            if slice_.header is not None and address is not None:
                found[id(slice_.nal)] = number, address
    return found


def _in_front(nals: Sequence[NalUnit | None]) -> int:
    """Where slices of a field go whose sister's are next: before what announces that."""
    place = len(nals)
    while place and (nal := nals[place - 1]) is not None and nal_type("h264", nal) == _SEI:
        place -= 1
    return place


def _at_end(nals: Sequence[NalUnit | None]) -> int:
    place = len(nals)
    while place and (nal := nals[place - 1]) is not None and nal_type("h264", nal) in _ENDS:
        place -= 1
    return place
