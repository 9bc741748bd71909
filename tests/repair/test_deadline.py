"""Choosing how rich a repair may be."""

from __future__ import annotations

from concealer.repair.deadline import CostModel

SLICE = [250_000]
"""The region of one of eight slices of a 720p picture."""


def test_without_deadline_always_full() -> None:
    assert CostModel().choose([10**9], False, None) == "full"


def test_less_time_means_a_plainer_repair() -> None:
    model = CostModel()
    order = [model.choose(SLICE, False, ms) for ms in (100.0, 10.0, 4.0, 0.1)]
    assert order == ["full", "light", "copy", "copy"]


def test_cost_grows_with_regions_their_size_and_sides() -> None:
    model = CostModel()
    assert model.choose(SLICE, False, 16.0) == "full"
    assert model.choose(SLICE * 2, False, 16.0) == "light"
    assert model.choose([2 * SLICE[0]], False, 16.0) == "light"
    assert model.choose(SLICE, True, 16.0) == "light"


def test_slow_machine_is_learnt_and_forgotten() -> None:
    model = CostModel()
    assert model.choose(SLICE, False, 40.0) == "full"
    for _ in range(5):
        model.learn("full", SLICE, False, 200.0)
    assert model.choose(SLICE, False, 40.0) == "light"
    for _ in range(300):
        model.learn("light", SLICE, False, 15.0)
    assert model.choose(SLICE, False, 40.0) == "full"


def test_one_slow_moment_is_no_slow_machine() -> None:
    model = CostModel()
    model.learn("full", SLICE, False, 1000.0)
    assert model.choose(SLICE, False, 24.0) == "full"
