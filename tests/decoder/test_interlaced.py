"""Frames coded in fields and MBAFF frames: what is damaged is told and repaired in their own geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from concealer.bitstream import AccessUnit, join_annexb
from concealer.damage import Damage
from concealer.decoder import ConcealingDecoder, DecodedPicture
from concealer.repair import Repairer
from tests.decoder.interlaced_streams import HEIGHT, PICTURES, mbaff, paff, without
from tests.decoder.streams import decode, luma, paint_grey, stock_luma

ROWS_OF_SLICE = 16
"""Of a field: a slice is one row of macroblocks."""


def stock(units: list[AccessUnit]) -> list[npt.NDArray[np.uint8]]:
    return stock_luma(b"".join(join_annexb(unit.nals) for unit in units), "h264")


def damaged(units: list[AccessUnit], lost: dict[int, list[int]], **options: Any) -> list[DecodedPicture]:
    """Pictures of the stream without these slices, by number of access unit."""
    return decode([without(unit, lost.get(number, [])) for number, unit in enumerate(units)], "h264", **options)


def rows_of(parity: int, numbers: list[int]) -> npt.NDArray[np.bool_]:
    """Rows of the frame that those slices of one field hold."""
    rows = np.zeros(HEIGHT, bool)
    for number in numbers:
        rows[parity::2][number * ROWS_OF_SLICE : (number + 1) * ROWS_OF_SLICE] = True
    return rows


@pytest.mark.parametrize("units", [paff(), paff(bottom_first=True), mbaff(), mbaff(bframes=2)], ids=range(4))
def test_undamaged_streams_are_what_libav_makes_of_them(units: list[AccessUnit]) -> None:
    pictures = damaged(units, {}, repair=Repairer())
    for picture, truth in zip(pictures, stock(units), strict=True):
        np.testing.assert_array_equal(luma(picture), truth)
        assert not picture.damage.state.any() and picture.outcome is None and picture.in_loop


@pytest.mark.parametrize("bottom_first", [False, True])
@pytest.mark.parametrize("field", [0, 1])
@pytest.mark.parametrize("number", range(3))
def test_lost_slice_is_every_other_row_of_its_place(bottom_first: bool, field: int, number: int) -> None:
    units = paff(bottom_first)
    truth = stock(units)
    pictures = damaged(units, {4: [3 * field + number]}, repair=paint_grey)
    parity = field ^ bottom_first
    rows = rows_of(parity, [number])
    hole = pictures[4].damage.hole_pixels()
    assert (hole == rows[:, None]).all()
    shown = luma(pictures[4])
    assert (shown[rows] == 200).all()
    np.testing.assert_array_equal(shown[~rows], truth[4][~rows])
    assert [place for place, picture in enumerate(pictures) if picture.damage.any_hole] == [4]
    assert pictures[4].damage.fields is not None and not pictures[4].damage.fields[1 - parity].any_hole
    assert pictures[4].bottom_first is bottom_first


def test_second_field_is_predicted_from_the_repaired_first() -> None:
    units = paff()
    pictures = damaged(units, {5: [2]}, repair=paint_grey)
    assert (luma(pictures[5])[rows_of(0, [2]) | rows_of(1, [2])] == 200).all()
    assert (pictures[5].damage.hole_pixels() == rows_of(0, [2])[:, None]).all()


def test_what_is_predicted_from_damage_is_told() -> None:
    units = paff()
    picture = damaged(units, {5: [2]}, repair=paint_grey, track_taint=True)[5]
    assert picture.damage.fields is not None
    first, second = (one.state for one in picture.damage.fields)
    assert (first[2] == Damage.LOST).all() and not first[:2].any()
    assert (second[2] == Damage.TAINTED).all() and not second[:2].any()


def test_pairs_predicted_from_damage_are_told() -> None:
    units = mbaff()
    clean, pictures = stock(units), damaged(units, {5: [1]}, repair=paint_grey, track_taint=True)
    for number in (6, 7, 8):
        differs = np.abs(luma(pictures[number]).astype(int) - clean[number]) > 8
        blocks = differs.reshape(10, 16, 11, 16).any((1, 3))
        tainted = pictures[number].damage.state == Damage.TAINTED
        assert blocks.any() and not (blocks & ~tainted).any()
    assert not any(picture.damage.state.any() for picture in pictures[:5])


@pytest.mark.parametrize("bottom_first", [False, True])
@pytest.mark.parametrize("field", [0, 1])
def test_lost_field(bottom_first: bool, field: int) -> None:
    units = paff(bottom_first)
    truth = stock(units)
    pictures = damaged(units, {4: [3 * field, 3 * field + 1, 3 * field + 2]}, repair=Repairer())
    assert len(pictures) == PICTURES
    parity = field ^ bottom_first
    rows = rows_of(parity, [0, 1, 2])
    assert (pictures[4].damage.hole_pixels() == rows[:, None]).all()
    assert pictures[4].damage.causes == ("field lost",)
    np.testing.assert_array_equal(luma(pictures[4])[~rows], truth[4][~rows])
    error = np.abs(luma(pictures[4])[rows].astype(float) - truth[4][rows]).mean()
    assert error < np.abs(truth[3][rows].astype(float) - truth[4][rows]).mean()
    np.testing.assert_array_equal(luma(pictures[6]), truth[6])
    outcome = pictures[4].outcome
    assert outcome is not None and outcome.error is not None and outcome.error.shape == pictures[4].damage.state.shape
    assert pictures[4].promise is not None and 0 < pictures[4].promise.confidence < 1


def test_still_field_is_repaired_from_the_pair_before() -> None:
    units = paff(still=True)
    truth = stock(units)
    pictures = damaged(units, {4: [1]}, repair=Repairer())
    difference = np.abs(luma(pictures[4]).astype(int) - truth[4])
    assert difference.mean() < 0.5


def test_bytes_lost_inside_a_field() -> None:
    units = paff()
    truth = stock(units)
    payloads, gaps = [without(unit, []) for unit in units], {}
    nal = units[4].slices[1].nal.data
    at = payloads[4].index(nal) + len(nal) // 2
    payloads[4] = payloads[4][:at] + payloads[4][at + 200 :]
    gaps[4] = [at]
    decoder = ConcealingDecoder("h264", repair=paint_grey)
    pictures = []
    for number, payload in enumerate(payloads):
        pictures += decoder.decode(payload, pts=number, gaps=gaps.get(number, ()))
    pictures += decoder.flush()
    decoder.close()
    damage = pictures[4].damage
    assert damage.fields is not None and not damage.fields[1].any_hole
    state = damage.fields[0].state
    assert not state[[0, 2]].any() and not state[1, :1].any()
    assert (state[1, 2:] == Damage.BROKEN).all()
    np.testing.assert_array_equal(luma(pictures[4])[1::2], truth[4][1::2])


@pytest.mark.parametrize("number", range(3))
def test_lost_slice_of_pairs(number: int) -> None:
    units = mbaff()
    starts = [piece.header.first_mb for piece in units[5].slices if piece.header is not None]  # type: ignore[union-attr]
    assert len(starts) == 3 and units[5].interlaced == "mbaff"
    pictures = damaged(units, {5: [number]}, repair=paint_grey)
    pairs = np.zeros(11 * 5, bool)
    pairs[starts[number] : [*starts, pairs.size][number + 1]] = True
    blocks = pairs.reshape(5, 11).repeat(2, axis=0)
    np.testing.assert_array_equal(pictures[5].damage.hole, blocks)
    assert [place for place, picture in enumerate(pictures) if picture.damage.any_hole] == [5]
    # Loop filters reach over the border of a hole.
    inner = ~blocks.repeat(16, axis=0).repeat(16, axis=1)
    far = inner & np.roll(inner, 16, 0) & np.roll(inner, -16, 0) & np.roll(inner, 16, 1) & np.roll(inner, -16, 1)
    np.testing.assert_array_equal(luma(pictures[5])[far], stock(units)[5][far])
    assert (luma(pictures[5])[~inner] == 200).all()
    assert pictures[5].bottom_first


@pytest.mark.parametrize("bframes", [0, 2])
def test_lost_idr_picture_of_pairs(bframes: int) -> None:
    units = mbaff(bframes=bframes, gop=6)
    lost = next(number for number, unit in enumerate(units) if unit.is_idr and number)
    arrived = units[:lost] + units[lost + 1 :]
    pictures = decode([join_annexb(unit.nals) for unit in arrived], "h264", repair=Repairer())
    assert len(pictures) == len(units)
    orders = [picture.order for picture in pictures]
    assert orders == sorted(set(orders))


def test_repair_of_two_moments_is_better_than_what_libav_shows() -> None:
    units = mbaff()
    truth = stock(units)
    payloads = [without(unit, [1] if number in (4, 8) else []) for number, unit in enumerate(units)]
    theirs = stock_luma(b"".join(payloads), "h264")
    ours = decode(payloads, "h264", repair=Repairer())
    gains = [
        np.square(bad.astype(float) - good).mean() - np.square(luma(mine).astype(float) - good).mean()
        for mine, bad, good in zip(ours, theirs, truth, strict=True)
    ]
    assert sum(gains) > 0


def test_without_the_hook_it_is_left_to_libav_and_says_so() -> None:
    units = mbaff()
    payloads = [without(unit, [1] if number == 5 else []) for number, unit in enumerate(units)]
    pictures = decode(payloads, "h264", repair=Repairer(), hook=False)
    for picture, shown in zip(pictures, stock_luma(b"".join(payloads), "h264"), strict=True):
        np.testing.assert_array_equal(luma(picture), shown)
        assert picture.outcome is None and not picture.in_loop


@pytest.mark.parametrize("units", [paff(), paff(bottom_first=True), mbaff(), mbaff(bframes=2)], ids=range(4))
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_wrong_every_access_unit_gives_a_picture(
    units: list[AccessUnit], seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(seed)
    decoder = ConcealingDecoder("h264", repair=Repairer(), track_taint=True, container_framed=True)
    pictures, sent = [], 0
    for number, unit in enumerate(units):
        kept = [nal for nal in unit.nals if not number or random.random() < 0.8]
        payload, gaps = join_annexb(kept), []
        if number and payload and random.random() < 0.5:
            at = int(random.integers(len(payload)))
            payload = payload[:at] + payload[at + int(random.integers(1, 500)) :]
            gaps = [at] if random.random() < 0.5 else []
        if payload:
            pictures += decoder.decode(payload, pts=number, gaps=gaps)
            sent += 1
    pictures += decoder.flush()
    decoder.close()
    assert len(pictures) >= sent
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
