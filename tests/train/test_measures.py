"""Measures against known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from train import measures


def test_psnr_of_a_known_error() -> None:
    true = torch.zeros(2, 3, 16, 16)
    found = true + torch.tensor([0.2, 0.02])[:, None, None, None]
    assert torch.allclose(measures.psnr(found, true), torch.tensor([20.0, 40.0]), atol=1e-3)
    assert measures.psnr(true, true).tolist() == [60.0, 60.0]


def test_hole_psnr_looks_at_the_hole_alone() -> None:
    true, mask = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    mask[..., :4, :4] = 1
    found = true + 0.2 * mask + 1.5 * (1 - mask)
    assert abs(measures.psnr(found, true, mask).item() - 20) < 1e-3


def test_ssim_is_one_for_the_same_and_matches_its_formula_for_flat_pictures() -> None:
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(measures.ssim(image, image), torch.ones(1), atol=1e-5)
    a, b = torch.full((1, 3, 32, 32), -0.5), torch.full((1, 3, 32, 32), 0.5)  # 0.5 and 1.5 of 2
    c1 = 0.02**2
    wanted = (2 * 0.5 * 1.5 + c1) / (0.5**2 + 1.5**2 + c1)
    assert abs(measures.ssim(a, b).item() - wanted) < 1e-4
    assert measures.ssim(image, 1 - image).item() < 0.5


def test_frechet_distance_of_known_normals() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20000, 3))
    b = rng.standard_normal((20000, 3)) * 2 + [1, 0, 0]
    assert abs(measures.frechet_distance(a, b) - (1 + 3 * (2 - 1) ** 2)) < 0.15
    assert measures.frechet_distance(a, a) < 1e-6
    with pytest.raises(ValueError, match="two vectors or more"):
        measures.frechet_distance(a[:1], b)


def test_consistency_counts_every_pair_once() -> None:
    base = torch.zeros(3, 3, 8, 8)
    base[1] += 0.2  # pairs: 20 dB, 60 dB, 20 dB
    assert abs(measures.consistency(base) - (20 + 60 + 20) / 3) < 1e-3
    with pytest.raises(ValueError, match="two repairs"):
        measures.consistency(base[:1])


def _moving(frames: int, size: int = 64) -> np.ndarray:
    """A texture that moves two pixels to the right a picture."""
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(40, 216, (size // 4, size)), np.ones((4, 4)))[:size].astype(np.uint8)
    rows = [wide[:, 128 - 2 * t : 128 - 2 * t + size] for t in range(frames)]
    return np.stack([np.repeat(row[:, :, None], 3, 2) for row in rows])


def test_temporal_error_follows_the_motion() -> None:
    clean = _moving(6)
    masks = np.zeros(clean.shape[:3], bool)
    masks[:, 16:48, 16:48] = True
    steady = clean.copy()
    flickering = clean.copy()
    flickering[::2, 16:48, 16:48] = np.minimum(255, flickering[::2, 16:48, 16:48].astype(int) + 30).astype(np.uint8)
    still = clean.copy()
    still[1:, 16:48, 16:48] = clean[0, 16:48, 16:48]
    exact = measures.temporal_error(steady, clean, masks)
    assert exact < 60
    assert measures.temporal_error(flickering, clean, masks) > exact + 300
    assert measures.temporal_error(still, clean, masks) > exact + 300
