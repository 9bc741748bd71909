"""A style-modulated generator for small data sets, and its discriminator.

After Karras et al. 2020 (StyleGAN2): mapping network, modulated and demodulated convolutions, sum of RGB skips.
Without noise inputs, since a repair must be the same each time, and with z from U[-1, 1] like the papers' GANs.
Upsampling is bilinear followed by convolution, which half precision and CPU engines run faster than transposed
convolution. A coarse picture of at most 32x32 is a linear map of z, to which the style network adds the rest: as
eigenfaces it gives training a start that a few thousand pictures suffice for. Structure enters every resolution as a
spatial scale and shift (Park et al. 2019, SPADE).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.networks.generator import Generator, channels_at, check_resolution, coarse_side


class ModulatedConv(nn.Module):
    """3x3 convolution whose input maps are scaled by a style; output scaled back to unit variance."""

    def __init__(self, before: int, after: int, w_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, 3, 3) / math.sqrt(before * 9))
        self.bias = nn.Parameter(torch.zeros(after))
        self.style = nn.Linear(w_size, before)
        nn.init.normal_(self.style.weight, std=1 / math.sqrt(w_size))
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.style(w)  # (N, before)
        power = self.weight.square().sum((2, 3))  # (after, before)
        scale = torch.rsqrt(style.square() @ power.t() + 1e-8)  # (N, after)
        x = functional.conv2d(x * style[:, :, None, None], self.weight, padding=1)
        return x * scale[:, :, None, None] + self.bias[:, None, None]


class StructureScale(nn.Module):
    """Scales and shifts features by what the structure map shows there; starts as the identity."""

    def __init__(self, channels: int, structure_channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.read = nn.Conv2d(structure_channels, hidden, 3, padding=1)
        self.write = nn.Conv2d(hidden, 2 * channels, 3, padding=1)
        for parameter in self.write.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, structure: Tensor) -> Tensor:
        scale, shift = self.write(functional.leaky_relu(self.read(structure), 0.2)).chunk(2, 1)
        return x * (1 + scale) + shift


class StyleBlock(nn.Module):
    """Doubles the resolution: modulated convolution, upsampling, structure, modulated convolution."""

    def __init__(self, before: int, after: int, w_size: int, structure_channels: int) -> None:
        super().__init__()
        self.low = ModulatedConv(before, after, w_size)
        self.structure = StructureScale(after, structure_channels) if structure_channels else None
        self.high = ModulatedConv(after, after, w_size)
        self.rgb = nn.Conv2d(after, 3, 1)

    def forward(self, x: Tensor, image: Tensor, w: Tensor, structure: Tensor | None) -> tuple[Tensor, Tensor]:
        x = _up(functional.leaky_relu(self.low(x, w), 0.2))  # (N, after, 2r, 2r)
        if self.structure is not None and structure is not None:
            x = self.structure(x, structure)
        x = functional.leaky_relu(self.high(x, w), 0.2)
        return x, _up(image) + self.rgb(x)


class StyleGenerator(Generator):
    """z -> w (mapping network) -> 4x4 constant modulated and doubled up to the resolution."""

    def __init__(
        self,
        resolution: int = 64,
        z_size: int = 128,
        structure_channels: int = 0,
        capacity: int = 1536,
        most: int = 160,
        classes: int = 0,
    ) -> None:
        """`capacity`, `most`: feature maps at side r are min(most, capacity / r).

        `classes`: number of class labels; with labels, `forward` takes them as one-hot rows (N, classes).
        """
        super().__init__(resolution, z_size, structure_channels)
        self.classes = classes
        w_size = z_size
        self.mapping = nn.Sequential(
            nn.Linear(z_size + classes, w_size), nn.LeakyReLU(0.2), nn.Linear(w_size, w_size), nn.LeakyReLU(0.2)
        )
        widths = [channels_at(4 << k, capacity, most) for k in range(resolution.bit_length() - 2)]
        # The 4x4 start depends on z: the layout of a face is not a matter of scale alone.
        self.start = nn.Linear(w_size, widths[0] * 16)
        self.first = ModulatedConv(widths[0], widths[0], w_size)
        self.rgb = nn.Conv2d(widths[0], 3, 1)
        self.coarse_side = coarse_side(resolution)
        self.coarse = nn.Linear(z_size, 3 * self.coarse_side**2)
        for parameter in self.coarse.parameters():
            nn.init.zeros_(parameter)
        self.blocks = nn.ModuleList(
            StyleBlock(before, after, w_size, structure_channels)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )

    def forward(self, z: Tensor, structure: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        """`label`: (N, classes) probabilities or one-hot rows; uniform if it is left out."""
        if self.structure_channels:
            structure = self.expect(structure)
        coarse = self.coarse(z).unflatten(1, (3, self.coarse_side, self.coarse_side))
        if self.classes:
            label = z.new_full((len(z), self.classes), 1 / self.classes) if label is None else label
            z = torch.cat([z, label], 1)
        w = self.mapping(z)  # (N, w_size)
        x = self.start(w).unflatten(1, (-1, 4, 4))  # (N, widths[0], 4, 4)
        x = functional.leaky_relu(self.first(x, w), 0.2)
        image = self.rgb(x)
        for level, block in enumerate(self.blocks):
            side = 8 << level
            at_side = None if structure is None else shrink(structure, self.resolution // side)
            x, image = block(x, image, w, at_side)  # (N, widths[level + 1], side, side)
            if side == self.coarse_side:
                image = image + coarse
        return torch.tanh(image)


class StyleDiscriminator(nn.Module):
    """Residual blocks that halve the resolution down to 4x4, spread over the batch, one logit.

    With labels, the logit is projected on them (Miyato and Koyama 2018).
    """

    def __init__(
        self,
        resolution: int = 64,
        structure_channels: int = 0,
        capacity: int = 1024,
        most: int = 128,
        classes: int = 0,
    ) -> None:
        super().__init__()
        check_resolution(resolution)
        self.resolution = resolution
        self.structure_channels = structure_channels
        widths = [channels_at(4 << k, capacity, most) for k in reversed(range(resolution.bit_length() - 2))]
        self.read = nn.Conv2d(3 + structure_channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(DownBlock(*pair) for pair in zip(widths[:-1], widths[1:], strict=True))
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.logit = nn.Linear(widths[-1] * 16, 1)
        self.label = nn.Linear(classes, widths[-1] * 16, bias=False) if classes else None

    def features(self, image: Tensor, structure: Tensor | None = None) -> list[Tensor]:
        """Feature maps after every block, coarsest last."""
        x = image if structure is None else torch.cat([image, structure], 1)
        maps = [functional.leaky_relu(self.read(x), 0.2)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps[1:]

    def forward(self, image: Tensor, structure: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        """(N, 1) logits: above 0 for real."""
        return self.judge(self.features(image, structure)[-1], label)

    def judge(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits (N, 1) from the coarsest feature map (N, C, 4, 4)."""
        spread = torch.sqrt(x.var(0, correction=0) + 1e-8).mean().expand(x.shape[0], 1, 4, 4)
        x = functional.leaky_relu(self.last(torch.cat([x, spread], 1)), 0.2).flatten(1)
        logit: Tensor = self.logit(x)
        if self.label is not None and label is not None:
            logit = logit + (self.label(label) * x).sum(1, keepdim=True) / math.sqrt(x.shape[1])
        return logit


class DownBlock(nn.Module):
    """Halves the resolution: average and convolve, beside a 1x1 skip."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.high = nn.Conv2d(before, before, 3, padding=1)
        self.low = nn.Conv2d(before, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(functional.leaky_relu(self.high(x), 0.2), 2)
        y = functional.leaky_relu(self.low(y), 0.2)
        return (y + self.skip(functional.avg_pool2d(x, 2))) * math.sqrt(0.5)


def shrink(structure: Tensor, factor: int) -> Tensor:
    """The map averaged over squares of `factor`."""
    return structure if factor == 1 else functional.avg_pool2d(structure, factor)


def _up(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
