"""NAL units: Annex B byte streams, length-prefixed samples (avcC/hvcC), emulation prevention."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

log = logging.getLogger(__name__)

Codec = Literal["h264", "hevc"]
PARAMETER_SETS: dict[Codec, tuple[int, ...]] = {"h264": (7, 8, 13, 15), "hevc": (32, 33, 34)}
START_CODE = b"\x00\x00\x00\x01"
START_CODE_PREFIX = b"\x00\x00\x01"
"""What every start code ends with; the zero before it is needed at the beginning of an access unit only (B.1.2)."""
_IMPOSSIBLE = re.compile(rb"\x00\x00[\x00-\x02]")
_BETWEEN = re.compile(rb"\x00\x00+\x01|\x00\x00[\x00-\x02]")
"""A start code with the zeros before it, or what cannot stand in a unit."""
_ESCAPE = re.compile(rb"\x00\x00(?=[\x00-\x03])")


@dataclass(slots=True, unsafe_hash=True)  # frozen=True costs more than all else in making one
class NalUnit:
    """One NAL unit as it came, with its emulation prevention bytes. Not to be changed."""

    data: bytes
    """Header and payload, without start code or length prefix."""
    offset: int = 0
    """Place of data[0] in the payload (or, from a stream parser, in the stream) it came from."""
    damaged_at: int | None = None
    """Index into data from which bytes are missing or not to be trusted; None = whole."""


@dataclass(slots=True)
class Framing:
    """How a stream wraps its NAL units, and the parameter sets its header carried."""

    length_size: int = 0
    """Bytes of the length prefix, 1..4; 0 = Annex B start codes."""
    parameter_sets: list[NalUnit] = field(default_factory=list)


def escape(rbsp: bytes) -> bytes:
    """Insert emulation prevention bytes (H.264 7.4.1, HEVC 7.4.2)."""
    ebsp = _ESCAPE.sub(b"\x00\x00\x03", rbsp)
    return ebsp + b"\x03" if ebsp.endswith(b"\x00") else ebsp


def unescape(ebsp: bytes) -> bytes:
    """Remove emulation prevention bytes."""
    return ebsp.replace(b"\x00\x00\x03", b"\x00\x00")


def split_annexb(payload: bytes) -> list[NalUnit]:
    """NAL units between start codes; bytes before the first start code and empty units are left out."""
    nals = []
    start = payload.find(START_CODE_PREFIX)
    while start >= 0:
        start += 3
        end = payload.find(START_CODE_PREFIX, start)
        data = payload[start : end if end >= 0 else None].rstrip(b"\x00")
        if data:
            nals.append(NalUnit(data, start))
        start = end
    return nals


def split_clean(payload: bytes, length_size: int) -> list[NalUnit] | None:
    """The units of a sample in which all is as it ought to be, as `split_sample` and `mark_zeros` would give them; None
    of any other. It is read once. length_size: 0 = start codes."""
    nals = []
    if not length_size:
        if not payload.startswith((START_CODE, START_CODE_PREFIX)):
            return None
        start = -1
        for found in _BETWEEN.finditer(payload):
            code, behind = found.span()
            if payload[behind - 1] != 1:
                return None
            if code > start >= 0:
                nals.append(NalUnit(payload[start:code], start))
            start = behind
        last = payload[start:]
        if not last or last.endswith(b"\x00"):
            return None
        nals.append(NalUnit(last, start))
        return nals
    if payload.startswith(START_CODE):
        return None
    position, size = 0, len(payload)
    while position < size:
        start = position + length_size
        position = start + int.from_bytes(payload[position:start], "big")
        if position > size or position == start:
            return None
        data = payload[start:position]
        if _IMPOSSIBLE.search(data) is not None:
            return None
        nals.append(NalUnit(data, start))
    return nals


def split_length_prefixed(payload: bytes, length_size: int) -> tuple[list[NalUnit], bool]:
    """NAL units of one MP4/Matroska sample, and whether a length in it was wrong.

    A length that reaches past the end gives a unit cut there, with `damaged_at` set; if start codes
    follow, reading goes on at them. A sample that begins with a start code is read as Annex B, as
    decoders do; one length around several units with start codes between them gives those units.
    Raises ValueError unless length_size is 1..4.
    """
    if not 1 <= length_size <= 4:
        raise ValueError(f"length_size must be 1..4, got {length_size}")
    if payload.startswith(START_CODE):
        # As a length this would be a unit of one byte, which no encoder puts first.
        return split_annexb(payload), False
    nals: list[NalUnit] = []
    pos, size = 0, len(payload)
    while pos + length_size <= size:
        length = int.from_bytes(payload[pos : pos + length_size], "big")
        pos += length_size
        if length == 0:
            continue
        if pos + length > size:
            if payload.startswith(START_CODE_PREFIX):
                return split_annexb(payload), False
            return nals + _resynchronised(payload, pos), True
        data = payload[pos : pos + length]
        nals += [NalUnit(data, pos)] if START_CODE_PREFIX not in data else _within(data, pos)
        pos += length
    return nals, pos < size and any(payload[pos:])


def _within(data: bytes, pos: int) -> list[NalUnit]:
    """The units of one length that has start codes in it: no unit can hold one (7.4.1)."""
    code = data.find(START_CODE_PREFIX)
    first = data[:code].rstrip(b"\x00")
    nals = [NalUnit(first, pos)] if first else []
    return nals + [replace(nal, offset=nal.offset + pos + code) for nal in split_annexb(data[code:])]


def split_sample(payload: bytes, length_size: int) -> tuple[list[NalUnit], bool]:
    """As `split_length_prefixed`, whatever the header says of the framing. length_size: 0 = start codes.

    Some muxers leave samples as they are and write the header of the other framing.
    """
    if length_size:
        return split_length_prefixed(payload, length_size)
    if payload.lstrip(b"\x00")[:1] != b"\x01":
        nals, wrong = split_length_prefixed(payload, 4)
        if nals and not wrong:
            return nals, False
    return split_annexb(payload), False


def mark_zeros(codec: Codec, nal: NalUnit) -> NalUnit:
    """A slice with `damaged_at` set where it holds what cannot stand in a unit: 00 00 00 to 00 00 02 (7.4.1).

    At its end too, where a byte stream may have zeros behind a unit: an intact slice then ends before them, and is
    decoded alike without.
    """
    kind = nal_type(codec, nal)
    if not (1 <= kind <= 5 if codec == "h264" else kind <= 31):
        return nal
    found = _IMPOSSIBLE.search(nal.data)
    if found is None or (nal.damaged_at is not None and nal.damaged_at <= found.start()):
        return nal
    return replace(nal, damaged_at=found.start())


def _resynchronised(payload: bytes, pos: int) -> list[NalUnit]:
    """What can be had of payload[pos:] after a wrong length: one cut unit, then any with start codes."""
    code = payload.find(START_CODE_PREFIX, pos)
    cut = payload[pos : code if code >= 0 else None]
    nals = [NalUnit(cut, pos, len(cut))] if cut else []
    if code >= 0:
        nals += [replace(nal, offset=nal.offset + code) for nal in split_annexb(payload[code:])]
    return nals


def join_annexb(nals: Iterable[NalUnit]) -> bytes:
    """Byte stream with a four-byte start code before each unit."""
    return b"".join(START_CODE + nal.data for nal in nals)


def join_length_prefixed(nals: Iterable[NalUnit], length_size: int) -> bytes:
    """One sample. Raises OverflowError if a unit is too long for the prefix."""
    return b"".join(len(nal.data).to_bytes(length_size, "big") + nal.data for nal in nals)


def parse_extradata(codec: Codec, extradata: bytes | None) -> Framing:
    """Framing from avcC (ISO/IEC 14496-15 5.3.3), hvcC (8.3.3), an Annex B header, or nothing.

    Never raises: what cannot be read is left out.
    """
    if not extradata:
        return Framing()
    if extradata.startswith((START_CODE_PREFIX, START_CODE)):
        return Framing(0, split_annexb(extradata))
    parse = _parse_avcc if codec == "h264" else _parse_hvcc
    framing = parse(extradata)
    if framing is None:
        log.debug("extradata of %d bytes not understood, Annex B assumed", len(extradata))
        return Framing(0, split_annexb(extradata))
    return framing


def _parse_avcc(box: bytes) -> Framing | None:
    if len(box) < 7 or box[0] != 1:
        return None
    nals: list[NalUnit] = []
    pos = _take(box, 6, box[5] & 31, nals)
    if pos < len(box):
        _take(box, pos + 1, box[pos], nals)
    return Framing((box[4] & 3) + 1, nals)


def _parse_hvcc(box: bytes) -> Framing | None:
    # Version 0 was written by early muxers with the same layout.
    if len(box) < 23 or box[0] > 1:
        return None
    nals: list[NalUnit] = []
    pos = 23
    for _ in range(box[22]):
        if pos + 3 > len(box):
            break
        pos = _take(box, pos + 3, int.from_bytes(box[pos + 1 : pos + 3], "big"), nals)
    return Framing((box[21] & 3) + 1, nals)


def _take(box: bytes, pos: int, count: int, nals: list[NalUnit]) -> int:
    """Append `count` units with two-byte lengths; return the position after them."""
    for _ in range(count):
        size = int.from_bytes(box[pos : pos + 2], "big")
        pos += 2
        if size and pos + size <= len(box):
            nals.append(NalUnit(box[pos : pos + size], pos))
        pos += size
    return pos


def nal_type(codec: Codec, nal: NalUnit) -> int:
    """nal_unit_type."""
    return nal.data[0] & 31 if codec == "h264" else nal.data[0] >> 1 & 63


def base_layer(codec: Codec, nals: list[NalUnit]) -> list[NalUnit]:
    """Without HEVC units of layers above the base layer, which needs none of them; `nals` itself if there are none."""
    if codec == "h264" or not any(nal.data[0] & 1 or nal.data[1] >> 3 for nal in nals):
        return nals
    return [nal for nal in nals if not nal.data[0] & 1 and not nal.data[1] >> 3]


def mark_gaps(nals: Sequence[NalUnit], gaps: Sequence[int]) -> tuple[list[NalUnit], list[bool], bool]:
    """Put transport gaps where they belong.

    `gaps` are places, in the same coordinates as `NalUnit.offset`, before which bytes are missing.
    Returns the units, `damaged_at` set in those with a gap inside; for each unit whether something is
    missing between it and the unit before; and whether something is missing after the last.
    """
    marked, before, after = list(nals), [False] * len(nals), False
    for gap in gaps:
        index = len(marked) - 1
        while index >= 0 and gap <= marked[index].offset:
            index -= 1
        if index < 0:
            if before:
                before[0] = True
            else:
                after = True
            continue
        nal = marked[index]
        inside = gap - nal.offset
        if inside < len(nal.data):
            if nal.damaged_at is None or inside < nal.damaged_at:
                marked[index] = replace(nal, damaged_at=inside)
        elif index + 1 < len(before):
            before[index + 1] = True
        else:
            after = True
    return marked, before, after
