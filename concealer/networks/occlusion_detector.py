"""Finds what hides a face, or is damaged in it, from the picture alone (SGIN 2022, section "Occlusion Detector")."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.networks.generator import channels_at, check_resolution

STEPS = 5
"""Convolutions down and deconvolutions up."""
READ = 64
"""Most side at which the picture is read."""


class OcclusionDetector(nn.Module):
    """A ResNet generator: five convolutions of stride 2, residual blocks, five deconvolutions.

    What goes down is added to what comes up at the same side, so that edges survive the five halvings. Larger pictures
    are read shrunk to 64x64 and the answer is enlarged: networks of all resolutions share their weights.
    """

    def __init__(self, resolution: int = 64, capacity: int = 1024, most: int = 96, blocks: int = 2) -> None:
        """`capacity`, `most`: feature maps at side r are min(most, capacity / r)."""
        super().__init__()
        check_resolution(resolution)
        self.resolution = resolution
        self.factor = max(1, resolution // READ)
        side = resolution // self.factor
        widths = [channels_at(max(1, side >> k), capacity, most) for k in range(STEPS + 1)]
        self.read = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_down(*pair) for pair in zip(widths[:-1], widths[1:], strict=True))
        self.middle = nn.Sequential(*(_Residual(widths[-1]) for _ in range(blocks)))
        self.up = nn.ModuleList(_up(a, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, 1, R, R), above 0 where something hides the face, of pictures (N, 3, R, R)."""
        x = self.read(functional.avg_pool2d(image, self.factor) if self.factor > 1 else image)
        kept = []
        for layer in self.down:
            kept.append(x)
            x = layer(x)
        x = self.middle(x)
        for layer in self.up:
            x = layer(x) + kept.pop()
        logits: Tensor = self.last(functional.leaky_relu(x, 0.2))
        if self.factor > 1:
            logits = functional.interpolate(logits, scale_factor=float(self.factor), mode="bilinear")
        return logits

    @torch.no_grad()
    def mask(self, image: Tensor) -> Tensor:
        """1 on what hides the face, 0 elsewhere, (N, 1, R, R)."""
        return (self(image) > 0).float()


def _down(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(after // 8, after), nn.LeakyReLU(0.2))


def _up(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), nn.GroupNorm(after // 8, after), nn.LeakyReLU(0.2))


class _Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y
