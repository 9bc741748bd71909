from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concealer.bitstream.bits import BitReader, BitstreamError, BitWriter
from concealer.bitstream.nal import (
    NalUnit,
    escape,
    join_annexb,
    join_length_prefixed,
    mark_gaps,
    mark_zeros,
    parse_extradata,
    split_annexb,
    split_length_prefixed,
    split_sample,
    unescape,
)

zero_rich = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), max_size=60).map(bytes)


def _escape_by_bytes(rbsp: bytes) -> bytes:
    """7.4.1 word for word."""
    out, zeros = bytearray(), 0
    for byte in rbsp:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    if out and out[-1] == 0:
        out.append(3)
    return bytes(out)


@given(zero_rich)
def test_escape_follows_the_specification(rbsp: bytes) -> None:
    assert escape(rbsp) == _escape_by_bytes(rbsp)


@given(zero_rich)
def test_unescape_inverts_escape(rbsp: bytes) -> None:
    restored = unescape(escape(rbsp))
    # The byte after a final zero (cabac_zero_words) carries nothing.
    assert restored == rbsp or (rbsp.endswith(b"\x00") and restored == rbsp + b"\x03")


@given(st.lists(st.tuples(st.integers(0, 32), st.integers(0, 2**32 - 2)), max_size=20))
def test_bits_written_are_read(fields: list[tuple[int, int]]) -> None:
    w = BitWriter()
    for count, value in fields:
        w.u(value, count)
        w.ue(value)
        w.se(value // 2 * (-1) ** count)
    r = BitReader(w.aligned())
    for count, value in fields:
        assert r.u(count) == value % (1 << count)
        assert r.ue() == value
        assert r.se() == value // 2 * (-1) ** count
    assert not r.more_rbsp_data()


def test_reading_past_the_end_raises() -> None:
    for read in (BitReader.flag, BitReader.ue, lambda r: r.u(1), lambda r: r.skip(1)):
        with pytest.raises(BitstreamError):
            read(BitReader(b""))
    with pytest.raises(BitstreamError):
        BitReader(b"\x00\x00\x00\x00\x00\xff").ue()


def test_annexb_places_and_trailing_zeros() -> None:
    stream = b"junk\x00\x00\x00\x01\x67abc\x00\x00\x00\x00\x01\x68d\x00\x00\x01\x65e"
    nals = split_annexb(stream)
    assert [nal.data for nal in nals] == [b"\x67abc", b"\x68d", b"\x65e"]
    assert all(stream[nal.offset :].startswith(nal.data) for nal in nals)
    assert [nal.data for nal in split_annexb(join_annexb(nals))] == [nal.data for nal in nals]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_length_prefixed_round_trip(size: int) -> None:
    nals = [NalUnit(b"\x67abc"), NalUnit(b"\x65" + bytes(range(1, 200)))]
    got, bad = split_length_prefixed(join_length_prefixed(nals, size), size)
    assert not bad
    assert [nal.data for nal in got] == [nal.data for nal in nals]


def test_length_beyond_the_sample_cuts_the_last_unit() -> None:
    sample = join_length_prefixed([NalUnit(b"\x67abc"), NalUnit(b"\x65defgh")], 4)[:-2]
    nals, bad = split_length_prefixed(sample, 4)
    assert bad
    assert (nals[-1].data, nals[-1].damaged_at) == (b"\x65def", 4)
    assert nals[0].damaged_at is None


def test_wrong_length_resynchronises_at_a_start_code() -> None:
    sample = b"\x00\x00\x00\x04\x67abc" + b"\xff\xff\xff\xff\x65zz" + b"\x00\x00\x01\x65good"
    nals, bad = split_length_prefixed(sample, 4)
    assert bad
    assert [nal.data for nal in nals] == [b"\x67abc", b"\x65zz", b"\x65good"]
    assert sample[nals[-1].offset :] == b"\x65good"


def test_start_codes_in_a_length_prefixed_sample() -> None:
    nals, bad = split_length_prefixed(b"\x00\x00\x00\x01\x65abc\x00\x00\x01\x41d", 4)
    assert [nal.data for nal in nals] == [b"\x65abc", b"\x41d"]
    assert not bad


def test_length_size_is_checked() -> None:
    with pytest.raises(ValueError, match="length_size"):
        split_length_prefixed(b"", 5)


def test_gaps_inside_between_and_after() -> None:
    nals = [NalUnit(b"a" * 10, 4), NalUnit(b"b" * 10, 18), NalUnit(b"c" * 10, 32)]
    marked, before, after = mark_gaps(nals, [9, 7, 15, 42])
    assert [nal.damaged_at for nal in marked] == [3, None, None]
    assert before == [False, True, False]
    assert after
    assert mark_gaps(nals, [0])[1] == [True, False, False]
    assert mark_gaps([], [0]) == ([], [], True)


@given(st.binary(max_size=120), st.sampled_from(["h264", "hevc"]))
def test_extradata_garbage_never_raises(extradata: bytes, codec: str) -> None:
    framing = parse_extradata(codec, extradata)  # type: ignore[arg-type]
    assert 0 <= framing.length_size <= 4
    parse_extradata(codec, b"\x01" + extradata)  # type: ignore[arg-type]


@given(st.binary(max_size=200), st.integers(1, 4))
def test_split_keeps_within_the_payload(payload: bytes, size: int) -> None:
    nals, _ = split_length_prefixed(payload, size)
    assert all(payload[nal.offset : nal.offset + len(nal.data)] == nal.data for nal in nals)


def test_damaged_sample_never_yields_more_than_it_has() -> None:
    rng = random.Random(1)
    sample = join_length_prefixed([NalUnit(rng.randbytes(50)) for _ in range(5)], 4)
    for _ in range(200):
        broken = bytearray(sample)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        nals, _ = split_length_prefixed(bytes(broken), 4)
        assert sum(len(nal.data) for nal in nals) <= len(sample)


def test_start_codes_within_one_length() -> None:
    """A prefix unit, then all the rest as a byte stream, in one length; or all of it."""
    inner = b"\x6e\xc0\x80\x0f" + b"\x00\x00\x00\x01\x06sei" + b"\x00\x00\x01\x65slice"
    for data, first in ((inner, 1), (inner[4:], 0)):
        sample = len(data).to_bytes(4, "big") + data
        nals, bad = split_length_prefixed(sample, 4)
        assert not bad
        assert [nal.data for nal in nals] == [b"\x6e\xc0\x80\x0f", b"\x06sei", b"\x65slice"][1 - first :]
        assert all(sample[nal.offset :].startswith(nal.data) for nal in nals)


def test_framing_that_the_header_does_not_tell() -> None:
    units = [b"\x67abc", b"\x65" + b"z" * 300]
    prefixed = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    codes = b"".join(b"\x00\x00\x01" + unit for unit in units)
    for sample, size in ((prefixed, 0), (codes, 4), (codes, 0), (prefixed, 4)):
        nals, bad = split_sample(sample, size)
        assert [nal.data for nal in nals] == units and not bad


def test_zeros_inside_a_slice_are_damage() -> None:
    slice_ = b"\x65" + b"a" * 20
    assert mark_zeros("h264", NalUnit(slice_ + b"\x00\x00\x03\x01" + b"\x00" * 2)).damaged_at is None
    assert mark_zeros("h264", NalUnit(slice_ + b"\x00\x00\x03\x01" + b"\x00" * 9)).damaged_at == 25
    assert mark_zeros("h264", NalUnit(slice_ + b"\x00" * 9 + b"b")).damaged_at == 21
    assert mark_zeros("h264", NalUnit(b"\x06" + b"\x00" * 9 + b"b")).damaged_at is None
    assert mark_zeros("hevc", NalUnit(b"\x26\x01a\x00\x00\x02b")).damaged_at == 3
