"""How fields are to be shown, from picture timing messages."""

from __future__ import annotations

import pytest

from concealer.bitstream import h264
from tests.decoder.interlaced_streams import telecined, woven
from tests.decoder.streams import access_units
from tests.media import clip, encode_bytes

HRD: dict[str, str | int] = {"nal-hrd": "vbr", "vbv-maxrate": 800, "vbv-bufsize": 400}
COLOURS: dict[str, str | int] = {"colorprim": "bt709", "videoformat": "pal", "overscan": "show", "chromaloc": 1}


def structures(data: bytes) -> set[int | None]:
    found = set()
    for unit in access_units(data, "h264"):
        assert isinstance(unit.sps, h264.Sps)
        found.add(h264.pic_struct(unit.sps, unit.nals))
    return found


@pytest.mark.parametrize("further", [{}, HRD, COLOURS, {**HRD, **COLOURS}], ids=["plain", "hrd", "colours", "both"])
@pytest.mark.parametrize(("order", "expected"), [("tff", 3), ("bff", 4)])
def test_field_order_is_read_behind_whatever_stands_before_it(
    order: str, expected: int, further: dict[str, str | int]
) -> None:
    frames = woven(6, 96, 96, bottom_first=order == "bff")
    assert structures(encode_bytes(frames, "h264", extra={order: 1, "pic-struct": 1, **further})) == {expected}


def test_streams_that_do_not_tell_have_none() -> None:
    assert structures(encode_bytes(clip(4, 96, 96), "h264")) == {None}


def test_a_repeated_first_field_is_told() -> None:
    found = []
    for unit in telecined():
        assert isinstance(unit.sps, h264.Sps)
        found.append(h264.pic_struct(unit.sps, unit.nals))
    assert found == [h264.BOTTOM_TOP_BOTTOM, 4] * 6


@pytest.mark.parametrize("end", range(1, 30))
def test_what_is_cut_tells_nothing_or_what_it_did(end: int) -> None:
    unit = telecined()[0]
    assert isinstance(unit.sps, h264.Sps)
    cut = h264.parse_sps(unit.sps.nal)
    cut.nal = type(cut.nal)(unit.sps.nal.data[:end])
    assert h264.pic_struct(cut, unit.nals) in (None, *range(9))
