"""Shortcuts for holes of nearly a whole picture change nothing that is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.synthetic import moving_layers
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.flow import Array
from concealer.picture import Picture
from concealer.repair import Site
from concealer.repair.regions import regions, to_grid
from concealer.repair.seam import close_seam

WIDTH, HEIGHT = 352, 288


def test_cells_that_are_cut_off_repeat_the_border() -> None:
    random = np.random.default_rng(0)
    for height, width, step in ((33, 18, 4), (7, 100, 8), (16, 31, 2), (5, 5, 8), (32, 30, 3)):
        values = random.normal(size=(height, width)).astype(np.float32)
        padded = cv2.copyMakeBorder(values, 0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE)
        rows, cols = padded.shape[0] // step, padded.shape[1] // step
        wanted = padded.reshape(rows, step, cols, step).mean((1, 3))
        np.testing.assert_allclose(to_grid(values, step), wanted, atol=1e-5)


def site(rows: slice) -> Site:
    luma = moving_layers(1, WIDTH, HEIGHT)[0].mean(2).astype(np.uint8)
    damage = DamageMap(WIDTH, HEIGHT)
    damage.state[rows] = Damage.LOST
    picture = Picture((luma,), order=1)
    (region,) = regions(damage.hole, WIDTH, HEIGHT)
    return Site(picture, damage, region, coarse=False)


@pytest.mark.parametrize("rows", [slice(2, 18), slice(1, 6), slice(6, 16), slice(0, 17)])
def test_a_seam_is_closed_near_what_was_received_and_nowhere_else(rows: slice) -> None:
    place = site(rows)
    off: Array = place.window_luma + np.float32(9)
    closed = off.copy()
    close_seam(place, closed)
    moved = np.abs(closed - off).max(1)
    received = place.window_trust.any(1)
    distance = np.array([np.abs(np.flatnonzero(received) - row).min() for row in range(len(received))])
    assert moved[(distance > 0) & (distance <= 2)].min() > 4
    assert moved[distance >= BLOCK].max(initial=0.0) == 0
