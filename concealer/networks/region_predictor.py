"""The semantic map of a damaged face: BiSeNet (Yu et al. 2018) in its two-path form, as SGIN (2022) predicts it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import PARTS
from concealer.networks.generator import channels_at, check_resolution

READ = 64
"""Most side at which the picture is read."""


class RegionPredictor(nn.Module):
    """A spatial path that keeps half of the side, a context path down to 4x4, and their fusion.

    BiSeNet's spatial path keeps an eighth of the side of photographs; eyes of a 64 px face would not survive that. The
    mask is read beside the damaged picture, where the paper feeds the picture alone: it tells black from missing.
    Larger pictures are read shrunk to 64x64 and the answer is enlarged.
    """

    def __init__(self, resolution: int = 64, capacity: int = 1024, most: int = 96, classes: int = len(PARTS)) -> None:
        """`capacity`, `most`: feature maps at side r are min(most, capacity / r)."""
        super().__init__()
        check_resolution(resolution)
        self.resolution, self.classes = resolution, classes
        self.factor = max(1, resolution // READ)
        sides = [resolution // self.factor >> k for k in range(1, (resolution // self.factor).bit_length() - 2)]
        widths = [channels_at(side, capacity, most) for side in sides]  # at half of the side, then down to 4x4
        wide = widths[0]
        self.spatial = nn.Sequential(_conv(4, wide, 2), _conv(wide, wide), _conv(wide, wide))
        self.context = nn.ModuleList(
            nn.Sequential(_conv(before, after, 2), _conv(after, after))
            for before, after in zip([4, *widths[:-1]], widths, strict=True)
        )
        # Attention refines the two coarsest maps; the mean of the coarsest says what the whole picture is like.
        self.refine = nn.ModuleList(_Refinement(width, widths[-1]) for width in widths[-2:])
        self.whole = nn.Sequential(nn.Conv2d(widths[-1], widths[-1], 1), nn.LeakyReLU(0.2))
        self.fuse = _Fusion(wide + widths[-1], 2 * wide)
        self.last = nn.Conv2d(2 * wide, classes, 3, padding=1)

    def features(self, damaged: Tensor, mask: Tensor) -> list[Tensor]:
        """Feature maps of the context path, coarsest last: what pictures are compared by in a perceptual loss."""
        return self._down(self._read(damaged, mask))

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, classes, R, R) of damaged pictures (0 where mask is 1)."""
        x = self._read(damaged, mask)
        near = self.spatial(x)
        maps = self._down(x)
        far = self.refine[1](maps[-1]) + self.whole(maps[-1].mean((2, 3), keepdim=True))
        far = functional.interpolate(far, scale_factor=2.0) + self.refine[0](maps[-2])
        far = functional.interpolate(far, size=near.shape[-2:], mode="bilinear")
        logits: Tensor = self.last(self.fuse(torch.cat([near, far], 1)))
        return functional.interpolate(logits, scale_factor=2.0 * self.factor, mode="bilinear")

    def regions(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """The label map as one binary channel a class, (N, classes, R, R)."""
        return one_hot_map(self(damaged, mask).argmax(1), self.classes).to(damaged.dtype)

    def _read(self, damaged: Tensor, mask: Tensor) -> Tensor:
        x = torch.cat([damaged, mask], 1)
        return functional.avg_pool2d(x, self.factor) if self.factor > 1 else x

    def _down(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.context:
            x = stage(x)
            maps.append(x)
        return maps


def one_hot_map(labels: Tensor, classes: int = len(PARTS)) -> Tensor:
    """Binary channels (N, classes, R, R) of labels (N, R, R)."""
    each = torch.arange(classes, device=labels.device).view(1, -1, 1, 1)
    return (labels[:, None] == each).float()


class _Refinement(nn.Module):
    """BiSeNet's attention refinement: channels weighed by the mean of the map."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = _conv(before, after)
        self.weigh = nn.Conv2d(after, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y: Tensor = x * torch.sigmoid(self.weigh(x.mean((2, 3), keepdim=True)))
        return y


class _Fusion(nn.Module):
    """BiSeNet's feature fusion: both paths joined, then weighed by what both show."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.join = _conv(before, after)
        self.weigh = nn.Sequential(nn.Conv2d(after, after, 1), nn.LeakyReLU(0.2), nn.Conv2d(after, after, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.join(x)
        y: Tensor = x + x * torch.sigmoid(self.weigh(x.mean((2, 3), keepdim=True)))
        return y


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    # Group norm, not batch norm: masks differ within a batch, and one picture must do alone.
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.GroupNorm(after // 8, after), nn.LeakyReLU(0.2))
