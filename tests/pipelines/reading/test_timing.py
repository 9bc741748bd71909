"""Clocks: every picture a time of its own, sound and picture together across cuts."""

from __future__ import annotations

from fractions import Fraction

from pipelines.reading.timing import JoinedTimeline, PictureClock

TICK = Fraction(1, 90000)


def test_times_of_the_container_are_kept() -> None:
    clock = PictureClock(3600, timed=True)
    times = [0, 1800, 7200, 9000]
    assert [clock.stamp(time) for time in times] == times


def test_a_picture_without_time_follows_at_the_nominal_interval() -> None:
    clock = PictureClock(3600, timed=True)
    assert [clock.stamp(time) for time in (0, None, 7200)] == [0, 3600, 7200]


def test_times_never_stand_still_or_go_back() -> None:
    clock = PictureClock(3600, timed=True)
    assert [clock.stamp(time) for time in (100, 100, 50, 200)] == [100, 1900, 3700, 5500]


def test_decode_times_stand_in_in_their_order() -> None:
    clock = PictureClock(1, timed=True)
    for dts in (5, 6, 7):
        clock.arrived(None, dts)
    assert [clock.stamp(None) for _ in range(3)] == [5, 6, 7]


def test_elementary_streams_count_pictures() -> None:
    clock = PictureClock(1, timed=False)
    assert [clock.stamp(pts) for pts in (2, 0, 1)] == [0, 1, 2]


def test_streams_that_take_the_same_cut_keep_their_distance() -> None:
    timeline = JoinedTimeline()
    for step in range(5):
        assert timeline.shift(0, step * 3600, 3600, TICK) == 0
        assert timeline.shift(1, step * 1800, 1800, TICK) == 0
    # The clock restarts 1000 s later; audio crosses first and fixes the shift for both.
    far = 1000 * 90000
    audio = timeline.shift(1, far, 1800, TICK)
    assert far + audio == 5 * 1800
    assert timeline.shift(0, far + 9000, 3600, TICK) == audio
    assert timeline.shift(0, far + 12600, 3600, TICK) == audio


def test_a_pause_is_no_cut() -> None:
    timeline = JoinedTimeline()
    assert timeline.shift(0, 0, 3600, TICK) == 0
    assert timeline.shift(0, 9 * 90000, 3600, TICK) == 0
