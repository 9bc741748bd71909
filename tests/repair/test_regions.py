"""Regions around holes: every hole lies in one, with its surroundings."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from concealer.repair.regions import MARGIN, MAX_REGIONS, Region, regions, to_grid


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.floats(0.0, 0.3))
def test_regions_cover_every_hole_once(rows: int, cols: int, seed: int, share: float) -> None:
    hole = np.random.default_rng(seed).random((rows, cols)) < share
    width, height = cols * 16 - 5, rows * 16 - 3
    seen = np.zeros((height, width), int)
    found = regions(hole, width, height)
    assert len(found) <= MAX_REGIONS
    for region in found:
        seen[region.slices()] += 1
    assert seen.max(initial=0) <= 1
    assert (seen[hole.repeat(16, 0)[:height].repeat(16, 1)[:, :width]] == 1).all()


def test_region_is_hole_and_margin() -> None:
    hole = np.zeros((45, 80), bool)
    hole[20:22, 30:40] = True
    m = MARGIN * 16
    assert regions(hole, 1280, 720) == [Region(320 - m, 352 + m, 480 - m, 640 + m)]


def test_no_hole_no_region() -> None:
    assert regions(np.zeros((3, 3), bool), 48, 48) == []


def test_grid_keeps_means_and_rounds_up() -> None:
    cells = to_grid(np.arange(30, dtype=np.float32).reshape(5, 6), 2)
    assert cells.shape == (3, 3)
    assert cells[0, 0] == np.mean([0, 1, 6, 7])
