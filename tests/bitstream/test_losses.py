"""What is reported missing must be exactly what the test took away."""

from __future__ import annotations

import random

import numpy as np
import pytest

from concealer.bitstream import AccessUnit, Codec, StreamParser
from concealer.bitstream.access_unit import Grid
from concealer.bitstream.assembly.coverage import CoverageTracker, Segment, SliceLayout
from concealer.bitstream.nal import join_annexb, join_length_prefixed
from tests.bitstream.streams import encoded, parsed, payload

LAYOUTS: list[tuple[Codec, dict[str, object]]] = [
    ("h264", {"slices": 4, "frames": 24}),
    ("h264", {"slices": 3, "bframes": 2, "frames": 24, "extra": "cabac=0"}),
    ("h264", {"slices": 3, "extra": "tff=1", "height": 192, "frames": 24}),
    ("hevc", {"slices": 4, "height": 256, "frames": 24}),
    ("hevc", {"slices": 4, "height": 256, "bframes": 3, "frames": 24, "extra": "ctu=32"}),
]


def truth(au: AccessUnit, drop: tuple[int, ...]) -> np.ndarray:
    """(rows, cols) bool of the units in the dropped slices, from the whole picture."""
    blocks = np.zeros(au.rows * au.cols, bool)
    bounds = [piece.first or 0 for piece in au.slices] + [au.rows * au.cols]
    for index in drop:
        blocks[bounds[index] : bounds[index + 1]] = True
    return blocks.reshape(au.rows, au.cols)


@pytest.mark.parametrize(("codec", "options"), LAYOUTS, ids=lambda value: str(value))
@pytest.mark.parametrize("complete", [True, False])
def test_dropped_slices_are_exactly_the_lost_ones(codec: Codec, options: dict[str, object], complete: bool) -> None:
    whole = parsed(codec, encoded(codec, **options))  # type: ignore[arg-type]
    rng = random.Random(7)
    parser = StreamParser(codec)
    got: list[AccessUnit] = []
    lost = []
    for number, au in enumerate(whole):
        drop = tuple(i for i in range(len(au.slices)) if number > 2 and rng.random() < 0.25)
        if len(drop) == len(au.slices):
            drop = drop[1:]
        lost.append(truth(au, drop))
        data = payload(au, drop)
        if complete:
            got += parser.push(data, complete=True)
        else:
            for start in range(0, len(data), 101):
                got += parser.push(data[start : start + 101])
    got += parser.flush()
    assert sum(blocks.any() for blocks in lost) > 8
    assert [au.order for au in got] == [au.order for au in whole]
    for au, blocks in zip(got, lost, strict=True):
        np.testing.assert_array_equal(au.coverage.lost, blocks)
        assert not au.coverage.uncertain.any()
        assert au.coverage.is_intact == (not blocks.any())


def test_packet_sized_slices_are_uncertain_only_with_evidence() -> None:
    whole = parsed("h264", encoded("h264", extra="slice-max-size=120", frames=12))
    au = whole[8]
    assert len(au.slices) > 3
    for with_gap in (False, True):
        parser = StreamParser("h264")
        for earlier in whole[:8]:
            parser.push(payload(earlier), complete=True)
        data = payload(au, (1,))
        gap = data.index(au.slices[2].nal.data) - 4
        (got,) = parser.push(data, gaps=[gap] if with_gap else [], complete=True)
        assert not got.coverage.lost.any()
        end = au.slices[2].first or 0
        assert got.coverage.uncertain.reshape(-1)[:end].all() == with_gap
        assert not got.coverage.uncertain.reshape(-1)[end:].any()


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_gap_inside_a_slice_makes_it_broken(codec: Codec) -> None:
    whole = parsed(codec, encoded(codec, slices=3, height=208))
    parser = StreamParser(codec)
    for au in whole[:6]:
        parser.push(payload(au), complete=True)
    au = whole[6]
    data = payload(au)
    at = data.index(au.slices[1].nal.data) + 20
    (got,) = parser.push(data[:at] + data[at + 5 :], gaps=[at], complete=True)
    assert [piece.nal.damaged_at for piece in got.slices] == [None, 20, None]
    np.testing.assert_array_equal(got.coverage.broken_blocks, truth(au, (1,)))
    assert got.coverage.broken == [(au.slices[1].first, au.slices[2].first)]
    assert not got.coverage.lost.any()


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("at", range(3, 9))
def test_a_header_does_not_reach_over_a_gap(codec: Codec, at: int) -> None:
    """What is read there are bits of something else: no other picture begins, none is taken to be missing."""
    whole = parsed(codec, encoded(codec, slices=3, height=208))
    rng = random.Random(at)
    for _ in range(40):
        parser = StreamParser(codec)
        got = [unit for au in whole[:6] for unit in parser.push(payload(au))]
        data = payload(whole[6])
        cut = data.index(whole[6].slices[1].nal.data) + at
        behind = rng.randbytes(9).replace(b"\0", b"\x9d")
        got += parser.push(data[:cut] + behind + data[cut + 9 :], gaps=[cut])
        got += [unit for au in whole[7:] for unit in parser.push(payload(au))] + parser.flush()
        assert [unit.order for unit in got] == [unit.order for unit in whole]
        assert not any(unit.missing_before for unit in got)


def test_truncated_sample_and_wrong_length() -> None:
    whole = parsed("h264", encoded("h264", slices=3))
    for wrong_length in (False, True):
        sets = [nal for nal in whole[0].nals if nal.data[0] & 31 in (7, 8)]
        extradata = b"\x01\x42\x00\x1e\xff\xe1" + b"\x01".join(
            len(nal.data).to_bytes(2, "big") + nal.data for nal in sets
        )
        parser = StreamParser("h264", extradata)
        assert parser.length_size == 4
        for au in whole[:6]:
            assert len(parser.push(join_length_prefixed(au.nals, 4), pts=1)) == 1
        sample = join_length_prefixed(whole[6].nals, 4)[:-9]
        if not wrong_length:
            tail = whole[6].slices[-1].nal.data
            sample = sample[: -len(tail) + 9 - 4] + (len(tail) - 9).to_bytes(4, "big") + tail[:-9]
        (got,) = parser.push(sample, pts=2, truncated=not wrong_length)
        assert got.slices[-1].nal.damaged_at == len(whole[6].slices[-1].nal.data) - 9
        np.testing.assert_array_equal(got.coverage.broken_blocks, truth(whole[6], (2,)))


def test_unreadable_header_is_broken_not_lost() -> None:
    whole = parsed("h264", encoded("h264", slices=3))
    parser = StreamParser("h264")
    for au in whole[:6]:
        parser.push(payload(au), complete=True)
    bad = whole[6].slices[1].nal.data[:1] + b"\xff\xff\x00\x00\x00" + whole[6].slices[1].nal.data[6:]
    (got,) = parser.push(payload(whole[6]).replace(whole[6].slices[1].nal.data, bad), complete=True)
    assert [piece.header is None for piece in got.slices] == [False, True, False]
    np.testing.assert_array_equal(got.coverage.broken_blocks, truth(whole[6], (1,)))
    assert not got.coverage.lost.any()


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("h264", {"frames": 30}),
        ("h264", {"frames": 30, "bframes": 2, "extra": "b-pyramid=none:b-adapt=0"}),
        ("h264", {"frames": 40, "bframes": 3, "extra": "b-pyramid=normal:b-adapt=0"}),
        ("h264", {"frames": 30, "extra": "tff=1", "height": 160}),
        ("hevc", {"frames": 30}),
        ("hevc", {"frames": 40, "bframes": 3, "extra": "b-pyramid=1:b-adapt=0"}),
    ],
    ids=lambda value: str(value),
)
def test_lost_reference_pictures_are_named(codec: Codec, options: dict[str, object]) -> None:
    whole = parsed(codec, encoded(codec, **options))  # type: ignore[arg-type]
    candidates = [i for i, au in enumerate(whole) if au.is_reference and 12 <= i < len(whole) - 6]
    for index in candidates:
        parser = StreamParser(codec)
        found = []
        for number, au in enumerate(whole):
            if number != index:
                for got in parser.push(payload(au), complete=True):
                    found += got.missing_before
                    assert got.order == au.order
        assert [(m.poc, m.order, m.frame_num) for m in found] == [
            (whole[index].poc, whole[index].order, whole[index].frame_num)
        ]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_first_slices_lost_still_separate_pictures(codec: Codec) -> None:
    whole = parsed(codec, encoded(codec, slices=3, height=208))
    data = b"".join(payload(au, (0,) if number in (5, 6, 9) else ()) for number, au in enumerate(whole))
    got = parsed(codec, data)
    assert [au.poc for au in got] == [au.poc for au in whole]
    assert [bool(au.coverage.lost[0, 0]) for au in got] == [n in (5, 6, 9) for n in range(len(whole))]


def test_lost_idr_keeps_order_increasing() -> None:
    whole = parsed("h264", encoded("h264", gop=12, frames=30))
    kept = [au for au in whole if au.order != whole[12].order]
    got = parsed("h264", b"".join(map(payload, kept)))
    orders = [au.order for au in got]
    assert orders == sorted(set(orders))
    assert len(got) == 29


def test_times_belong_to_the_access_unit_that_begins() -> None:
    whole = parsed("h264", encoded("h264"))
    parser = StreamParser("h264")
    got = []
    stream = b"".join(map(payload, whole))
    starts = np.cumsum([0] + [len(payload(au)) for au in whole])
    # Payloads of two pictures and a half: the second picture that begins in one has no time of its own.
    for number in range(0, len(whole), 3):
        end = starts[min(number + 3, len(whole))]
        got += parser.push(stream[starts[number] : end], pts=number)
    got += parser.flush()
    assert [au.pts for au in got] == [n if n % 3 == 0 else None for n in range(len(whole))]


def test_sent_twice_counts_once() -> None:
    whole = parsed("h264", encoded("h264", slices=2))
    doubled = b"".join(join_annexb([nal for nal in au.nals for _ in range(2)]) for au in whole)
    assert [len(au.slices) for au in parsed("h264", doubled)] == [2] * len(whole)


def test_layout_that_varies_makes_no_claim() -> None:
    layout = SliceLayout()
    rng = random.Random(3)
    for _ in range(200):
        starts = (0, *sorted(rng.sample(range(1, 99), rng.randrange(3))))
        assert layout.expected(starts) in (None, starts)
        layout.learn(starts, 11)


def test_layout_follows_the_encoder() -> None:
    layout = SliceLayout()
    for _ in range(5):
        layout.learn((0, 22, 44), 11)
    assert layout.expected((0, 44)) == (0, 22, 44)
    for _ in range(8):
        layout.learn((0, 44), 11)
    assert layout.expected((0, 44)) == (0, 44)


def test_tiles_map_lost_ranges_to_their_tile() -> None:
    # 4x2 CTBs in two tile columns: coding order runs through the left tile first.
    grid = Grid(2, 4, tile_scan=(0, 1, 4, 5, 2, 3, 6, 7))
    tracker = CoverageTracker()
    assert grid.index(2) == 4
    for _ in range(3):
        assert tracker.coverage(grid, {0: [Segment(0), Segment(4)]}, False).is_intact
    lost = tracker.coverage(grid, {0: [Segment(4)]}, False).lost
    np.testing.assert_array_equal(lost, [[True, True, False, False]] * 2)


def test_field_rows_cover_both_rows_of_a_pair() -> None:
    grid = Grid(4, 3, "field")
    blocks = np.zeros((4, 3), bool)
    grid.mark(blocks, 2, 4)
    np.testing.assert_array_equal(blocks, [[0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]])
