"""SGIN's generator block: instance norm, SEAN denormalisation by map and style, convolution; twice."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import PARTS

_HIDDEN = 16
"""Channels in which the map is read for the scale and shift of a place."""


class SeanNorm(nn.Module):
    """Region-adaptive denormalisation (Zhu et al. 2020): scale and shift from the map, and from each region's style.

    Features are normalised for every channel of every picture. Two sets of scales and shifts are mixed by a learnt
    weight: one read from the label map (SPADE), one that gives every place what its region's style says. SEAN convolves
    the styles after it has spread them over the map; here they are mapped first and spread then, which is a convolution
    of 1x1 and costs as good as nothing.
    """

    def __init__(self, channels: int, size: int, classes: int = len(PARTS)) -> None:
        """`size`: numbers of a style."""
        super().__init__()
        self.norm = nn.GroupNorm(channels, channels, affine=False)  # a group a channel: instance norm
        self.style = nn.Linear(size, 2 * channels)
        self.own = nn.Parameter(torch.zeros(classes, 2 * channels))
        self.map = nn.Linear(_HIDDEN, 2 * channels, bias=False)
        self.mix = nn.Parameter(torch.zeros(2))
        nn.init.normal_(self.style.weight, std=0.5 / math.sqrt(size))
        nn.init.zeros_(self.style.bias)
        nn.init.normal_(self.map.weight, std=0.1 / math.sqrt(_HIDDEN))

    def forward(self, x: Tensor, read: Tensor, regions: Tensor, styles: Tensor) -> Tensor:
        """`read`: what the block read of the map, (N, 16, h, w); `regions`: shares of the classes, (N, classes, h, w);
        `styles`: (N, classes, size)."""
        width = x.shape[1]
        alpha = torch.sigmoid(self.mix).repeat_interleave(width)  # (2 C,): that of scales, then that of shifts
        by_style = ((self.style(styles) + self.own) * alpha).transpose(1, 2)  # (N, 2 C, classes)
        by_map = (self.map.weight * (1 - alpha)[:, None]).expand(x.shape[0], -1, -1)
        # What style and map say is linear in both, and so one product for every place.
        said = torch.cat([by_style, by_map], 2) @ torch.cat([regions, read], 1).flatten(2)
        said = said.view(x.shape[0], 2 * width, *x.shape[2:])
        y: Tensor = torch.addcmul(said[:, width:], self.norm(x), 1 + said[:, :width])
        return y


class SgiBlock(nn.Module):
    """Two normalisations and two convolutions beside a skip; its picture is added to the one of the block before.

    All but the first double the side between the first normalisation and its convolution.
    """

    def __init__(self, before: int, after: int, size: int, classes: int = len(PARTS), doubles: bool = True) -> None:
        """`size`: numbers of a style."""
        super().__init__()
        self.doubles = doubles
        self.read = nn.Conv2d(classes, _HIDDEN, 3, padding=1)
        self.first = SeanNorm(before, size, classes)
        self.high = nn.Conv2d(before, after, 3, padding=1)
        self.second = SeanNorm(after, size, classes)
        self.low = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)
        self.rgb = nn.Conv2d(after, 3, 1)

    def forward(self, x: Tensor, regions: Tensor, styles: Tensor, told: Tensor | None = None) -> Tensor:
        """Features (N, after, h, w) of those before; `regions`: (N, classes, h, w) at the block's own side; `told`:
        features (N, after, h, w) that are fed back into it."""
        read = functional.leaky_relu(self.read(regions), 0.2)
        small = (functional.avg_pool2d(read, 2), functional.avg_pool2d(regions, 2)) if self.doubles else (read, regions)
        y = functional.leaky_relu(self.first(x, *small, styles), 0.2)
        skip = self.skip(x)
        if self.doubles:
            y, skip = enlarge(y), enlarge(skip)
        y = self.high(y)
        if told is not None:
            y = y + told
        y = self.low(functional.leaky_relu(self.second(y, read, regions, styles), 0.2))
        return (y + skip) * math.sqrt(0.5)


def enlarge(x: Tensor) -> Tensor:
    """Twice the side, bilinear."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
