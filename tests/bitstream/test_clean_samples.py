"""The short way for samples without a fault must give what the long way gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concealer.bitstream.nal import (
    Codec,
    NalUnit,
    join_annexb,
    join_length_prefixed,
    mark_zeros,
    split_clean,
    split_sample,
)
from tests.decoder.streams import access_units, stream


def long_way(codec: Codec, payload: bytes, length_size: int) -> tuple[list[NalUnit], bool]:
    nals, wrong = split_sample(payload, length_size)
    return [mark_zeros(codec, nal) for nal in nals], wrong


@given(
    st.lists(st.binary(min_size=0, max_size=12).map(lambda data: bytes(byte % 5 for byte in data)), max_size=6),
    st.sampled_from([0, 1, 2, 4]),
    st.binary(max_size=4),
    st.sampled_from(["h264", "hevc"]),
)
def test_whatever_is_split_is_split_alike(parts: list[bytes], length_size: int, tail: bytes, codec: Codec) -> None:
    """Units of few values, so that start codes, zeros and lengths of all kinds come about."""
    units = [NalUnit(part) for part in parts]
    payload = (join_length_prefixed(units, length_size) if length_size else join_annexb(units)) + tail
    clean = split_clean(payload, length_size)
    if clean is not None:
        assert (clean, False) == long_way(codec, payload, length_size)


@given(st.binary(max_size=40).map(lambda data: bytes(byte % 4 for byte in data)), st.sampled_from([0, 1, 2, 4]))
def test_garbage_is_split_alike_or_not_at_all(payload: bytes, length_size: int) -> None:
    clean = split_clean(payload, length_size)
    if clean is not None:
        assert (clean, False) == long_way("h264", payload, length_size)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("length_size", [0, 4])
def test_what_encoders_make_takes_the_short_way(codec: Codec, length_size: int) -> None:
    for unit in access_units(stream(codec), codec):
        nals = unit.nals
        sample = join_length_prefixed(nals, length_size) if length_size else join_annexb(nals)
        clean = split_clean(sample, length_size)
        assert clean is not None
        assert [nal.data for nal in clean] == [nal.data for nal in nals]
