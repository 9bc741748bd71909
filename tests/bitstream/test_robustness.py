"""Garbage never raises, and what is found in it is consistent."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concealer.bitstream import AccessUnit, BitstreamError, Codec, NalUnit, StreamParser, h264, hevc
from concealer.bitstream.nal import join_length_prefixed
from concealer.bitstream.transport.mpegts import ContinuityChecker
from concealer.bitstream.transport.rtp import RtpDepacketiser
from concealer.standins import first_slice_standin, lost_picture_standin
from tests.bitstream.streams import encoded, parsed, payload

codecs = st.sampled_from(["h264", "hevc"])
STREAMS: dict[str, list[dict[str, object]]] = {
    "h264": [{"slices": 3, "bframes": 2}, {"extra": "tff=1", "height": 160}],
    "hevc": [{"slices": 3, "height": 208, "bframes": 2}],
}


def check(aus: list[AccessUnit]) -> None:
    previous = None
    for au in aus:
        coverage = au.coverage
        assert coverage.lost.shape == coverage.uncertain.shape == coverage.broken_blocks.shape
        assert au.sps is None or coverage.lost.shape == (au.rows, au.cols)
        assert all(0 <= first < end <= au.rows * au.cols for first, end in coverage.broken)
        assert len(au.missing_before) <= 32
        first_slice_standin(au)
        for missing in au.missing_before:
            if previous is not None:
                lost_picture_standin(previous, missing)
        previous = au
        repr(au)


@settings(max_examples=100, deadline=None)
@given(codecs, st.binary(max_size=300), st.booleans(), st.lists(st.integers(-5, 400), max_size=3))
def test_random_bytes(codec: Codec, data: bytes, framed: bool, gaps: list[int]) -> None:
    parser = StreamParser(codec, container_framed=framed)
    aus = parser.push(b"\x00\x00\x01" + data, gaps=gaps) + parser.push(data, complete=True, truncated=True)
    check(aus + parser.flush())


@settings(max_examples=100, deadline=None)
@given(codecs, st.integers(0, 60), st.binary(max_size=80))
def test_random_units_after_good_ones(codec: Codec, kind: int, data: bytes) -> None:
    head = bytes((kind & 31 | 0x60,)) if codec == "h264" else bytes(((kind & 63) << 1, 1))
    parser = StreamParser(codec)
    for au in parsed(codec, encoded(codec, **STREAMS[codec][0]))[:2]:  # type: ignore[arg-type]
        parser.push(payload(au))
    check(parser.push(b"\x00\x00\x01" + head + data, complete=True))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("way", ["flip", "cut", "chunks", "samples"])
def test_mutated_streams(codec: Codec, way: str) -> None:
    for options in STREAMS[codec]:
        stream = encoded(codec, **options)  # type: ignore[arg-type]
        whole = parsed(codec, stream)
        for seed in range(25):
            rng = random.Random(seed)
            parser = StreamParser(codec, container_framed=way == "samples")
            aus: list[AccessUnit] = []
            if way == "samples":
                for au in whole:
                    data = bytearray(join_length_prefixed(au.nals, 4) if seed % 2 else payload(au))
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                    aus += parser.push(bytes(data), pts=0, gaps=[rng.randrange(len(data))])
            else:
                data = bytearray(stream)
                for _ in range(rng.randrange(1, 60)):
                    at = rng.randrange(len(data))
                    if way == "cut":
                        del data[at : at + rng.randrange(60)]
                    else:
                        data[at] = rng.randrange(256)
                step = rng.randrange(1, 400) if way == "chunks" else len(data)
                for start in range(0, len(data), step):
                    aus += parser.push(bytes(data[start : start + step]), gaps=[0] if way == "cut" else ())
            aus += parser.flush()
            check(aus)
            assert aus


@settings(max_examples=150, deadline=None)
@given(codecs, st.integers(0, 200), st.integers(0, 255), st.integers(1, 400))
def test_mutated_parameter_sets(codec: Codec, at: int, value: int, cut: int) -> None:
    au = parsed(codec, encoded(codec, **STREAMS[codec][0]))[0]  # type: ignore[arg-type]
    for nal in au.nals:
        data = bytearray(nal.data[:cut])
        data[at % len(data)] = value
        broken = NalUnit(bytes(data))
        for parse in (
            h264.parse_sps,
            lambda n: h264.parse_pps(n, {}),
            hevc.parse_sps,
            hevc.parse_pps,
        ):
            try:
                parse(broken)
            except BitstreamError:
                continue


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600), codecs)
def test_transport_garbage(data: bytes, codec: Codec) -> None:
    checker = ContinuityChecker()
    checker.push(b"\x47" + data)
    checker.push(data)
    checker.flush()
    depacketiser = RtpDepacketiser(codec)
    for start in range(0, len(data), 40):
        depacketiser.push(b"\x80" + data[start : start + 40])
        depacketiser.push(data[start : start + 40])
    depacketiser.flush()


def test_memory_is_bounded_without_start_codes() -> None:
    parser = StreamParser("h264")
    block = b"\xff" * (1 << 20)
    for _ in range(40):
        parser.push(block)
        assert parser.held_bytes < 16
    parser.push(b"\x00\x00\x01\x41")
    for _ in range(40):
        parser.push(block)
        assert parser.held_bytes <= 34 << 20


def test_endless_units_without_pictures_do_not_pile_up() -> None:
    parser = StreamParser("h264")
    for _ in range(30):
        parser.push(b"\x00\x00\x01\x06\x05" * 1000)
        assert parser.held_bytes <= 2 * 8192


def test_unknown_codec_is_named() -> None:
    with pytest.raises(ValueError, match="av1"):
        StreamParser("av1")  # type: ignore[arg-type]
