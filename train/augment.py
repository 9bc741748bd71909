"""Differentiable augmentation (Zhao et al. 2020): the same random change to real and generated pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, structure: Tensor | None, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """Brightness, saturation, contrast; translation by an eighth; a cut-out. The structure map moves along."""
    count, _, side, _ = images.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=rng).to(images.device)

    x = images + (uniform(count, 1, 1, 1) - 0.5)
    mean = x.mean(1, keepdim=True)
    x = (x - mean) * (uniform(count, 1, 1, 1) * 2) + mean
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * (uniform(count, 1, 1, 1) + 0.5) + mean
    reach = side // 8
    shifts = torch.randint(-reach, reach + 1, (count, 2), generator=rng)
    x = _translate(x, shifts)
    structure = None if structure is None else _translate(structure, shifts)
    hole = side // 4
    corner = torch.randint(-hole // 2, side - hole // 2, (count, 2), generator=rng).to(images.device)
    place = torch.arange(side, device=images.device)
    inside = (place >= corner[:, :, None]) & (place < corner[:, :, None] + hole)  # (N, 2, side)
    keep = ~(inside[:, 0, :, None] & inside[:, 1, None, :])
    return x * keep[:, None], structure


def _translate(x: Tensor, shifts: Tensor) -> Tensor:
    """Each picture moved by its (dy, dx) pixels; zeros come in."""
    side = x.shape[-1]
    reach = side // 8
    padded = functional.pad(x, (reach, reach, reach, reach))
    return torch.stack(
        [
            padded[i, :, reach - dy : reach - dy + side, reach - dx : reach - dx + side]
            for i, (dy, dx) in enumerate(shifts.tolist())
        ]
    )
