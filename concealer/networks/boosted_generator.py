"""The generator of the boosted GAN (2019, section III-A): an encoder and decoder that is told attributes and regions.

After Iizuka et al. (2017): strided convolutions, dilated ones in the middle, upsampling ones. The semantic map is
concatenated to the damaged picture, the attribute vector is replicated over the M1 x M1 features of the middle.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import PARTS
from concealer.networks.eigenface_fill import EigenfaceFill
from concealer.networks.generator import check_resolution

MIDDLE = 16
"""M1: side of the features that the attributes are concatenated with, at every resolution."""
READ = 64
"""Most side at which the encoder reads: larger pictures are read shrunk, so that larger networks start from smaller."""
_DILATIONS = (1, 2, 4, 8)


class BoostedGenerator(nn.Module):
    """z = G(x, W_s(x), W_a(x)), eq. 1, with the mask beside x: it tells grey from missing.

    What differs from the paper is for want of pictures and time: the encoder is shown a first guess in closed form
    (`EigenfaceFill`), which the network corrects, and as faces come aligned, the middle's blocks mix all places with
    weights of their own (Tolstikhin et al. 2021), which costs less than a convolution. The picture is a sum over
    resolutions, as in `StyleGenerator`, so that a larger network begins as the smaller one's picture enlarged.
    """

    def __init__(
        self,
        resolution: int = 64,
        attributes: int = 20,
        regions: int = len(PARTS),
        width: int = 16,
        middle: int = 64,
        components: int = 256,
    ) -> None:
        """`width`, `middle`: feature maps at 32x32 and 16x16; `components`: eigenfaces of the first guess."""
        super().__init__()
        check_resolution(resolution)
        if resolution < READ:
            raise ValueError(f"this generator reads pictures of {READ}x{READ} at least, got {resolution}")
        self.resolution, self.attributes, self.regions = resolution, attributes, regions
        self.first = EigenfaceFill(components)
        self.outer = nn.Conv2d(7 + regions, width, 4, 2, 1)
        self.inner = nn.Conv2d(width, middle, 4, 2, 1)
        self.join = nn.Conv2d(middle + attributes, middle, 1)
        self.place = nn.Parameter(torch.zeros(1, middle, MIDDLE, MIDDLE))
        self.blocks = nn.ModuleList(_MiddleBlock(middle, dilation) for dilation in _DILATIONS)
        fine = max(4, width * 3 // 4)
        self.up_inner = _UpBlock(middle, width, width)
        self.up_outer = _UpBlock(width, 7, fine)
        self.larger = nn.ModuleList(_UpBlock(fine, 4, fine) for _ in range((resolution // READ).bit_length() - 1))

    def forward(
        self, damaged: Tensor, mask: Tensor, attributes: Tensor | None = None, regions: Tensor | None = None
    ) -> Tensor:
        """Pictures (N, 3, R, R) in [-1, 1] of damaged ones (0 where mask is 1).

        `attributes`: (N, attributes) in [-1, 1]; `regions`: (N, regions, R, R) in [0, 1]; what is left out is unknown.
        """
        seen = torch.cat([damaged, mask], 1)
        factor = self.resolution // READ
        guess = self.first(damaged, mask)  # (N, 3, 32, 32)
        read = torch.cat([_shrink(seen, factor), _up(guess)], 1)  # (N, 7, 64, 64)
        if regions is None:
            regions = damaged.new_zeros(len(damaged), self.regions, self.resolution, self.resolution)
        outer = functional.leaky_relu(self.outer(torch.cat([read, _shrink(regions, factor)], 1)), 0.2)
        x = functional.leaky_relu(self.inner(outer), 0.2)  # (N, middle, 16, 16)
        known = damaged.new_zeros(len(damaged), self.attributes) if attributes is None else attributes
        x = self.join(torch.cat([x, known[:, :, None, None].expand(-1, -1, MIDDLE, MIDDLE)], 1)) + self.place
        for block in self.blocks:
            x = block(x)
        x, correction = self.up_inner(x, outer)
        image = guess + correction
        x, correction = self.up_outer(x, read)
        image = _up(image) + correction
        for level, block in enumerate(self.larger):
            x, correction = block(x, _shrink(seen, factor >> level + 1))
            image = _up(image) + correction
        return functional.hardtanh(image)


class _MiddleBlock(nn.Module):
    """Dilated convolution, then a mixing of places; each is added to what came in."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        half, places = channels // 2, MIDDLE * MIDDLE
        self.first = nn.GroupNorm(8, channels)
        self.narrow = nn.Conv2d(channels, half, 1)
        self.dilated = nn.Conv2d(half, half, 3, padding=dilation, dilation=dilation)
        self.wide = nn.Conv2d(half, channels, 1)
        self.second = nn.GroupNorm(8, channels)
        self.gather = nn.Linear(places, places // 4)
        self.spread = nn.Linear(places // 4, places)
        for layer in (self.wide, self.spread):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y = functional.leaky_relu(self.narrow(self.first(x)), 0.2)
        x = x + self.wide(functional.leaky_relu(self.dilated(y), 0.2))
        y = functional.leaky_relu(self.gather(self.second(x).flatten(2)), 0.2)  # (N, channels, places / 4)
        return x + self.spread(y).unflatten(2, (MIDDLE, MIDDLE))


class _UpBlock(nn.Module):
    """Doubles the resolution: features beside what the encoder had there, and what they correct in the picture.

    It corrects nothing at first.
    """

    def __init__(self, before: int, beside: int, after: int) -> None:
        super().__init__()
        self.low = nn.Conv2d(before, after, 3, padding=1)
        self.high = nn.Conv2d(after + beside, after, 3, padding=1)
        self.rgb = nn.Conv2d(after, 3, 3, padding=1)
        for parameter in self.rgb.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        x = _up(functional.leaky_relu(self.low(x), 0.2))
        x = functional.leaky_relu(self.high(torch.cat([x, beside], 1)), 0.2)
        return x, self.rgb(x)


def _shrink(x: Tensor, factor: int) -> Tensor:
    return x if factor == 1 else functional.avg_pool2d(x, factor)


def _up(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
