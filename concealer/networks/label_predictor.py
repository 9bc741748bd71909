"""Predicts the class of a damaged picture (Lahiri et al. 2020, section 6.3.3) for a class-conditional generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concealer.networks.generator import channels_at, check_resolution


class LabelPredictor(nn.Module):
    """Strided convolutions from a damaged picture and its mask to class logits."""

    def __init__(self, resolution: int = 64, classes: int = 2, capacity: int = 1024, most: int = 128) -> None:
        super().__init__()
        check_resolution(resolution)
        self.resolution = resolution
        self.classes = classes
        widths = [channels_at(4 << k, capacity, most) for k in reversed(range(resolution.bit_length() - 3))]
        layers: list[nn.Module] = []
        for before, after in zip([4, *widths[:-1]], widths, strict=True):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(after // 8, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1], classes)

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, classes)."""
        logits: Tensor = self.last(self.layers(torch.cat([damaged, mask], 1)).mean((2, 3)))
        return logits
