"""The IDR picture written for a lost one, through the real decoder."""

from __future__ import annotations

import pytest

from concealer.bitstream import MissingPicture, join_annexb
from concealer.standins.whole import lost_idr_standin
from tests.media import clip, encode_bytes
from tests.standins.splicing import decode, parse


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray", "yuv420p10le"])
@pytest.mark.parametrize("cabac", [0, 1])
def test_lost_idr_picture_is_grey_and_begins_anew(pix_fmt: str, cabac: int) -> None:
    stream = encode_bytes(clip(4, 176, 144), "h264", slices=2, pix_fmt=pix_fmt, extra={"cabac": cabac})
    *before, last = parse(stream, "h264")
    made = lost_idr_standin(last, MissingPicture("h264", 0, 8, 0, is_idr=True))
    assert made is not None and len(made[0].data) < 1000
    pictures, complaints, _ = decode(stream + join_annexb(made), "h264")
    assert not complaints and len(pictures) == len(before) + 2
    grey = 512 if pix_fmt.endswith("10le") else 128
    assert all((plane == grey).all() for plane in pictures[-1])
    assert parse(stream + join_annexb(made), "h264")[-1].is_idr
    assert lost_idr_standin(last, MissingPicture("h264", 8, 8, 4)) is None
