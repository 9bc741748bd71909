"""Semantics-guided inpainting network (SGIN 2022): eq. 1, with fusion feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.face_map import PARTS
from concealer.networks.generator import channels_at, check_resolution
from concealer.networks.region_predictor import RegionPredictor
from concealer.networks.sgi_block import SgiBlock, enlarge
from concealer.networks.style_pyramid import StylePyramid

MIDDLE = 2
"""The block that is fed back into: the middle-most of the five of 64 px, at 16x16. Larger networks, which grow from
it, keep the place."""
READ = 64
"""Most side at which the feedback reads pictures."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a pass through the generator leaves."""

    image: Tensor
    """(N, 3, R, R) in [-1, 1]."""
    coarse: Tensor
    """The picture before feedback; the same one without."""
    features: list[Tensor]
    """What every block put out last, coarsest first."""


class SginGenerator(nn.Module):
    """Styles from the damaged picture, a picture from the label map and the styles, then once more with feedback."""

    def __init__(
        self,
        resolution: int = 64,
        size: int = 48,
        capacity: int = 1024,
        most: int = 96,
        attention: bool = True,
        feedback: bool = True,
        classes: int = len(PARTS),
    ) -> None:
        """`size`: numbers of a style; `capacity`, `most`: feature maps at side r are min(most, capacity / r).

        `attention`, `feedback`: False for the ablations.
        """
        super().__init__()
        check_resolution(resolution)
        self.resolution, self.classes = resolution, classes
        widths = [channels_at(4 << k, capacity, most) for k in range(resolution.bit_length() - 2)]
        self.encoder = StylePyramid(resolution, size, capacity * 3 // 4, most * 3 // 4, attention, classes)
        self.start = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.blocks = nn.ModuleList(
            SgiBlock(before, after, size, classes, doubles=level > 0)
            for level, (before, after) in enumerate(zip([widths[0], *widths[:-1]], widths, strict=True))
        )
        self.feedback = FusionFeedback(resolution, widths[MIDDLE]) if feedback else None

    def forward(self, damaged: Tensor, mask: Tensor, regions: Tensor) -> Tensor:
        """Whole pictures (N, 3, R, R) in [-1, 1] of damaged ones and their label maps (N, classes, R, R)."""
        return self.draw(damaged, mask, regions, self.styles(damaged, mask, regions)).image

    def styles(self, damaged: Tensor, mask: Tensor, regions: Tensor) -> list[Tensor]:
        """Style vectors (N, classes, size) for every block, that of 4x4 first."""
        styles = self.encoder(damaged, mask, regions)
        return styles + [styles[-1]] * (len(self.blocks) - len(styles))

    def draw(self, damaged: Tensor, mask: Tensor, regions: Tensor, styles: list[Tensor]) -> Drawn:
        """The picture of a label map and styles, which need not be those of `damaged`; where mask is 1, nothing of
        `damaged` is fed back."""
        maps = [functional.avg_pool2d(regions, self.resolution >> k + 2) for k in range(len(self.blocks))]
        start = self.start.expand(damaged.shape[0], -1, -1, -1)
        early, image = self._run(range(MIDDLE), start, None, maps, styles)
        late = range(MIDDLE, len(self.blocks))
        features, drawn = self._run(late, early[-1], image, maps, styles)
        coarse = torch.tanh(drawn)
        if self.feedback is None:
            return Drawn(coarse, coarse, early + features)
        told = self.feedback(coarse, damaged, mask)
        features, drawn = self._run(late, early[-1], image, maps, styles, told)
        return Drawn(torch.tanh(drawn), coarse, early + features)

    def _run(
        self,
        levels: range,
        x: Tensor,
        image: Tensor | None,
        maps: list[Tensor],
        styles: list[Tensor],
        told: Tensor | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """What these blocks put out, and the picture so far; `told` goes into the middle-most one."""
        features = []
        for level in levels:
            block = cast(SgiBlock, self.blocks[level])
            x = block(x, maps[level], styles[level], told if level == MIDDLE else None)
            features.append(x)
            drawn = block.rgb(x)
            image = drawn if image is None else drawn + enlarge(image)
        assert image is not None
        return features, image


class FusionFeedback(nn.Module):
    """Coarse picture and its difference from what was received, for the middle-most block; starts at zero.

    A light encoder with a decoding convolution. The paper calls the difference L2; squared it would not tell in which
    direction to correct, so here it keeps its sign. The mask is read beside it: a difference of 0 may also mean that
    nothing is known.
    """

    def __init__(self, resolution: int, width: int) -> None:
        """`width`: feature maps of the block that is fed back into."""
        super().__init__()
        self.factor = max(1, resolution // READ)
        halvings = (resolution // self.factor).bit_length() - 3 - MIDDLE
        widths = [7, *(max(8, width >> k) for k in reversed(range(halvings)))]
        layers: list[nn.Module] = []
        for one, other in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Conv2d(one, other, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.encode = nn.Sequential(*layers, nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2))
        self.decode = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.decode.parameters():
            nn.init.zeros_(parameter)

    def forward(self, coarse: Tensor, damaged: Tensor, mask: Tensor) -> Tensor:
        """(N, width, 16, 16) from pictures (N, 3, R, R) and mask (N, 1, R, R)."""
        x = torch.cat([coarse, (damaged - coarse) * (1 - mask), mask], 1)
        if self.factor > 1:
            x = functional.avg_pool2d(x, self.factor)
        y: Tensor = self.decode(self.encode(x))
        return y


class SginInpainter(nn.Module):
    """Map predictor and generator as they are exported: I_d outside the hole, G(I_d, L) in it."""

    def __init__(self, regions: RegionPredictor, generator: SginGenerator) -> None:
        """Raises ValueError if the two do not fit each other."""
        super().__init__()
        if (regions.resolution, regions.classes) != (generator.resolution, generator.classes):
            raise ValueError(
                f"map predictor and generator differ: {regions.classes} classes at {regions.resolution} px and "
                f"{generator.classes} at {generator.resolution}"
            )
        self.regions = regions
        self.generator = generator
        self.resolution = generator.resolution

    def forward(self, damaged: Tensor, mask: Tensor) -> Tensor:
        """Repaired pictures (N, 3, R, R); where mask is 0 they are `damaged`."""
        generated = self.generator(damaged, mask, self.regions.regions(damaged, mask))
        return damaged * (1 - mask) + mask * generated
