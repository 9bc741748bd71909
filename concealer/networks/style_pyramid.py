"""Styles of the regions of a damaged face: SGIN's FPN encoder and its region-wise average pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import PARTS
from concealer.networks.contextual_attention import attend
from concealer.networks.generator import channels_at, check_resolution

READ = 64
"""Most side at which the picture is read: styles are means over regions and need no more."""
ATTENDED = 16
"""Most side of a pyramid's level at which holes attend to the rest; the cost grows with the fourth power of it."""


class StylePyramid(nn.Module):
    """Damaged picture, mask and label map in; one style vector for every region from every level of the pyramid.

    From half of the side down to 4x4 and back up by addition (Lin et al. 2017). Between the two pyramids contextual
    attention fills the places of the hole.
    """

    def __init__(
        self,
        resolution: int = 64,
        size: int = 48,
        capacity: int = 768,
        most: int = 64,
        attention: bool = True,
        classes: int = len(PARTS),
    ) -> None:
        """`size`: numbers of a style; `capacity`, `most`: feature maps at side r are min(most, capacity / r)."""
        super().__init__()
        check_resolution(resolution)
        self.factor = max(1, resolution // READ)
        self.attention, self.size = attention, size
        top = resolution // self.factor
        sides = [top >> k for k in range(1, top.bit_length() - 2)]
        widths = [channels_at(side, capacity, most) for side in sides]
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(after // 8, after), nn.LeakyReLU(0.2))
            for before, after in zip([4 + classes, *widths[:-1]], widths, strict=True)
        )
        self.across = nn.ModuleList(nn.Conv2d(width, size, 1) for width in widths)
        self.smooth = nn.ModuleList(nn.Conv2d(size, size, 3, padding=1) for _ in widths)

    def forward(self, damaged: Tensor, mask: Tensor, regions: Tensor) -> list[Tensor]:
        """Styles (N, classes, size) of every level, that of 4x4 first."""
        x = torch.cat([damaged, mask, regions], 1)
        x = functional.avg_pool2d(x, self.factor) if self.factor > 1 else x
        mask, regions = x[:, 3:4], x[:, 4:]
        maps = []
        for layer in self.down:
            x = layer(x)
            maps.append(x)
        styles: list[Tensor] = []
        above: Tensor | None = None
        for level in reversed(range(len(maps))):
            y = self.across[level](maps[level])
            side = y.shape[-1]
            times = mask.shape[-1] // side
            if self.attention and side <= ATTENDED:
                y = attend(y, functional.avg_pool2d(mask, times))
            above = y if above is None else y + functional.interpolate(above, scale_factor=2.0)
            styles.append(pool_regions(self.smooth[level](above), functional.avg_pool2d(regions, times)))
        return styles


def pool_regions(features: Tensor, regions: Tensor) -> Tensor:
    """Region-wise average pooling: the mean of features (N, D, h, w) over each region, (N, classes, D).

    `regions`: (N, classes, h, w), the share of every place that belongs to a class. A class that is not there has the
    style 0.
    """
    sums = regions.flatten(2) @ features.flatten(2).transpose(1, 2)
    return sums / (regions.sum((2, 3)).unsqueeze(2) + 1e-4)
