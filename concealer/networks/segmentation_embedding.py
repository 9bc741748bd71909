"""The segmentation embedding network W_s of the boosted GAN (2019): regions of a damaged face."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import PARTS
from concealer.networks.noise_prior import NoisePrior

_START = 8


class SegmentationEmbedding(nn.Module):
    """The trunk of `LandmarkDetector`, from whose weights it can start, and a decoder of the map.

    What lies in a hole is a matter of the whole face, which the trunk's feature vector holds; the edges of what was
    received come from a convolution beside it. Regions are answered at 32x32 and enlarged.
    """

    def __init__(
        self,
        resolution: int = 64,
        regions: int = len(PARTS),
        size: int = 128,
        capacity: int = 1024,
        most: int = 128,
        width: int = 32,
    ) -> None:
        """`size`: length of the feature vector; `capacity`, `most`: feature maps, as in `NoisePrior`; `width`: those
        of the decoder."""
        super().__init__()
        self.resolution, self.regions = resolution, regions
        self.trunk = NoisePrior(resolution, size, 0, capacity, most)
        self.factor = resolution // (4 * _START)
        self.start = nn.Linear(size, 2 * width * _START**2)
        self.middle = nn.Conv2d(2 * width, width, 3, padding=1)
        self.near = nn.Conv2d(4, width // 4, 3, padding=1)
        self.fine = nn.Conv2d(width + width // 4, width, 3, padding=1)
        self.last = nn.Conv2d(width, regions, 3, padding=1)

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, regions, R, R)."""
        x = functional.leaky_relu(self.trunk.features(damaged, mask), 0.2)
        x = functional.leaky_relu(self.start(x), 0.2).unflatten(1, (-1, _START, _START))
        x = functional.leaky_relu(self.middle(_up(x, 2)), 0.2)  # (N, width, 16, 16)
        near = self.near(functional.avg_pool2d(torch.cat([damaged, mask], 1), self.factor))
        x = functional.leaky_relu(self.fine(torch.cat([_up(x, 2), functional.leaky_relu(near, 0.2)], 1)), 0.2)
        return _up(self.last(x), self.factor)

    def embed(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """The map (N, regions, R, R): the probability of every region, which says too how sure it is."""
        return self(damaged, mask).softmax(1)


def _up(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
