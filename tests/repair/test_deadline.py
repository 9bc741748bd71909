"""Choosing how rich a repair may be."""

from __future__ import annotations

from concealer.repair.deadline import CostModel


def test_without_deadline_always_full() -> None:
    assert CostModel().choose(10**9, None) == "full"


def test_less_time_means_a_plainer_repair() -> None:
    model = CostModel()
    order = [model.choose(120_000, ms) for ms in (100.0, 20.0, 4.0, 0.1)]
    assert order == ["full", "light", "copy", "copy"]


def test_slow_machine_is_learnt_and_forgotten() -> None:
    model = CostModel()
    assert model.choose(120_000, 40.0) == "full"
    for _ in range(5):
        model.learn("full", 120_000, 200.0)
    assert model.choose(120_000, 40.0) == "light"
    for _ in range(300):
        model.learn("light", 120_000, 15.0)
    assert model.choose(120_000, 40.0) == "full"
