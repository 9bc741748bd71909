"""Losses against small cases worked out by hand."""

from __future__ import annotations

import numpy as np
import torch

from train.data.masks import MASKS
from train.losses import (
    adaptive_weights,
    gradient_difference,
    l1_sum,
    log_fake,
    neighbourhood_weights,
    uniform_distance,
    weighted_l1,
)


def _mask(size: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size)
    mask[..., 4:8, 4:8] = 1
    return mask


def test_neighbourhood_weights_count_missing_neighbours() -> None:
    """Yeh et al. 2017, eq. 3, by brute force."""
    mask = _mask()
    weights = neighbourhood_weights(mask)[0, 0]
    plane = mask[0, 0].numpy()
    for y in range(16):
        for x in range(16):
            window = plane[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4]
            wanted = 0.0 if plane[y, x] else float(window.mean())
            assert abs(float(weights[y, x]) - wanted) < 1e-6


def test_adaptive_weights_fall_with_the_city_block_distance() -> None:
    """Lahiri et al. 2020, eq. 3, by brute force."""
    mask = _mask()
    weights = adaptive_weights(mask)[0, 0]
    missing = np.argwhere(mask[0, 0].numpy() > 0)
    for y, x in [(0, 0), (3, 5), (5, 3), (15, 15), (8, 9), (5, 5)]:
        away = np.abs(missing - [y, x]).sum(1).min()
        wanted = 0.0 if away == 0 else 0.99**away
        assert abs(float(weights[y, x]) - wanted) < 1e-5
    assert torch.equal(adaptive_weights(torch.zeros(1, 1, 8, 8)), torch.ones(1, 1, 8, 8))


def test_no_loss_looks_into_the_hole() -> None:
    rng = np.random.default_rng(0)
    for name, maker in MASKS.items():
        mask = torch.from_numpy(maker(32, rng)[None, None].astype(np.float32))
        image = torch.rand(1, 3, 32, 32)
        other = torch.where(mask > 0, torch.rand_like(image), image)
        for weights in (neighbourhood_weights(mask), adaptive_weights(mask), 1 - mask):
            assert weighted_l1(image, other, weights).item() == 0, name
            assert l1_sum(image, other, weights).item() == 0, name
        assert gradient_difference(image, other, mask).item() == 0, name
        assert weighted_l1(image, image + 0.1 * (1 - mask), 1 - mask).item() > 0, name


def test_gradient_difference_ignores_a_constant_and_sees_an_edge() -> None:
    image, mask = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    assert gradient_difference(image + 0.3, image, mask).item() < 1e-6
    edge = image.clone()
    edge[..., 4:] = 1
    assert abs(gradient_difference(edge, image, mask).item() - 1 / 7) < 1e-6


def test_log_fake_is_log_of_one_minus_d() -> None:
    logits = torch.tensor([[-30.0], [0.0], [2.0]])
    assert torch.allclose(log_fake(logits)[1:], torch.log(1 - torch.sigmoid(logits[1:, 0])), atol=1e-5)
    assert log_fake(torch.tensor([[200.0]])).isfinite().all()


def test_uniform_distance_is_smallest_for_the_prior_itself() -> None:
    rng = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(16, 8, generator=rng))
    reference, same, narrow = (torch.rand(256, 8, generator=rng) * 2 - 1 for _ in range(3))
    assert uniform_distance(same, reference, directions) < uniform_distance(narrow * 0.3, reference, directions) / 5
