"""What goes to the decoder, given what arrived and what is known to be lost."""

from __future__ import annotations

import pytest

from pipelines.gst.intake import Feed, Intake, LossReport
from pipelines.gst.rtp_times import RtpTimes

FRAME = 40_000_000
SLICE = b"\x00\x00\x00\x01\x41abcdefgh"
SPS = b"\x00\x00\x00\x01\x67sps"


def _steady(intake: Intake, positions: list[int]) -> list[list[Feed]]:
    return [intake.buffer(SLICE, position * FRAME) for position in positions]


def test_a_report_replaces_what_the_depayloader_let_through() -> None:
    intake = Intake("h264")
    intake.damaged(LossReport(0, SLICE + SLICE, (5, 13)))
    [feed] = intake.buffer(SPS + SLICE, 0)
    assert feed == Feed(SPS + SLICE + SLICE, 0, gaps=(5 + len(SPS), 13 + len(SPS)))
    [after] = intake.buffer(SLICE, FRAME)
    assert after == Feed(SLICE, FRAME)


def test_a_report_in_avc_framing() -> None:
    intake = Intake("h264", length_size=4)
    intake.damaged(LossReport(0, SLICE, (9,)))
    [feed] = intake.buffer(b"\x00\x00\x00\x01\x67", 0)
    assert feed.payload == b"\x00\x00\x00\x01\x67" + b"\x00\x00\x00\x09" + SLICE[4:]
    assert feed.gaps == (9 + 5,)


def test_an_access_unit_that_the_depayloader_dropped_comes_from_the_report() -> None:
    intake = Intake("h264")
    intake.damaged(LossReport(FRAME, SLICE, (9,)))
    feeds = intake.buffer(SLICE, 2 * FRAME)
    assert [(feed.pts, feed.gaps, feed.absent) for feed in feeds] == [(FRAME, (9,), False), (2 * FRAME, (), False)]


@pytest.mark.parametrize(
    ("positions", "missing"),
    [
        ([*range(10), 11, 12], [10]),
        ([*range(10), 13], [10, 11, 12]),
        ([0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 15, 13, 14], [11]),
    ],
)
def test_times_of_access_units_lost_whole(positions: list[int], missing: list[int]) -> None:
    intake = Intake("h264")
    feeds = []
    for before, position in zip([-1, *positions], positions, strict=False):
        if position - before > 1 and position in (11, 13, 15):
            intake.gap()
        feeds += intake.buffer(SLICE, position * FRAME)
    assert [round(feed.pts / FRAME) for feed in feeds if feed.absent and feed.pts is not None] == missing


def test_no_loss_no_invention() -> None:
    intake = Intake("h264")
    feeds = [feed for part in _steady(intake, [*range(10), 15, 16, 30]) for feed in part]
    assert not any(feed.absent for feed in feeds)
    assert len(feeds) == 13


def test_gap_and_discont_become_a_gap_before_the_access_unit() -> None:
    intake = Intake("h264")
    assert intake.buffer(SLICE, 0, discont=True) == [Feed(SLICE, 0)]  # the first of a stream
    assert intake.buffer(SLICE, FRAME, discont=True) == [Feed(SLICE, FRAME, gaps=(0,))]
    intake.gap()
    assert intake.buffer(SLICE, 2 * FRAME) == [Feed(SLICE, 2 * FRAME, gaps=(0,))]
    assert intake.buffer(SLICE, 3 * FRAME, corrupted=True) == [Feed(SLICE, 3 * FRAME, truncated=True)]


def test_rtp_times_differ_as_timestamps_do_and_follow_drift() -> None:
    clock = RtpTimes()
    order = [0, 3, 1, 2, 6, 4, 5]
    jitter = [0, 60, 5, 30, 20, 70, 10]
    start = 0xFFFFFFF0
    times = [
        clock.time((start + 3600 * position) & 0xFFFFFFFF, 10**9 + number * FRAME + 1_000_000 * late)
        for number, (position, late) in enumerate(zip(order, jitter, strict=True))
    ]
    for position, time in zip(order, times, strict=True):
        assert abs(time - times[0] - position * FRAME) < 1_000_000
    # A sender whose clock runs a thousandth slow: after a minute the offset is followed, not added up.
    clock = RtpTimes()
    for number in range(1500):
        last = clock.time(number * 3600, round(number * FRAME * 1.001))
    assert abs(last - 1499 * FRAME * 1.001) < 45_000_000


def test_a_cut_is_a_long_gap_with_losses() -> None:
    intake = Intake("h264")
    intake.buffer(SLICE, 0)
    assert not intake.is_cut(60 * 10**9)  # the sender paused
    intake.gap()
    assert not intake.is_cut(FRAME)
    assert intake.is_cut(60 * 10**9)
