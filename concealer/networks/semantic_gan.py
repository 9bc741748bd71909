"""The semantically conditioned generator of SG-GAN (Lahiri et al. 2017, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concealer.networks.generator import Generator


class SemanticGenerator(Generator):
    """z tiled over the picture, concatenated with the map, then a conv-deconv network.

    The paper names five convolutions of stride 2 and four fractionally strided ones, and a bottleneck of R / 16:
    these agree only if one of the five keeps its resolution; here the last one does. Its discriminator is
    `DcganDiscriminator` with structure channels.
    """

    def __init__(
        self, resolution: int = 64, z_size: int = 100, structure_channels: int = 3, width: int = 16, most: int = 256
    ) -> None:
        """`width`: filters of the first convolution, doubled at every stage up to `most`."""
        super().__init__(resolution, z_size, structure_channels)
        sizes = [min(most, width << k) for k in range(5)]
        layers: list[nn.Module] = []
        for stage, (before, after) in enumerate(zip([z_size + structure_channels, *sizes[:-1]], sizes, strict=True)):
            layers.append(nn.Conv2d(before, after, 5, 2 if stage < 4 else 1, 2, bias=False))
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
        for before, after in zip(sizes[:0:-1], [*sizes[3:0:-1], 3], strict=True):
            layers.append(nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1, bias=after == 3))
            layers += [nn.Tanh()] if after == 3 else [nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, structure: Tensor | None = None) -> Tensor:
        structure = self.expect(structure)
        tiled = z[:, :, None, None].expand(-1, -1, self.resolution, self.resolution)  # (N, z_size, R, R)
        image: Tensor = self.layers(torch.cat([tiled, structure], 1))  # (N, 3, R, R)
        return image
