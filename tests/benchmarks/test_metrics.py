"""Metrics against hand-made pictures and plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.metrics import CAP, psnr_of, score, shown, squared_error, ssim

Luma = np.ndarray


def flat(value: int, shape: tuple[int, int] = (32, 48)) -> Luma:
    return np.full(shape, value, np.uint8)


def noisy(seed: int, shape: tuple[int, int] = (32, 48)) -> Luma:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_psnr_of_a_known_error() -> None:
    assert squared_error(flat(10), flat(13)) == 9 * 32 * 48
    assert psnr_of(9 * 32 * 48, 32 * 48) == pytest.approx(10 * math.log10(65025 / 9))
    assert psnr_of(0, 5) == CAP
    assert psnr_of(1, 10**9) == CAP
    with pytest.raises(ValueError, match="positive"):
        psnr_of(1.0, 0)


def test_squared_error_does_not_wrap_and_keeps_to_the_mask() -> None:
    mask = np.zeros((32, 48), bool)
    mask[:2, :3] = True
    assert squared_error(flat(0), flat(255), mask) == 6 * 255**2
    a, b = noisy(1), noisy(2)
    assert squared_error(a, b) == float(((a.astype(int) - b.astype(int)) ** 2).sum())


def test_ssim_is_one_for_the_same_and_falls_with_noise() -> None:
    picture = noisy(3)
    assert ssim(picture, picture) == 1.0
    little = np.clip(picture.astype(int) + 3, 0, 255).astype(np.uint8)
    assert 0.0 < ssim(picture, noisy(4)) + 0.1 < 0.3 < ssim(picture, little) < 1.0
    with pytest.raises(ValueError, match="11x11"):
        ssim(flat(1, (8, 8)), flat(2, (8, 8)))


def ssim_by_definition(a: Luma, b: Luma) -> float:
    """Wang et al. 2004, section III-B, window by window."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(taps, taps) / taps.sum() ** 2
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            x, y = (p[top : top + 11, left : left + 11].astype(float) for p in (a, b))
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            values.append(luminance * (2 * covariance + c2) / (var_x + var_y + c2))
    return float(np.mean(values))


def test_ssim_is_what_its_authors_define() -> None:
    a, b = noisy(5), (noisy(5) // 2 + noisy(6) // 2).astype(np.uint8)
    assert ssim(a, b) == pytest.approx(ssim_by_definition(a, b), abs=1e-5)
    local = a.copy()
    local[3:9, 20:24] //= 2
    assert ssim(a, local) == pytest.approx(ssim_by_definition(a, local), abs=1e-5)


def test_a_missing_picture_shows_the_one_before() -> None:
    assert [int(p[0, 0]) for p in shown([None, flat(1), None, flat(3)])] == [128, 1, 1, 3]
    with pytest.raises(ValueError, match="not one picture"):
        shown([None, None])


def test_score_tells_hole_later_lost_and_frozen_apart() -> None:
    clean = [flat(10), flat(20), flat(30), flat(40)]
    hole = np.zeros((32, 48), bool)
    hole[:16] = True
    holed = flat(20)
    holed[:16] += 4
    result = score(clean, [flat(10), holed, flat(31), None], [None, hole, None, None])
    assert (result.pictures_in, result.pictures_out, result.frozen) == (4, 3, 1)
    assert result.hole_psnr == pytest.approx(psnr_of(16, 1))
    parts = [CAP, psnr_of(8, 1), psnr_of(1, 1), psnr_of(81, 1)]
    assert result.psnr == pytest.approx(sum(parts) / 4)
    assert result.later_psnr == pytest.approx((parts[2] + parts[3]) / 2)
    assert result.ssim < 1.0


def test_score_without_damage_and_without_pictures() -> None:
    clean = [flat(10), flat(20)]
    whole = score(clean, list(clean), [None, None])
    assert (whole.psnr, whole.hole_psnr, whole.later_psnr, whole.ssim, whole.frozen) == (CAP, None, None, 1.0, 0)
    nothing = score(clean, [None, None], [None, None])
    assert nothing.pictures_out == 0
    assert nothing.psnr == pytest.approx((psnr_of(118**2, 1) + psnr_of(108**2, 1)) / 2)
    with pytest.raises(ValueError, match="lengths differ"):
        score(clean, clean, [None])


def test_a_still_scene_is_not_frozen() -> None:
    clean = [flat(10), flat(10)]
    assert score(clean, [flat(11), flat(11)], [None, None]).frozen == 0
