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
        self.norm = nn.InstanceNorm2d(channels)
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
    """Two normalisations and two convolutions beside a skip; its picture is added to the one of the block before."""

    def __init__(self, before: int, after: int, size: int, classes: int = len(PARTS)) -> None:
        super().__init__()
        self.read = nn.Conv2d(classes, _HIDDEN, 3, padding=1)
        self.first = SeanNorm(before, size, classes)
        self.high = nn.Conv2d(before, after, 3, padding=1)
        self.second = SeanNorm(after, size, classes)
        self.low = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)
        self.rgb = nn.Conv2d(after, 3, 1)

    def forward(self, x: Tensor, regions: Tensor, styles: Tensor) -> Tensor:
        """Features (N, after, h, w) of those before, (N, before, h, w), at the same side."""
        read = functional.leaky_relu(self.read(regions), 0.2)
        y = self.high(functional.leaky_relu(self.first(x, read, regions, styles), 0.2))
        y = self.low(functional.leaky_relu(self.second(y, read, regions, styles), 0.2))
        return (y + self.skip(x)) * math.sqrt(0.5)
