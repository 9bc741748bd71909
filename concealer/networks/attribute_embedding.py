"""The attribute embedding network W_a of the boosted GAN (2019): attributes of a damaged face."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.networks.noise_prior import NoisePrior


class AttributeEmbedding(nn.Module):
    """Multi-label classification by the trunk of `LandmarkDetector`, from whose weights it can start."""

    def __init__(
        self, resolution: int = 64, attributes: int = 20, size: int = 128, capacity: int = 1024, most: int = 128
    ) -> None:
        """`size`: length of the feature vector; `capacity`, `most`: feature maps, as in `NoisePrior`."""
        super().__init__()
        self.resolution, self.attributes = resolution, attributes
        self.trunk = NoisePrior(resolution, size, 0, capacity, most)
        self.last = nn.Linear(size, attributes)

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, attributes): above 0 for yes."""
        logits: Tensor = self.last(functional.leaky_relu(self.trunk.features(damaged, mask), 0.2))
        return logits

    def embed(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """The attribute vector (N, attributes) in [-1, 1]: -1 for a sure no, 1 for a sure yes."""
        return torch.tanh(self(damaged, mask) / 2)
