"""What every generator is: G(z, structure) -> image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """Base of the generators. Subclasses define `forward(z, structure=None) -> image`.

    z: (N, z_size) in [-1, 1]; structure: (N, structure_channels, R, R) in [-1, 1], or None where
    `structure_channels` is 0; image: (N, 3, R, R) in [-1, 1].
    """

    def __init__(self, resolution: int, z_size: int, structure_channels: int = 0) -> None:
        """Raises ValueError if `resolution` is not a power of two of at least 16."""
        super().__init__()
        check_resolution(resolution)
        self.resolution = resolution
        self.z_size = z_size
        self.structure_channels = structure_channels

    def sample_z(self, count: int, rng: torch.Generator | None = None) -> Tensor:
        """`count` latents from the prior U[-1, 1], (count, z_size), on the CPU."""
        return torch.rand(count, self.z_size, generator=rng) * 2 - 1

    def expect(self, structure: Tensor | None) -> Tensor:
        """The structure map, for generators that need one. Raises ValueError if it is missing."""
        if structure is None:
            raise ValueError(f"{type(self).__name__} needs a structure map of {self.structure_channels} channels")
        return structure


def coarse_side(resolution: int) -> int:
    """Side of the coarse picture that is a linear map of z or the other way round."""
    return min(32, resolution // 2)


def check_resolution(resolution: int) -> None:
    """Raises ValueError if `resolution` is not a power of two of at least 16."""
    if resolution < 16 or resolution & (resolution - 1):
        raise ValueError(f"resolution must be a power of two of at least 16, got {resolution}")


def channels_at(resolution: int, capacity: int, most: int) -> int:
    """Feature maps at a resolution: `capacity` shared out over the side of the picture, in steps of 8."""
    return max(8, min(most, capacity // resolution // 8 * 8))
