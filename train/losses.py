"""Losses of the three papers. Masks here are 1 on missing pixels; images lie in [-1, 1]."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

WINDOW = 7
"""Side of the neighbourhood of iterative inference's weights (Yeh et al. 2017, eq. 3)."""
FALLOFF = 0.99
"""Weight lost per pixel of city-block distance (Lahiri et al. 2020, eq. 3)."""


def neighbourhood_weights(mask: Tensor) -> Tensor:
    """Share of missing pixels in the 7x7 window around every received one, 0 on missing ones; (N, 1, H, W).

    Yeh et al. 2017, eq. 3.
    """
    # Outside the picture nothing is missing, and the window counts what it holds of the picture.
    ones = torch.ones_like(mask)
    count = functional.avg_pool2d(ones, WINDOW, 1, WINDOW // 2)
    return functional.avg_pool2d(mask, WINDOW, 1, WINDOW // 2) / count * (1 - mask)


def adaptive_weights(mask: Tensor) -> Tensor:
    """0.99 to the city-block distance from the nearest missing pixel, 0 on missing ones; (N, 1, H, W).

    Lahiri et al. 2020, eq. 3, with the distance taken to the hole, as the text says. Pictures without a hole get 1.
    """
    weights = np.empty(mask.shape, np.float32)
    for index, plane in enumerate(mask[:, 0].cpu().numpy()):
        received = (plane < 0.5).astype(np.uint8)
        far = cv2.distanceTransform(received, cv2.DIST_L1, 3) if (received == 0).any() else np.zeros(plane.shape)
        weights[index, 0] = received * FALLOFF**far
    return torch.from_numpy(weights).to(mask.device)


def weighted_l1(generated: Tensor, damaged: Tensor, weights: Tensor) -> Tensor:
    """Mean absolute difference of received pixels under `weights`, per picture: (N,).

    The papers take the norm (Yeh et al. 2017, eq. 4; Lahiri et al. 2020, eq. 4); divided by the number of samples
    it means the same at every resolution.
    """
    return (weights * (generated - damaged).abs()).mean((1, 2, 3))


def l1_sum(generated: Tensor, damaged: Tensor, weights: Tensor) -> Tensor:
    """The norm itself, summed over samples, per picture: (N,)."""
    return (weights * (generated - damaged).abs()).sum((1, 2, 3))


def log_fake(logit: Tensor) -> Tensor:
    """log(1 - D) of logits (N, 1), per picture: (N,) (Yeh et al. 2017, eq. 5; Lahiri et al. 2017, eq. 5)."""
    return functional.logsigmoid(-logit)[:, 0]


def gradient_difference(generated: Tensor, damaged: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of gradients where both pixels were received, per picture: (N,).

    Lahiri et al. 2020, eq. 6.
    """
    keep = 1 - mask
    error = generated - damaged
    across = (error[..., 1:] - error[..., :-1]).abs() * keep[..., 1:] * keep[..., :-1]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * keep[..., 1:, :] * keep[..., :-1, :]
    return across.mean((1, 2, 3)) + down.mean((1, 2, 3))


def judge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss from its logits: -log D(x) - log(1 - D(G(z))), mean over the batch."""
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def fool_loss(fake: Tensor) -> Tensor:
    """The generator's loss from the logits of its pictures: -log D(G(z)), mean over the batch."""
    return functional.softplus(-fake).mean()


def gradient_penalty(judge: torch.nn.Module, images: Tensor, structure: Tensor | None, label: Tensor | None) -> Tensor:
    """R1 of Mescheder et al. 2018: mean squared norm of the discriminator's gradient at real pictures."""
    images = images.detach().requires_grad_(True)
    logit = judge(images, structure) if label is None else judge(images, structure, label)
    (gradient,) = torch.autograd.grad(logit.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def uniform_distance(z: Tensor, reference: Tensor, directions: Tensor) -> Tensor:
    """Sliced Wasserstein distance (squared) between latents and samples of their prior, along `directions` (D, K)."""
    ours = (z @ directions.t()).sort(0).values
    theirs = (reference @ directions.t()).sort(0).values
    return (ours - theirs).square().mean()
