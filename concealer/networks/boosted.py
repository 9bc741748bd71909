"""The boosted GAN's inpainting network as it is exported: W_a, W_s and the generator in one pass (2019, eq. 1)."""

from __future__ import annotations

from torch import Tensor, nn

from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.boosted_generator import BoostedGenerator
from concealer.networks.segmentation_embedding import SegmentationEmbedding


class BoostedInpainter(nn.Module):
    """Needs nothing but the damaged picture and its mask."""

    def __init__(
        self, attributes: AttributeEmbedding, segmentation: SegmentationEmbedding, generator: BoostedGenerator
    ) -> None:
        """Raises ValueError if the three do not fit each other."""
        super().__init__()
        sides = {network.resolution for network in (attributes, segmentation, generator)}
        if len(sides) > 1:
            raise ValueError(f"the networks have different resolutions: {', '.join(map(str, sorted(sides)))}")
        if (attributes.attributes, segmentation.regions) != (generator.attributes, generator.regions):
            raise ValueError(
                f"the generator takes {generator.attributes} attributes and {generator.regions} regions, there are "
                f"{attributes.attributes} and {segmentation.regions}"
            )
        self.resolution = generator.resolution
        self.attributes, self.segmentation, self.generator = attributes, segmentation, generator

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Repaired pictures (N, 3, R, R); where mask is 0 they are `damaged`."""
        known, regions = self.attributes.embed(damaged, mask), self.segmentation.embed(damaged, mask)
        generated: Tensor = self.generator(damaged, mask, known, regions)
        return damaged * (1 - mask) + mask * generated
