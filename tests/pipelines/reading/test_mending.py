"""Times that are wrong, put right by the order of the pictures; those that rise are left alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reading import TimeMender

STEADY = [3600 * place for place in range(30)]


def mended(times: list[int | None], interval: int = 3600) -> tuple[list[int], int]:
    mender = TimeMender(interval)
    out = [time for own in times for time in mender.push(own)]
    return out + mender.flush(), mender.mended


def changed(place: int, ticks: int) -> list[int]:
    times = list(STEADY)
    times[place] += ticks
    return times


@pytest.mark.parametrize(
    "times",
    [
        STEADY,
        [3003 * place for place in range(20)],
        [33 * place + place // 3 for place in range(40)],  # rounded to milliseconds
        [0, 3600, 7200, 90000, 93600, 97200, 200000, 203600, 207200, 400000],  # a pause now and then
        [place * 3600 for place in range(30) if place not in (7, 12, 13)],
        [0, 90000, 93600, 97200, 100800, 104400],
        [],
        [5],
    ],
)
def test_times_that_rise_are_left_alone(times: list[int]) -> None:
    assert mended(list(times)) == (times, 0)


@pytest.mark.parametrize("ticks", [131072, -131072, 4096, -8192, 1 << 31])
@pytest.mark.parametrize("place", [0, 1, 2, 14, 27, 28])
def test_one_wrong_time_is_put_between_its_neighbours(place: int, ticks: int) -> None:
    if place == 0 and ticks < 0:
        pytest.skip("the first picture may be shown long before the second")
    assert mended(list(changed(place, ticks))) == (STEADY, 1)


def test_last_time_may_be_late_but_not_early() -> None:
    assert mended(list(changed(29, 9000))) == (changed(29, 9000), 0)
    assert mended(list(changed(29, -9000))) == (STEADY, 1)


@pytest.mark.parametrize("group", [(1, 0), (1, 2, 0), (2, 1, 3, 0)])
def test_decode_times_are_handed_out_in_output_order(group: tuple[int, ...]) -> None:
    size = len(group)
    places = [0, *(start + place for start in range(1, 24, size) for place in group)]
    decoded = [3600 * place + 400 * (place % 2) for place in places]
    assert mended(list(decoded))[0] == sorted(decoded)


def test_pictures_without_a_time_or_with_one_time_share_what_there_is() -> None:
    missing: list[int | None] = list(STEADY)
    missing[12] = missing[13] = None
    assert mended(missing) == (STEADY, 2)
    assert mended(list(changed(12, 3600)))[0] == STEADY
    assert mended(list(changed(13, -3600)))[0] == STEADY


def test_decode_times_serve_where_there_are_no_others() -> None:
    mender = TimeMender(1)
    for dts in (5, 6, 7):
        mender.arrived(None, dts)
    assert [time for _ in range(3) for time in mender.push(None)] + mender.flush() == [5, 6, 7]


@given(st.lists(st.one_of(st.none(), st.integers(-(1 << 33), 1 << 33)), max_size=40))
def test_whatever_comes_every_picture_gets_a_later_time(times: list[int | None]) -> None:
    out, _ = mended(times)
    assert len(out) == len(times)
    assert all(after > before for before, after in pairwise(out))
