"""From units to samples: which units are one picture, and where it belongs in decode order and in output order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from concealer.bitstream import START_CODE, Codec, NalUnit, Slice, SliceHeader, StreamParser, h264, hevc, join_annexb
from pipelines.salvage.units import PREFIX, Grammar, Unit

_HEAD = 160
"""Bytes of a unit that tell where its picture belongs."""
_LIKELY_STEPS = (1, 2)
"""Differences of PicOrderCnt between pictures one behind the other."""


@dataclass(slots=True)
class Picture:
    """One sample of video."""

    start: int
    end: int
    key: bool = False
    """Decoding can begin there."""
    cut: bool = False
    whole_start: bool = True
    """It begins with what its picture begins with."""
    units: list[Unit] = field(default_factory=list)
    place: int = 0
    """In output order, with the places of pictures that are known to be missing; counted from 0."""
    begins: bool = False
    """Its place is counted anew from here on: nobody can tell how many are missing before it."""
    group: int = 0
    """Place of the one before it that begins so, or its own."""
    turn: int = 1 << 30
    """Pictures after which their numbers are the same."""


def gather(units: Sequence[Unit], grammar: Grammar) -> list[Picture]:
    """Pictures of a row of units, in order."""
    pictures: list[Picture] = []
    now: Picture | None = None
    last: Unit | None = None
    for unit in units:
        if now is None or unit.start != now.end or _parts(now, last, unit, grammar):
            now = Picture(unit.start, unit.start)
            pictures.append(now)
            last = None
        now.units.append(unit)
        now.end, now.cut = unit.end, unit.cut
        if grammar.is_slice(unit.kind):
            if last is None:
                now.whole_start = unit.first
            now.key |= grammar.is_key(unit.kind)
            last = unit
    return _of_slices(pictures, grammar)


def _of_slices(pictures: list[Picture], grammar: Grammar) -> list[Picture]:
    """Without samples that hold no slice, and without second pieces of a picture that a hole divides."""
    kept: list[Picture] = []
    for picture in pictures:
        first = next((unit for unit in picture.units if grammar.is_slice(unit.kind)), None)
        if first is None:
            continue
        if not picture.whole_start and kept and first.header is not None:
            before = next((u for u in reversed(kept[-1].units) if u.header is not None), None)
            if before is not None and before.header is not None and not _differ(before.header, first.header):
                continue
        kept.append(picture)
    return kept


def _parts(now: Picture, last: Unit | None, unit: Unit, grammar: Grammar) -> bool:
    """Whether a unit behind others of a picture begins the next."""
    if last is None:
        return False
    if not grammar.is_slice(unit.kind):
        return grammar.begins_picture(unit.kind) and not _waits(now, grammar)
    if last.header is None or unit.header is None:
        return unit.first
    if _second_field(now, unit, grammar):
        return False
    return unit.first or _differ(last.header, unit.header)


def _fields(now: Picture, grammar: Grammar) -> list[h264.SliceHeader]:
    found = [u.header for u in now.units if isinstance(u.header, h264.SliceHeader) and grammar.is_slice(u.kind)]
    return found if found and found[0].field_pic else []


def _waits(now: Picture, grammar: Grammar) -> bool:
    """It is one field, whose pair may follow."""
    fields = _fields(now, grammar)
    return bool(fields) and all(field.bottom_field == fields[0].bottom_field for field in fields)


def _second_field(now: Picture, unit: Unit, grammar: Grammar) -> bool:
    header = unit.header
    fields = _fields(now, grammar)
    if not isinstance(header, h264.SliceHeader) or not fields or not header.field_pic:
        return False
    if header.bottom_field == fields[-1].bottom_field:
        return not unit.first
    return header.frame_num == fields[0].frame_num and _waits(now, grammar)


def _differ(one: SliceHeader, other: SliceHeader) -> bool:
    """Whether two slices are of two pictures."""
    if isinstance(one, h264.SliceHeader) and isinstance(other, h264.SliceHeader):
        numbers = ("frame_num", "poc_lsb", "is_idr", "idr_pic_id", "bottom_field")
        return any(getattr(one, n) != getattr(other, n) for n in numbers) or (not one.nal_ref_idc) != (
            not other.nal_ref_idc
        )
    return getattr(one, "poc_lsb", 0) != getattr(other, "poc_lsb", 0)


def place_all(data: memoryview, pictures: Sequence[Picture], codec: Codec, sets: Sequence[NalUnit]) -> None:
    """Give every picture its place in output order by its PicOrderCnt (H.264 8.2.1, HEVC 8.3.1)."""
    parser = StreamParser(codec, join_annexb(sets), container_framed=True)
    found: dict[int, tuple[int | None, bool]] = {}
    for number, picture in enumerate(pictures):
        for au in parser.push(_heads(data, picture), tag=number):
            if au.tag is not None:
                restarts = au.is_idr or (codec == "hevc" and _has_no_past(au.slices))
                found[au.tag] = au.poc, restarts
    for au in parser.flush():
        if au.tag is not None:
            found[au.tag] = au.poc, au.is_idr
    step = _order(pictures, [found.get(number, (None, False)) for number in range(len(pictures))])
    for picture in pictures:
        header = next((unit.header for unit in picture.units if unit.header is not None), None)
        picture.turn = _turn(header) // step


def _turn(header: SliceHeader | None) -> int:
    """PicOrderCnt after which its coded part is the same."""
    if isinstance(header, h264.SliceHeader):
        sps = header.sps
        return 1 << (sps.log2_max_poc_lsb if sps.poc_type == 0 else sps.log2_max_frame_num + 1)
    return 1 << (header.sps.log2_max_poc_lsb if header is not None else 30)


def _has_no_past(slices: Sequence[Slice]) -> bool:
    """A BLA picture: PicOrderCnt counts from it."""
    header = next((one.header for one in slices if one.header is not None), None)
    return header is not None and hevc.NAL_BLA_W_LP <= header.nal_unit_type <= hevc.NAL_BLA_N_LP


def _heads(data: memoryview, picture: Picture) -> bytes:
    return b"".join(
        START_CODE + bytes(data[u.start + PREFIX : min(u.end, u.start + PREFIX + _HEAD)]).rstrip(b"\x00")
        for u in picture.units
    )


def _order(pictures: Sequence[Picture], known: Sequence[tuple[int | None, bool]]) -> int:
    """Set their places; returns by how much PicOrderCnt grows from one to the next."""
    step = _step(known)
    top = -1
    for begin, end in _sequences(known):
        pocs = [poc for poc, _ in known[begin:end] if poc is not None]
        least = min(pocs, default=0)
        base = top + 1 - least // step
        for number in range(begin, end):
            poc, picture = known[number][0], pictures[number]
            picture.place = top + 1 if poc is None else base + poc // step
            picture.begins, picture.group = number == begin, base
            top = max(top, picture.place)
    first = min((picture.place for picture in pictures), default=0)
    for picture in pictures:
        picture.place -= first
        picture.group -= first
    return step


def _sequences(known: Sequence[tuple[int | None, bool]]) -> list[tuple[int, int]]:
    starts = [number for number, (_, restarts) in enumerate(known) if restarts or number == 0]
    return list(zip(starts, [*starts[1:], len(known)], strict=True))


def _step(known: Sequence[tuple[int | None, bool]]) -> int:
    """By how much PicOrderCnt grows from picture to picture, as a rule."""
    counted: Counter[int] = Counter()
    run: list[int] = []
    for poc, restarts in [*known, (None, True)]:
        if restarts:
            run.sort()
            counted.update(b - a for a, b in zip(run, run[1:], strict=False) if b > a)
            run = []
        if poc is not None:
            run.append(poc)
    common = [step for step, count in counted.most_common(2) if step in _LIKELY_STEPS]
    return common[0] if common else min(counted, default=1)
