"""Maps on cells: a stack gives what each map alone gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from concealer.damage import DamageMap
from concealer.repair import Site, cells_of, on_cells
from concealer.repair.cells import blurred
from concealer.repair.regions import regions
from tests.repair.test_repairer import blocks, damaged, picture

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (11, 18)])
def test_each_map_is_blurred_by_itself(shape: tuple[int, int]) -> None:
    maps = RNG.random((4, *shape), np.float32)
    for made, one in zip(blurred(maps), maps, strict=True):
        np.testing.assert_allclose(made, cv2.blur(one, (3, 3)), atol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 4, 8, 16])
def test_cells_hold_means(step: int) -> None:
    clean = picture(3)
    _, damage = damaged(clean, blocks(clean, slice(3, 5)))
    site = _site(damage)
    rows, cols = cells_of(site)
    height, width = site.window_hole.shape
    maps = RNG.random((3, -(-height // step), -(-width // step)), np.float32)
    made = on_cells(maps, step, site)
    assert made.shape == (3, rows, cols)
    fine = maps.repeat(step, 1).repeat(step, 2)[:, : rows * 8, : cols * 8]
    want = fine.reshape(3, rows, 8, cols, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(made, want, atol=1e-6)


def _site(damage: DamageMap) -> Site:
    clean = picture(3)
    region = regions(damage.hole, clean.width, clean.height)[0]
    return Site(clean, damage, region, coarse=False)
