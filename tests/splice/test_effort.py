"""How much is written: by the time there is, and by what writing has taken."""

from __future__ import annotations

import pytest

from concealer.splice.effort import MOST_LEVELS, Cost, Effort

_COST = Cost(slice=3.0, block=0.01, level=0.002)


def test_late_access_units_get_few_levels() -> None:
    effort = Effort(_COST)
    effort.begin()
    soon = effort.most("inter", 400, 400)
    effort.begin(waited=1.0)
    late = effort.most("inter", 400, 400)
    assert late < soon <= MOST_LEVELS
    assert late >= 200


def test_intra_slices_get_what_they_need() -> None:
    effort = Effort(_COST)
    effort.begin(waited=1.0)
    assert effort.most("intra", 400, 400) > 2 * effort.most("inter", 400, 400)


def test_slices_share_by_size() -> None:
    effort = Effort(_COST)
    effort.begin(waited=1.0)
    assert effort.most("intra", 100, 400) == pytest.approx(effort.most("intra", 400, 400) / 4, abs=1)


def test_a_slow_machine_is_learnt_step_by_step() -> None:
    effort = Effort(_COST)
    found = []
    for _ in range(12):
        effort.begin()
        found.append(effort.most("inter", 400, 400))
        effort.took(400, found[-1], 1.0)
    assert found[0] > found[-1]
    assert found == sorted(found, reverse=True)
    for _ in range(40):
        effort.took(400, 1000, 0.001)
    effort.begin()
    assert effort.most("inter", 400, 400) > found[-1]
