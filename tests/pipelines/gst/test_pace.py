"""Deadlines under lateness, and the latency that is told."""

from __future__ import annotations

MS = 1_000_000


def test_lateness_shortens_the_deadline_until_pictures_are_past_it() -> None:
    from pipelines.gst.options import Options
    from pipelines.gst.pace import Pace

    options = Options(deadline_ms=28.0)
    pace = Pace(options)
    assert pace.deadline(0) == 28.0
    pace.downstream_is(5 * MS, 100 * MS)
    assert pace.deadline(90 * MS) == 10.0
    assert pace.deadline(110 * MS) == 28.0
    options.set("qos", False)
    assert pace.deadline(90 * MS) == 28.0
    options.set("qos", True)
    pace.forget_lateness()
    assert pace.deadline(90 * MS) == 28.0
    options.set("deadline_ms", 0.0)
    assert pace.deadline(90 * MS) is None


def test_latency_grows_with_what_is_held_and_with_long_processing() -> None:
    from pipelines.gst.options import Options
    from pipelines.gst.pace import Pace
    from pipelines.statistics import Statistics

    pace, statistics = Pace(Options(deadline_ms=20.0)), Statistics()
    assert not pace.learn(0, statistics)
    assert pace.latency(40 * MS) == 20 * MS
    statistics.access_unit(50.0, None)
    assert not pace.learn(0, statistics)  # nobody waits for it where nothing is held
    assert pace.learn(2, statistics)
    assert pace.latency(40 * MS) == (2 * 40 + 50) * MS
    assert not pace.learn(1, statistics)


def test_a_pause_is_over_once() -> None:
    from pipelines.gst.pace import Pause

    pause = Pause()
    assert pause.is_over(60.0)
    assert not pause.is_over(60.0)
    assert pause.is_over(0.0)
