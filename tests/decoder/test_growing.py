"""Streams joined in their middle: what of their pictures is real, and which are flagged."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.bitstream import PARAMETER_SETS, AccessUnit, Codec, StreamParser, join_annexb, nal_type
from concealer.decoder import DecodedPicture
from concealer.front_door import open_decoder
from concealer.repair import Repairer
from tests.media import clip, encode_bytes

GOP, PICTURES, START = 20, 50, 8


def _units(codec: Codec, bframes: int = 0, **extra: int) -> list[AccessUnit]:
    parser = StreamParser(codec)
    data = encode_bytes(clip(PICTURES), codec, bframes=bframes, gop=GOP, crf=22, extra=extra)
    return parser.push(data) + parser.flush()


def _decoded(units: list[AccessUnit], codec: Codec, start: int = 0) -> dict[int, DecodedPicture]:
    """By place in output order, from access unit `start` on."""
    decoder = open_decoder(codec, repairer=Repairer(), container_framed=True)
    sets = [nal for nal in units[0].nals if nal_type(codec, nal) in PARAMETER_SETS[codec]]
    pictures = []
    for number, unit in enumerate(units[start:]):
        head = sets if number == 0 and start else []
        pictures += decoder.decode(join_annexb([*head, *unit.nals]), pts=unit.order)
    pictures += decoder.flush()
    decoder.close()
    return {one.pts: one for one in pictures if one.pts is not None}


def _luma(picture: DecodedPicture) -> np.ndarray:
    return picture.frame.to_ndarray(format="gray8")


def test_intra_refresh_grows_until_it_is_exactly_what_was_sent() -> None:
    units = _units("h264", **{"intra-refresh": 1})
    whole, joined = _decoded(units, "h264"), _decoded(units, "h264", START)
    assert list(joined) == sorted(joined)
    assert len(joined) == PICTURES - START
    real = [one.real for one in joined.values() if one.lacks_references]
    assert real[0] < 0.2
    assert real[-1] > 0.9
    assert real[-GOP // 2 :] == sorted(real[-GOP // 2 :])
    clean = [order for order, one in joined.items() if not one.lacks_references]
    assert 0 < len(real) == PICTURES - START - len(clean) < 2 * GOP
    assert clean == list(joined)[-len(clean) :]
    for order in clean:
        assert np.array_equal(_luma(joined[order]), _luma(whole[order]))


def test_what_is_told_to_be_real_is_what_was_sent() -> None:
    """Block by block: those of a picture that lacks references which hang on none of them."""
    units = _units("h264", **{"intra-refresh": 1})
    whole, joined = _decoded(units, "h264"), _decoded(units, "h264", START)
    seen = 0
    for order, one in joined.items():
        real = np.kron(one.damage.state == 0, np.ones((16, 16), np.bool_))
        have, want = _luma(one), _luma(whole[order])
        real = real[: have.shape[0], : have.shape[1]]
        seen += one.lacks_references and bool(real.any())
        assert np.array_equal(have[real], want[real])
    assert seen > 5


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_nothing_is_clean_that_is_not_what_was_sent(codec: Codec) -> None:
    """With open GOPs, leading pictures of the first intra picture refer to what lies before the join."""
    units = _units(codec, bframes=3, **{"open-gop": 1})
    whole = _decoded(units, codec)
    for start in (3, 8, 13, 18):
        joined = _decoded(units, codec, start)
        lacking = sum(one.lacks_references for one in joined.values())
        assert 0 < lacking < len(joined)
        for order, one in joined.items():
            if not one.lacks_references:
                assert np.array_equal(_luma(one), _luma(whole[order])), (start, order)


def test_a_stream_that_begins_at_its_beginning_lacks_nothing() -> None:
    units = _units("h264", **{"intra-refresh": 1})
    assert not any(one.lacks_references or one.damage.state.any() for one in _decoded(units, "h264").values())
