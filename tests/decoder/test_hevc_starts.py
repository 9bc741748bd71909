"""HEVC recordings that start or go on where a broadcaster cut: BLA pictures; and joins at a recovery point."""

from __future__ import annotations

import pytest

from concealer.bitstream import NalUnit, join_annexb, nal_type
from concealer.bitstream.access_unit import AccessUnit
from tests.decoder.streams import access_units, decode
from tests.media import clip, encode_bytes

CRA, BLA_W_LP, BLA_W_RADL, BLA_N_LP = 21, 16, 17, 18


def open_gops() -> list[AccessUnit]:
    """CRA pictures at 0, 12, 24, with RASL pictures behind all but the first."""
    data = encode_bytes(clip(36, 176, 144), "hevc", bframes=3, gop=12, extra={"open-gop": 1})
    units = access_units(data, "hevc")
    assert sum(unit.is_rasl for unit in units) >= 4
    return units


def retyped(nal: NalUnit, kind: int) -> NalUnit:
    """A slice of a CRA picture as one of another IRAP type, which has the same header."""
    if nal_type("hevc", nal) != CRA:
        return nal
    return NalUnit(bytes((nal.data[0] & 0x81 | kind << 1,)) + nal.data[1:])


@pytest.mark.parametrize("kind", [BLA_W_LP, BLA_W_RADL, BLA_N_LP])
@pytest.mark.parametrize("start", [0, 1], ids=["in the middle", "at the start"])
def test_a_bla_picture_is_no_damage(start: int, kind: int) -> None:
    """Its RASL pictures refer to what another stream held: decoders leave them out, and so do we, without a word."""
    units = open_gops()
    irap = [place for place, unit in enumerate(units) if unit.is_irap]
    if start:
        units = units[irap[1] :]
        irap = [place - irap[1] for place in irap[1:]]
    cut = irap[0] if start else irap[1]
    payloads, left_out = [], 0
    behind = False
    for place, unit in enumerate(units):
        behind = place >= cut and (behind or place == cut) and not (place > cut and unit.is_irap)
        if behind and unit.is_rasl:
            left_out += 1
            if kind != BLA_W_LP:  # has none
                continue
        payloads.append(join_annexb(retyped(nal, kind) if place == cut else nal for nal in unit.nals))
    pictures = decode(payloads, "hevc")
    assert left_out
    assert len(pictures) == len(units) - left_out
    assert not any(picture.synthesised or picture.damage.any_hole for picture in pictures)
    times = [picture.pts for picture in pictures]
    assert len(set(times)) == len(times)
