"""Stand-ins through the real decoder."""

from __future__ import annotations

import av
import numpy as np
import pytest

from concealer.bitstream import AccessUnit, Codec, NalUnit, StreamParser, join_annexb
from concealer.standins.whole import first_slice_standin, junk_tail, lost_picture_standin
from tests.bitstream.streams import encoded, parsed, payload


def decode(codec: Codec, payloads: list[bytes]) -> list[np.ndarray]:
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    frames = [frame for data in payloads for frame in context.decode(av.Packet(data))]
    return [frame.to_ndarray() for frame in frames + context.decode(None)]


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("h264", {}),
        ("h264", {"extra": "cabac=0"}),
        ("h264", {"extra": "tff=1", "height": 160}),
        ("h264", {"bframes": 2, "extra": "b-adapt=0:weightp=2"}),
        ("h264", {"pix_fmt": "yuv422p10le"}),
        ("hevc", {}),
        ("hevc", {"bframes": 3, "extra": "b-pyramid=1:b-adapt=0:weightp=1"}),
        ("hevc", {"pix_fmt": "yuv420p10le", "extra": "wpp=0:ctu=32"}),
    ],
    ids=lambda value: str(value),
)
def test_lost_picture_leaves_no_hole_in_the_output(codec: Codec, options: dict[str, object]) -> None:
    stream = encoded(codec, frames=24, **options)  # type: ignore[arg-type]
    whole = parsed(codec, stream)
    index = next(i for i, au in enumerate(whole) if i > 12 and au.is_reference)
    parser = StreamParser(codec)
    payloads: list[bytes] = []
    previous: AccessUnit | None = None
    for number, au in enumerate(whole):
        if number == index:
            continue
        (got,) = parser.push(payload(au), complete=True)
        for missing in got.missing_before:
            assert previous is not None
            nals = lost_picture_standin(previous, missing)
            assert nals is not None
            (alone,) = parsed(codec, join_annexb([*whole[0].nals[:4], *nals]))[-1:]
            assert alone.slices[-1].header is not None
            payloads.append(join_annexb(nals))
        payloads.append(payload(got))
        previous = got
    reference = decode(codec, [payload(au) for au in whole])
    frames = decode(codec, payloads)
    assert len(frames) == len(reference) == len(whole)
    before = sorted(au.order for au in whole).index(whole[index].order)
    if codec == "h264" and not options.get("bframes"):
        # A repeated picture: exactly the one before it in output.
        np.testing.assert_array_equal(frames[before], reference[before - 1])


@pytest.mark.parametrize("lost", [(0,), (0, 1)])
def test_first_slice_standin_keeps_the_picture(lost: tuple[int, ...]) -> None:
    whole = parsed("hevc", encoded("hevc", slices=3, height=208))
    parser = StreamParser("hevc")
    payloads = []
    for number, au in enumerate(whole):
        (got,) = parser.push(payload(au, lost if number == 7 else ()), complete=True)
        standin = first_slice_standin(got)
        assert (standin is not None) == (number == 7)
        nals = list(got.nals)
        if standin is not None:
            nals.insert(nals.index(got.slices[0].nal), standin)
        payloads.append(join_annexb(nals))
    reference = decode("hevc", [payload(au) for au in whole])
    frames = decode("hevc", payloads)
    assert len(frames) == len(whole)
    # Loop filters reach at most 8 rows into what arrived.
    arrived = 64 * (whole[7].slices[lost[-1] + 1].first or 0) // 3 + 8
    np.testing.assert_array_equal(frames[7][arrived:208], reference[7][arrived:208])
    assert len(decode("hevc", [payload(au, lost if n == 7 else ()) for n, au in enumerate(whole)])) < len(whole)


def test_standins_that_cannot_be_made() -> None:
    h264_au = parsed("h264", encoded("h264"))[1]
    assert first_slice_standin(h264_au) is None
    assert first_slice_standin(parsed("hevc", encoded("hevc"))[1]) is None


def test_junk_tail() -> None:
    nal = NalUnit(b"\x41" + bytes(range(256)), 9)
    first, same, other = (junk_tail(nal, 100, seed) for seed in (1, 1, 2))
    assert first == same != other
    assert first.data[:100] == nal.data[:100]
    assert len(first.data) == 100 + (1 << 15)
    assert 0 not in first.data[100:]
    assert (first.damaged_at, first.offset) == (100, 9)
    long = NalUnit(b"\x41" * 50_000)
    assert len(junk_tail(long, 100, 1).data) == 50_000
