"""DCGAN (Radford et al. 2015) as iterative inference uses it (Yeh et al. 2017, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concealer.networks.generator import Generator, check_resolution


class DcganGenerator(Generator):
    """z in [-1, 1], transposed convolutions of stride 2, batch normalisation, ReLU, tanh."""

    def __init__(self, resolution: int = 64, z_size: int = 100, width: int = 64, most: int = 512) -> None:
        """`width`: feature maps before the last layer, doubled at every halving of the resolution up to `most`."""
        super().__init__(resolution, z_size)
        steps = resolution.bit_length() - 3  # 4x4 doubled this often
        sizes = [min(most, width << k) for k in reversed(range(steps))]
        self.project = nn.Linear(z_size, sizes[0] * 16, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(sizes[0]), nn.ReLU()]
        for before, after in zip(sizes, [*sizes[1:], 0], strict=True):
            if after:
                layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            else:
                layers += [nn.ConvTranspose2d(before, 3, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, structure: Tensor | None = None) -> Tensor:
        x = self.project(z).unflatten(1, (-1, 4, 4))  # (N, sizes[0], 4, 4)
        image: Tensor = self.layers(x)  # (N, 3, R, R)
        return image


class DcganDiscriminator(nn.Module):
    """The generator in reverse: strided convolutions down to 4x4, then one logit.

    With `structure_channels`, the map is concatenated to the image (Lahiri et al. 2017, section 4.2: kernels of
    5x5, batch normalisation but for the first and last layer).
    """

    def __init__(self, resolution: int = 64, width: int = 64, structure_channels: int = 0, most: int = 512) -> None:
        super().__init__()
        check_resolution(resolution)
        self.resolution = resolution
        self.structure_channels = structure_channels
        steps = resolution.bit_length() - 3
        sizes = [min(most, width << k) for k in range(steps)]
        layers: list[nn.Module] = []
        for before, after in zip([3 + structure_channels, *sizes[:-1]], sizes, strict=True):
            layers.append(nn.Conv2d(before, after, 5, 2, 2, bias=not layers))
            if before != 3 + structure_channels:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(sizes[-1] * 16, 1)

    def forward(self, image: Tensor, structure: Tensor | None = None) -> Tensor:
        """(N, 1) logits: above 0 for real."""
        x = image if structure is None else torch.cat([image, structure], 1)
        logit: Tensor = self.last(self.layers(x).flatten(1))
        return logit
