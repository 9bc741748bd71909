"""Push-pull spreading."""

from __future__ import annotations

import numpy as np
import pytest

from concealer.repair.spread import Spreader


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (64, 64), (5, 200)])
def test_constant_stays_constant(shape: tuple[int, int]) -> None:
    weight = np.zeros(shape, np.float32)
    weight[0, 0] = 0.25
    filled = Spreader(weight).fill(np.full(shape, 3.5, np.float32))
    assert np.allclose(filled, 3.5, atol=1e-4)


def test_nearest_known_side_wins() -> None:
    values = np.zeros((64, 64), np.float32)
    values[:, 48:] = 10.0
    weight = np.zeros((64, 64), np.float32)
    weight[:, :16] = weight[:, 48:] = 1.0
    filled = Spreader(weight).fill(values)
    assert filled[:, 18].mean() < 2.5 and filled[:, 45].mean() > 7.5
    assert np.all(np.diff(filled.mean(0)) > -1e-3)


def test_unknown_values_do_not_leak() -> None:
    weight = np.zeros((32, 32), np.float32)
    weight[:, :8] = 1.0
    values = np.where(weight > 0, 1.0, 1e6).astype(np.float32)
    assert np.allclose(Spreader(weight).fill(values), 1.0, atol=1e-4)


def test_channels_are_filled_alike() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 30, 3)).astype(np.float32)
    weight = (rng.random((20, 30)) > 0.5).astype(np.float32)
    np.testing.assert_allclose(Spreader(weight).fill(values)[..., 2], Spreader(weight).fill(values[..., 2]), atol=1e-5)


def test_nothing_known_gives_zero() -> None:
    assert not Spreader(np.zeros((9, 9), np.float32)).fill(np.ones((9, 9), np.float32)).any()


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(0, 4\)"):
        Spreader(np.zeros((0, 4), np.float32))
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        Spreader(np.ones((4, 4), np.float32)).fill(np.zeros((3, 3), np.float32))
