"""Iterative inference: the latent that fits a damaged picture best, by gradient descent on z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from concealer.networks.generator import Generator
from train.calls import generate, judged
from train.losses import l1_sum, log_fake, neighbourhood_weights

STEPS = 1500
"""Yeh et al. 2017, section 3.4; Lahiri et al. 2017, section 4.4."""
RATE = 0.05
BETAS = (0.9, 0.99)
"""Lahiri et al. 2017, section 4.4; Yeh et al. do not give theirs."""

Weights = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised over z: sum of weighted absolute differences + `realism` * log(1 - D)."""

    weights: Weights
    """Weight of every pixel, from the mask (N, 1, S, S)."""
    realism: float


def _received(mask: Tensor) -> Tensor:
    return 1 - mask


YEH = Objective(neighbourhood_weights, 0.003)
"""Yeh et al. 2017, eq. 2-5, lambda = 0.003."""
SG_GAN = Objective(_received, 0.1)
"""Lahiri et al. 2017, eq. 3-5, eta = 0.1."""


def search(
    generator: nn.Module,
    judge: nn.Module,
    damaged: Tensor,
    masks: Tensor,
    structure: Tensor | None,
    objective: Objective,
    *,
    steps: int = STEPS,
    seed: int = 0,
    label: Tensor | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """z (N, z_size) in [-1, 1] for N damaged pictures (N, 3, S, S) at once, on their device.

    Every picture's z is found as if it were alone: the loss is a sum over pictures, Adam works per element, and the
    discriminator is in evaluation mode. `progress` is called with the number of steps done. Generator and
    discriminator must be frozen.
    """
    rng = torch.Generator().manual_seed(seed)
    start = cast(Generator, generator).sample_z(len(damaged), rng)
    z = start.to(damaged.device).requires_grad_(True)
    weights = objective.weights(masks)
    optimizer = torch.optim.Adam([z], RATE, BETAS)
    for step in range(steps):
        generated = generate(generator, z, structure, label)
        realism = log_fake(judged(judge, generated, structure, label))
        loss = (l1_sum(generated, damaged, weights) + objective.realism * realism).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            z.clamp_(-1, 1)
        if progress is not None:
            progress(step + 1)
    return z.detach()


def overlay(generated: Tensor, damaged: Tensor, masks: Tensor) -> Tensor:
    """Received pixels as they are, generated ones in the hole (Lahiri et al. 2017, eq. 6, with M read as D)."""
    return damaged * (1 - masks) + generated * masks


def poisson_blend(generated: Tensor, damaged: Tensor, masks: Tensor, rounds: int = 300) -> Tensor:
    """Received pixels as they are, in the hole the picture whose gradients are closest to the generated one's.

    Yeh et al. 2017, eq. 6, by conjugate gradients on the normal equations; a hole that reaches the border ends
    there freely, and where nothing was received the generated picture is left.
    """
    hole = masks.expand_as(generated)
    # In terms of d = x - generated, which is known outside the hole and harmonic inside it.
    offset = (damaged - generated) * (1 - hole)
    residual = -_laplacian(offset) * hole
    d, direction = torch.zeros_like(offset), residual.clone()
    power = residual.square().sum((1, 2, 3), keepdim=True)
    start = power.clone()
    for _ in range(rounds):
        if bool((power <= 1e-10 * start + 1e-12).all()):
            break
        turned = _laplacian(direction) * hole
        step = power / (direction * turned).sum((1, 2, 3), keepdim=True).clamp(min=1e-20)
        d = d + step * direction
        residual = residual - step * turned
        before, power = power, residual.square().sum((1, 2, 3), keepdim=True)
        direction = residual + power / before.clamp(min=1e-20) * direction
    return damaged * (1 - hole) + (generated + d) * hole


def _laplacian(x: Tensor) -> Tensor:
    """Sum of differences to the four neighbours that exist: positive semi-definite."""
    total = torch.zeros_like(x)
    across, down = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
    total[..., 1:] += across
    total[..., :-1] -= across
    total[..., 1:, :] += down
    total[..., :-1, :] -= down
    return total
