"""The systems under evaluation, each as one function from damaged pictures to generated ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer.networks import semantic_map
from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.weights import load_weights
from train.iterative import STEPS, Objective, search
from train.prior import freeze, generate


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


@dataclass
class Structure:
    """Structure maps from damaged pictures: detector, then the refiner with the keypoints under the hole dropped."""

    detector: LandmarkDetector
    refiner: LandmarkRefiner

    @torch.no_grad()
    def landmarks(self, damaged: Tensor, masks: Tensor, refine: bool = True) -> Tensor:
        """(N, LANDMARKS, 2) in [0, 1] of the crop."""
        found: Tensor = self.detector(damaged, masks)
        if not refine:
            return found
        refined: Tensor = self.refiner(found, visible(found, masks))
        return refined

    def maps(self, damaged: Tensor, masks: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1]."""
        return draw_maps(self.landmarks(damaged, masks), damaged.shape[-1]).to(damaged.device)


def visible(landmarks: Tensor, masks: Tensor) -> Tensor:
    """Switch vector (N, K) of keypoints in [0, 1]: 0 under the mask and outside the picture."""
    side = masks.shape[-1]
    place = (landmarks * side).floor().long()
    inside = ((place >= 0) & (place < side)).all(2)
    x, y = place.clamp(0, side - 1).unbind(2)
    rows = torch.arange(len(masks), device=masks.device)[:, None]
    return (inside & (masks[rows, 0, y, x] < 0.5)).float()


def draw_maps(landmarks: Tensor, size: int) -> Tensor:
    """Structure maps (N, 3, size, size) in [-1, 1], on the CPU, of landmarks (N, LANDMARKS, 2)."""
    drawn = np.stack([semantic_map.draw(points, size) for points in landmarks.cpu().numpy()])
    return torch.from_numpy(np.ascontiguousarray(drawn.transpose(0, 3, 1, 2))).float() / 127.5 - 1


def load(path: Path, device: torch.device) -> nn.Module:
    """A frozen network from its weights. Raises ValueError if they are missing or bad."""
    return freeze(load_weights(path).to(device))


def load_structure(detector: Path, refiner: Path, device: torch.device) -> Structure:
    """The landmark networks. Raises ValueError if they are missing or bad."""
    return Structure(cast(LandmarkDetector, load(detector, device)), cast(LandmarkRefiner, load(refiner, device)))
