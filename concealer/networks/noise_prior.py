"""The one-pass noise prior predictor P (Lahiri et al. 2020, section 4.1): M_z, and M_z+S with structure."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concealer.networks.generator import channels_at, check_resolution, coarse_side

READ = 64
"""Most side at which the convolutions read: z is too short for more detail than a picture of this side has."""


class NoisePrior(nn.Module):
    """Strided convolutions from a damaged picture, its mask and, if given, its structure map to a latent z.

    The paper feeds the damaged picture alone; the mask tells black from missing. A linear map from the picture and mask
    shrunk to at most 32x32 is added to what the convolutions say, and starts at zero. Larger pictures are read shrunk
    to 64x64: networks of all resolutions can start from each other's weights.
    """

    def __init__(
        self,
        resolution: int = 64,
        z_size: int = 128,
        structure_channels: int = 0,
        capacity: int = 1536,
        most: int = 160,
    ) -> None:
        """`capacity`, `most`: feature maps at side r are min(most, capacity / r)."""
        super().__init__()
        check_resolution(resolution)
        self.resolution = resolution
        self.z_size = z_size
        self.structure_channels = structure_channels
        side = min(resolution, READ)
        widths = [channels_at(4 << k, capacity, most) for k in reversed(range(side.bit_length() - 3))]
        layers: list[nn.Module] = []
        for before, after in zip([4 + structure_channels, *widths[:-1]], widths, strict=True):
            # Group norm, not batch norm: masks differ within a batch, and one picture must do alone.
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(after // 8, after), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(widths[-1], widths[-1], 3, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1] * 16, z_size)
        self.read = nn.AvgPool2d(resolution // side) if resolution > side else nn.Identity()
        self.shrink = nn.AvgPool2d(resolution // coarse_side(resolution))
        self.direct = nn.Linear(4 * coarse_side(resolution) ** 2, z_size)
        for parameter in self.direct.parameters():
            nn.init.zeros_(parameter)

    def features(self, damaged: Tensor, mask: Tensor, structure: Tensor | None = None) -> Tensor:
        """z before the tanh, (N, z_size): the intermediate representation that the grouped prior takes."""
        parts = [damaged, mask]
        direct = self.direct(self.shrink(torch.cat(parts, 1)).flatten(1))
        if self.structure_channels:
            if structure is None:
                raise ValueError(f"this prior needs a structure map of {self.structure_channels} channels")
            parts.append(structure)
        z: Tensor = self.last(self.layers(self.read(torch.cat(parts, 1))).flatten(1))
        return z + direct

    def forward(self, damaged: Tensor, mask: Tensor, structure: Tensor | None = None) -> Tensor:
        """z in [-1, 1], (N, z_size), of a damaged picture (0 where mask is 1)."""
        return torch.tanh(self.features(damaged, mask, structure))
