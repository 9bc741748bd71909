"""Motion of large holes is searched for in two halves: as good as in one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from concealer.flow import Array, dense_flow
from concealer.repair.measured_motion import LARGE, OVERLAP, search


def _pair(rows: int, cols: int, seed: int, shift: tuple[int, int]) -> tuple[Array, Array]:
    """A texture (rows, cols) uint8 and the same moved by `shift` (x, y) samples."""
    noise = np.random.default_rng(seed).uniform(0, 255, (rows + 64, cols + 64)).astype(np.float32)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]
    x, y = shift
    first, second = texture[32:-32, 32:-32], texture[32 - y : 32 - y + rows, 32 - x : 32 - x + cols]
    return np.ascontiguousarray(first), np.ascontiguousarray(second)


@pytest.mark.parametrize(("seed", "shift"), [(0, (5, -7)), (1, (-9, 12)), (2, (0, 20))])
def test_halves_find_the_motion_across_their_border(seed: int, shift: tuple[int, int]) -> None:
    first, second = _pair(360, 640, seed, shift)
    assert first.size >= LARGE
    near = search(first, second, 2)[180 - OVERLAP : 180 + OVERLAP, 64:-64]
    wrong = np.abs(near - 2.0 * np.array(shift, np.float32)).max(axis=2)
    assert np.percentile(wrong, 99) < 0.5


def test_halves_are_the_whole_far_from_their_border() -> None:
    first, second = _pair(360, 640, 3, (4, 3))
    gap = np.abs(search(first, second, 2) - dense_flow(first, second, 2)).max(axis=2)
    assert np.percentile(gap, 99) < 0.5


def test_smaller_pictures_are_searched_as_one() -> None:
    first, second = _pair(144, 640, 4, (4, 3))
    assert np.array_equal(search(first, second, 2), dense_flow(first, second, 2))
