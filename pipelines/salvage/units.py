"""NAL units behind lengths in bytes that nothing describes: what can be one by its own content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from concealer.bitstream import (
    BitReader,
    BitstreamError,
    Codec,
    NalUnit,
    SliceHeader,
    h264,
    hevc,
    nal_type,
    unescape,
)
from pipelines.salvage.media import Media

PREFIX = 4
"""Bytes of a length: what every encoder of this century writes into MP4."""
MOST_BYTES = 1 << 23
"""Of one unit: a picture of level 6.2 stays below."""
_BLOCK = 1 << 24
_HEAD = 100
"""Bytes of a slice that its header lies in."""
_SEI_MOST = 4096


@dataclass(frozen=True, slots=True)
class Unit:
    """What may be one NAL unit."""

    start: int
    """Of its length, in the file."""
    end: int
    kind: int
    """nal_unit_type."""
    weight: float
    """How much speaks for it."""
    header: SliceHeader | None = None
    """Of a slice, where parameter sets are known."""
    first: bool = True
    """Of a slice: it begins a picture."""
    cut: bool = False
    """It ends behind the end of what there is."""


class Grammar(Protocol):
    """What units of one codec look like."""

    codec: Codec

    def heads(self, codes: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which first and second bytes can begin a unit."""

    def judge(self, data: bytes, length: int) -> tuple[float, SliceHeader | None, bool] | None:
        """Of the first bytes of a unit of `length` bytes: what speaks for it, its header, whether it begins a
        picture; None if it is none."""

    def is_slice(self, kind: int) -> bool: ...
    def is_key(self, kind: int) -> bool:
        """Of a slice: decoding can begin there."""

    def begins_picture(self, kind: int) -> bool:
        """What is no slice and stands before the slices of a picture."""


class H264Grammar:
    """H.264."""

    codec: Codec = "h264"
    _HEADS = {1: (0, 1, 2, 3), 5: (1, 2, 3), 6: (0,), 7: (1, 2, 3), 8: (1, 2, 3), 9: (0,), 12: (0,)}
    """nal_ref_idc by nal_unit_type, of what is found in MP4 (7.4.1)."""

    def __init__(self, sets: Sequence[NalUnit] = ()) -> None:
        self.sps: dict[int, h264.Sps] = {}
        self.pps: dict[int, h264.Pps] = {}
        self.take(sets)
        table = np.zeros(256, bool)
        table[[reference << 5 | kind for kind, all_of in self._HEADS.items() for reference in all_of]] = True
        self._table = table

    def take(self, sets: Sequence[NalUnit]) -> None:
        """Know these parameter sets."""
        for kind in (h264.NAL_SPS, h264.NAL_PPS):
            for nal in sets:
                try:
                    if nal_type("h264", nal) == kind == h264.NAL_SPS:
                        sps = h264.parse_sps(nal)
                        self.sps[sps.id] = sps
                    elif nal_type("h264", nal) == kind:
                        pps = h264.parse_pps(nal, self.sps)
                        self.pps[pps.id] = pps
                except BitstreamError:
                    continue

    def heads(self, codes: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        return self._table[codes]

    def is_slice(self, kind: int) -> bool:
        return kind in (h264.NAL_SLICE, h264.NAL_IDR)

    def is_key(self, kind: int) -> bool:
        return kind == h264.NAL_IDR

    def begins_picture(self, kind: int) -> bool:
        return 6 <= kind <= 9

    def judge(self, data: bytes, length: int) -> tuple[float, SliceHeader | None, bool] | None:
        kind = data[0] & 31
        if kind == h264.NAL_AUD:
            return (3, None, True) if length == 2 and data[1] & 31 == 16 else None
        if kind == 12:
            return (1, None, False) if data[1:9].strip(b"\xff") in (b"", b"\x80") else None
        if kind == h264.NAL_SEI:
            return (4, None, True) if _is_sei(data[1:], length - 1) else None
        if kind in (h264.NAL_SPS, h264.NAL_PPS):
            return self._parameter_set(data, length)
        return self._slice(data, length)

    def _parameter_set(self, data: bytes, length: int) -> tuple[float, SliceHeader | None, bool] | None:
        if length > len(data) or length < 4:
            return None
        nal = NalUnit(data[:length])
        try:
            if data[0] & 31 == h264.NAL_SPS:
                sps = h264.parse_sps(nal)
                known = sps.profile_idc in (66, 77, 88, 100, 110, 122, 244, 44)
                return (6, None, True) if known and sps.level_idc in range(9, 63) else None
            pps = h264.parse_pps(nal, self.sps)
        except BitstreamError:
            return None
        return (3, None, True) if pps.num_slice_groups == 1 and pps.id < 32 else None

    def _slice(self, data: bytes, length: int) -> tuple[float, SliceHeader | None, bool] | None:
        if length < 6:
            return None
        try:
            if self.pps:
                header = h264.parse_slice_header(NalUnit(data[: min(length, _HEAD)]), self.sps, self.pps)
                if header.redundant_pic_cnt or not -26 <= header.slice_qp_delta <= 30:
                    return None
                return 1.5, header, header.first_mb == 0
            reader = BitReader(unescape(data[1:17]))
            first, slice_type, pps_id = reader.ue(), reader.ue(), reader.ue()
        except BitstreamError:
            return None
        if first >= 1 << 16 or slice_type > 9 or slice_type % 5 > 2 or pps_id > 3:
            return None
        if data[0] & 31 == h264.NAL_IDR and slice_type % 5 != h264.I:
            return None
        return 1, None, first == 0


class HevcGrammar:
    """HEVC."""

    codec: Codec = "hevc"
    _KINDS = (*range(10), *range(16, 22), 32, 33, 34, 35, 39, 40)

    def __init__(self, sets: Sequence[NalUnit] = ()) -> None:
        self.sps: dict[int, hevc.Sps] = {}
        self.pps: dict[int, hevc.Pps] = {}
        self.take(sets)
        table = np.zeros(256, bool)
        table[[kind << 1 for kind in self._KINDS]] = True
        self._table = table
        self._second = np.zeros(256, bool)
        self._second[1:8] = True

    def take(self, sets: Sequence[NalUnit]) -> None:
        """Know these parameter sets."""
        for nal in sets:
            try:
                kind = nal_type("hevc", nal)
                if kind == hevc.NAL_SPS:
                    sps = hevc.parse_sps(nal)
                    self.sps[sps.id] = sps
                elif kind == hevc.NAL_PPS:
                    pps = hevc.parse_pps(nal)
                    self.pps[pps.id] = pps
            except (BitstreamError, IndexError):
                continue

    def heads(self, codes: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        return self._table[codes] & self._second[second]

    def is_slice(self, kind: int) -> bool:
        return kind < 32

    def is_key(self, kind: int) -> bool:
        return 16 <= kind < 24

    def begins_picture(self, kind: int) -> bool:
        return kind in (32, 33, 34, 35, 39)

    def judge(self, data: bytes, length: int) -> tuple[float, SliceHeader | None, bool] | None:
        kind = data[0] >> 1 & 63
        if kind == hevc.NAL_AUD:
            return (3, None, True) if length == 3 and data[2] & 31 == 16 else None
        if kind in (39, 40):
            return (4, None, kind == 39) if _is_sei(data[2:], length - 2) else None
        if kind >= 32:
            return self._parameter_set(kind, data, length)
        if length < 6:
            return None
        try:
            if self.pps:
                header = hevc.parse_slice_header(NalUnit(data[: min(length, _HEAD)]), self.sps, self.pps)
                if sum(header.entry_points) > length:
                    return None
                return 2, header, header.first_slice_segment
        except BitstreamError:
            # A dependent segment has no header of its own.
            return (1, None, False) if not data[2] & 0x80 and self._depends(data) else None
        return 1, None, bool(data[2] & 0x80)

    def _depends(self, data: bytes) -> bool:
        try:
            reader = BitReader(unescape(data[2:12]))
            reader.skip(2 if 16 <= (data[0] >> 1 & 63) <= 23 else 1)
            pps = self.pps.get(reader.ue())
            return pps is not None and pps.dependent_slices and reader.flag()
        except BitstreamError:
            return False

    def _parameter_set(self, kind: int, data: bytes, length: int) -> tuple[float, SliceHeader | None, bool] | None:
        if length > len(data) or length < 5:
            return None
        nal = NalUnit(data[:length])
        try:
            if kind == hevc.NAL_SPS:
                hevc.parse_sps(nal)
                return 6, None, True
            if kind == hevc.NAL_PPS:
                return (4, None, True) if hevc.parse_pps(nal).id < 16 else None
        except BitstreamError:
            return None
        return (4, None, True) if data[4:6] == b"\xff\xff" else None


def _is_sei(data: bytes, length: int) -> bool:
    """Messages that follow each other to the end of the unit (7.3.2.3.1)."""
    place, count = 0, 0
    if length > _SEI_MOST:
        return False
    plain = unescape(data[:length]).rstrip(b"\x00")
    while place + 2 <= len(plain) and plain[place:] != b"\x80":
        values = []
        for _ in range(2):
            value = 0
            while place < len(plain) and plain[place] == 0xFF:
                value, place = value + 255, place + 1
            if place >= len(plain):
                return False
            values.append(value + plain[place])
            place += 1
        if values[0] > 250:
            return False
        place += values[1]
        count += 1
    return count > 0 and plain[place:] == b"\x80"


def candidates(media: Media, start: int, end: int, grammar: Grammar, cut: bool) -> Iterator[Unit]:
    """All that can be units from start to end, by their place. cut: the end is where bytes are missing.

    Raises Interrupted.
    """
    data = media.data
    for base in range(start, end, _BLOCK):
        media.go_on()
        block = np.frombuffer(data[base : min(base + _BLOCK + PREFIX + 2, end)], np.uint8)
        count = min(len(block) - PREFIX - 1, _BLOCK)
        if count <= 0:
            return
        fits = (block[:count] == 0) & (block[1 : count + 1] < MOST_BYTES >> 16)
        fits &= grammar.heads(block[PREFIX : count + PREFIX], block[PREFIX + 1 : count + PREFIX + 1])
        for offset in np.flatnonzero(fits).tolist():
            unit = unit_at(data, base + offset, end, grammar, cut)
            if unit is not None:
                yield unit


def unit_at(data: memoryview, place: int, end: int, grammar: Grammar, cut: bool = False) -> Unit | None:
    """What can be a unit, with its length, at a place."""
    length = int.from_bytes(data[place : place + PREFIX], "big")
    stop = place + PREFIX + length
    if length < 2 or (stop > end and not cut):
        return None
    begin = place + PREFIX
    head = bytes(data[begin : min(begin + _HEAD, stop, end)])
    kind = head[0] & 31 if grammar.codec == "h264" else head[0] >> 1 & 63
    if not grammar.is_slice(kind):
        head = bytes(data[begin : min(begin + _SEI_MOST, stop, end)])
    judged = grammar.judge(head, length) if len(head) > 2 or length == 2 else None
    if judged is None:
        return None
    weight, header, first = judged
    return Unit(place, min(stop, end), kind, weight, header, first, stop > end)
