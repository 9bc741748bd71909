"""Landmarks straight from a damaged crop: the initial detection where MediaPipe is not at hand or finds nothing."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import LANDMARKS
from concealer.networks.noise_prior import NoisePrior


class LandmarkDetector(nn.Module):
    """Strided convolutions from a face crop and its mask to all landmarks.

    Its features also serve to compare sets of pictures (`features`), since the known feature networks cannot be
    shipped.
    """

    def __init__(self, resolution: int = 64, size: int = 128, capacity: int = 1024, most: int = 128) -> None:
        """`size`: length of the feature vector; `capacity`, `most`: feature maps, as in `NoisePrior`."""
        super().__init__()
        self.resolution = resolution
        self.size = size
        self.trunk = NoisePrior(resolution, size, 0, capacity, most)
        self.last = nn.Linear(size, LANDMARKS * 2)

    def features(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """(N, size) features of crops."""
        return functional.leaky_relu(self.trunk.features(damaged, mask), 0.2)

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Landmarks (N, LANDMARKS, 2), x and y in [0, 1] of the crop."""
        found: Tensor = self.last(self.features(damaged, mask)).unflatten(1, (LANDMARKS, 2)) + 0.5
        return found
