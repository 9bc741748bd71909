"""The attribute discriminator D_a of the boosted GAN (2019, section III-A.2): are picture and attributes a pair?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.networks.style_gan import StyleDiscriminator


class AttributeDiscriminator(StyleDiscriminator):
    """The picture down to features of M2 x M2 = 4x4, the attributes replicated beside them, one logit.

    The global discriminator is `StyleDiscriminator`, the segmentation discriminator the same with the map's channels.
    """

    def __init__(self, resolution: int = 64, attributes: int = 20, capacity: int = 1024, most: int = 128) -> None:
        super().__init__(resolution, 0, capacity, most)
        self.attributes = attributes
        width = self.last.out_channels
        self.last = nn.Conv2d(width + attributes, width, 3, padding=1)

    def forward(self, image: Tensor, attributes: Tensor) -> Tensor:  # type: ignore[override]
        """(N, 1) logits of pictures (N, 3, R, R) and attributes (N, attributes): above 0 for real and matching."""
        x = self.features(image)[-1]  # (N, width, 4, 4)
        tiled = attributes[:, :, None, None].expand(-1, -1, *x.shape[-2:])
        x = functional.leaky_relu(self.last(torch.cat([x, tiled], 1)), 0.2).flatten(1)
        logit: Tensor = self.logit(x)
        return logit
