"""The systems under evaluation, each as one function from damaged pictures to generated ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.boosted_generator import BoostedGenerator
from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.region_predictor import RegionPredictor
from concealer.networks.segmentation_embedding import SegmentationEmbedding
from concealer.networks.sgin import SginGenerator
from train.calls import generate
from train.iterative import STEPS, Objective, search


class System(ABC):
    """Generates whole pictures from damaged ones; what was received is laid over them by the caller."""

    structured: bool = False
    """Whether `maps` is used."""
    searches: bool = False
    """Whether it takes a gradient descent per picture, and so is measured on fewer pictures."""

    @abstractmethod
    def generate(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) of damaged ones, masks (N, 1, S, S) and structure maps (N, 3, S, S)."""

    def generate_sequence(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        """The same for the consecutive pictures of one sequence; picture by picture unless overridden."""
        return self.generate(damaged, masks, maps)


@dataclass
class OnePass(System):
    """M_z or M_z+S; with `labels`, that of the class-conditional generator."""

    prior: NoisePrior
    generator: Generator
    labels: LabelPredictor | None = None

    def __post_init__(self) -> None:
        self.structured = self.generator.structure_channels > 0

    @torch.no_grad()
    def generate(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        structure = maps if self.structured else None
        label = None if self.labels is None else self.labels(damaged, masks).softmax(1)
        return generate(self.generator, self.prior(damaged, masks, structure), structure, label)


@dataclass
class Grouped(System):
    """M_z+L or M_z+S+L, run causally, one picture at a time."""

    prior: GroupedPrior
    generator: Generator

    def __post_init__(self) -> None:
        self.structured = self.generator.structure_channels > 0

    @torch.no_grad()
    def generate(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        hidden, cell = self.prior.initial_state(len(damaged))
        return self._step(damaged, masks, maps, hidden, cell)[0]

    @torch.no_grad()
    def generate_sequence(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        hidden, cell = self.prior.initial_state(1)
        pictures = []
        for t in range(len(damaged)):
            at = slice(t, t + 1)
            picture, hidden, cell = self._step(damaged[at], masks[at], maps[at], hidden, cell)
            pictures.append(picture)
        return torch.cat(pictures)

    def _step(
        self, damaged: Tensor, masks: Tensor, maps: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        structure = maps if self.structured else None
        z, hidden, cell = self.prior.step(damaged, masks, structure, hidden, cell)
        return self.generator(z, structure), hidden, cell


@dataclass
class BoostedGan(System):
    """The boosted GAN, told what its embedding networks see; variants are told less."""

    attributes: AttributeEmbedding
    segmentation: SegmentationEmbedding
    generator: BoostedGenerator
    told_attributes: bool = True
    told_regions: bool = True

    @torch.no_grad()
    def generate(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        attributes = self.attributes.embed(damaged, masks) if self.told_attributes else None
        regions = self.segmentation.embed(damaged, masks) if self.told_regions else None
        made: Tensor = self.generator(damaged, masks, attributes, regions)
        return made


@dataclass
class SemanticsGuided(System):
    """SGIN, with the label maps it predicts itself."""

    regions: RegionPredictor
    generator: SginGenerator

    @torch.no_grad()
    def generate(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        made: Tensor = self.generator(damaged, masks, self.regions.regions(damaged, masks))
        return made


@dataclass
class Iterative(System):
    """Gradient descent on z: iterative inference, or SG-GAN where the generator takes structure."""

    generator: Generator
    judge: nn.Module
    objective: Objective
    steps: int = STEPS

    def __post_init__(self) -> None:
        self.structured = self.generator.structure_channels > 0
        self.searches = True

    def generate(self, damaged: Tensor, masks: Tensor, maps: Tensor) -> Tensor:
        structure = maps if self.structured else None
        z = search(self.generator, self.judge, damaged, masks, structure, self.objective, steps=self.steps)
        with torch.no_grad():
            return generate(self.generator, z, structure, None)
