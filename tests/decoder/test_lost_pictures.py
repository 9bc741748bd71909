"""Lost H.264 IDR pictures in streams without timestamps, where only the counting tells of them."""

from __future__ import annotations

from functools import cache

import pytest

from concealer.bitstream import AccessUnit
from concealer.bitstream.nal import join_annexb
from concealer.decoder import ConcealingDecoder, DecodedPicture
from concealer.repair import Repairer
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse

PICTURES = 30


@cache
def access_units(bframes: int, gop: int) -> list[AccessUnit]:
    # frame_num and POC have as few bits as the length of the group allows: they soon go round.
    return parse(encode_bytes(clip(PICTURES, 176, 144), "h264", slices=2, bframes=bframes, gop=gop), "h264")


@cache
def without_idr() -> list[AccessUnit]:
    """frame_num goes round every 16 pictures, and no IDR picture follows the first."""
    extra: dict[str, str | int] = {"intra-refresh": 1}
    return parse(encode_bytes(clip(40, 176, 144), "h264", slices=2, gop=8, extra=extra), "h264")


def decode(units: list[AccessUnit], lost: set[int]) -> list[DecodedPicture]:
    """pts: numbers of the payloads that arrived, as for a stream that has no times."""
    decoder = ConcealingDecoder("h264", repair=Repairer(), container_framed=True)
    pictures = []
    arrived = [unit for number, unit in enumerate(units) if number not in lost]
    for number, unit in enumerate(arrived):
        pictures += decoder.decode(join_annexb(unit.nals), pts=number)
    pictures += decoder.flush()
    decoder.close()
    return pictures


@pytest.mark.parametrize("bframes", [0, 3])
@pytest.mark.parametrize("gop", [8, 12, 20])
def test_one_lost_idr_picture_is_one_picture(bframes: int, gop: int) -> None:
    units = access_units(bframes, gop)
    idr = [number for number, unit in enumerate(units) if unit.is_idr]
    pictures = decode(units, set(idr[1:]))
    assert len(pictures) == PICTURES
    made_up = [place for place, picture in enumerate(pictures) if picture.damage.hole.all()]
    assert made_up == idr[1:]


def test_idr_picture_lost_with_the_next() -> None:
    units = access_units(0, 12)
    pictures = decode(units, {12, 13})
    assert len(pictures) == PICTURES
    assert [place for place, picture in enumerate(pictures) if picture.damage.hole.all()] == [12, 13]


def test_other_gaps_are_counted_as_they_are() -> None:
    units = access_units(0, 20)
    pictures = decode(units, {6, 7, 8})
    assert len(pictures) == PICTURES
    assert [place for place, picture in enumerate(pictures) if picture.damage.hole.all()] == [6, 7, 8]


def test_gap_where_counting_goes_round_by_itself() -> None:
    units = without_idr()
    assert [unit.frame_num for unit in units[14:18]] == [14, 15, 0, 1] and not any(unit.is_idr for unit in units[1:])
    pictures = decode(units, {30, 31, 32})
    assert len(pictures) == len(units)
    assert [place for place, picture in enumerate(pictures) if picture.damage.hole.all()] == [30, 31, 32]
