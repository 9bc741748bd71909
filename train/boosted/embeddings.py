"""Training the embedding networks of the boosted GAN on damaged faces: attributes and regions."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.landmark_detector import LandmarkDetector
from concealer.networks.segmentation_embedding import SegmentationEmbedding
from train.data.attributes import ATTRIBUTES, attributes_of_faces, mirrored
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import Maker, central
from train.data.regions import label_maps
from train.rates import parameter_groups
from train.run import LIVE, Part, Trainer
from train.sgin.regions import coloured, mean_iou
from train.sheet import write_sheet
from train.spec import FitSettings
from train.take_over import AVERAGE, follow, take_over

_WHOLE = 4
"""One picture in so many is whole: the discriminators are told of whole ones."""


class EmbeddingTrainer(Trainer):
    """What both have in common: stills, half of them mirrored, most of them damaged."""

    name: str
    """Of the network's weights."""

    def __init__(
        self, settings: FitSettings, faces: Faces, held_out: Faces, makers: list[Maker], seed: int, start: nn.Module
    ) -> None:
        """`start`: a landmark detector, whose trunk is taken over, or the same network of a lower resolution."""
        torch.manual_seed(seed)
        self.faces, self.held_out, self.makers, self.seed = faces, held_out, makers, seed
        self.batch, self.device = settings.batch, faces.device
        self.network = settings.network.build().to(self.device)
        take_over(self.network, start, skip="last." if isinstance(start, LandmarkDetector) else None)
        self.kept = copy.deepcopy(self.network).eval().requires_grad_(False)
        arguments = settings.network.arguments
        self.parts = {self.name + LIVE: Part(self.network, arguments, False), self.name: Part(self.kept, arguments)}
        groups = parameter_groups([self.network], settings.rate)
        self.optimizers = {self.name: torch.optim.Adam(groups, settings.rate)}

    def loss(self, logits: Tensor, places: Tensor, flips: Tensor) -> Tensor:
        """Of the network's answer for the pictures at `places`, mirrored where `flips` says so."""
        raise NotImplementedError

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        places = torch.from_numpy(rng.integers(len(self.faces), size=self.batch))
        flips = torch.from_numpy(rng.random(self.batch) < 0.5)
        images = self.faces.take(places, flips).images
        masks = draw_masks(self.makers, self.batch, self.faces.size, rng, self.device)
        masks[: self.batch // _WHOLE] = 0
        loss = self.loss(self.network(damage(images, masks), masks), places, flips)
        optimizer = self.optimizers[self.name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        follow(self.kept, self.network, AVERAGE)
        return {"entropy": loss.item()}

    @torch.no_grad()
    def _answers(self) -> dict[str, Tensor]:
        """For held-out identities, whole and with the central quarter missing."""
        images = self.held_out.take(np.arange(len(self.held_out))).images
        masks = draw_masks([central], len(images), self.held_out.size, np.random.default_rng(0), self.device)
        return {"whole": self.kept(images, masks * 0), "masked": self.kept(damage(images, masks), masks)}


class AttributeTrainer(EmbeddingTrainer):
    """W_a by cross entropy over all attributes."""

    name = "attributes"

    def __init__(
        self, settings: FitSettings, faces: Faces, held_out: Faces, makers: list[Maker], seed: int, start: nn.Module
    ) -> None:
        super().__init__(settings, faces, held_out, makers, seed, start)
        self.true = attributes_of_faces(faces)
        self.known = attributes_of_faces(held_out)

    def loss(self, logits: Tensor, places: Tensor, flips: Tensor) -> Tensor:
        true = self.true[places]
        true = torch.where(flips[:, None], mirrored(true), true).to(self.device)
        return functional.binary_cross_entropy_with_logits(logits, true)

    def validate(self) -> dict[str, float]:
        """Balanced accuracy, mean over attributes."""
        return {
            f"{name} accuracy": float(balanced_accuracy(logits.cpu(), self.known).mean())
            for name, logits in self._answers().items()
        }


class SegmentationTrainer(EmbeddingTrainer):
    """W_s by cross entropy over all pixels."""

    name = "segmentation"

    def loss(self, logits: Tensor, places: Tensor, flips: Tensor) -> Tensor:
        labels = label_maps(self.faces.landmarks[places], self.faces.size, flips).to(self.device)
        return functional.cross_entropy(logits, labels)

    def validate(self) -> dict[str, float]:
        """Mean overlap of the regions."""
        true = label_maps(self.held_out.landmarks, self.held_out.size)
        return {f"{name} mean IoU": mean_iou(logits.argmax(1).cpu(), true) for name, logits in self._answers().items()}

    def picture(self, path: Path) -> None:
        count = min(16, len(self.held_out))
        batch = self.held_out.take(np.arange(count))
        rows = [coloured(logits[:count].argmax(1)) for logits in self._answers().values()]
        write_sheet(path, [batch.images, coloured(label_maps(batch.landmarks, self.held_out.size)), *rows])


def balanced_accuracy(logits: Tensor, true: Tensor) -> Tensor:
    """Mean of the shares of yes and of no that are found, (len(ATTRIBUTES),): chance is 0.5 for any attribute."""
    said, yes = logits > 0, true > 0.5
    found = [
        (said == answer).logical_and(yes == answer).sum(0) / (yes == answer).sum(0).clamp(min=1)
        for answer in (True, False)
    ]
    mean: Tensor = (found[0] + found[1]) / 2
    return mean


def frozen_embeddings(
    attributes: nn.Module, segmentation: nn.Module
) -> tuple[AttributeEmbedding, SegmentationEmbedding]:
    """Both without gradients. Raises ValueError if the first does not say the attributes of `train.data.attributes`."""
    for network in (attributes, segmentation):
        network.eval().requires_grad_(False)
    known = cast(AttributeEmbedding, attributes)
    if known.attributes != len(ATTRIBUTES):
        raise ValueError(f"the attribute network says {known.attributes} attributes, there are {len(ATTRIBUTES)}")
    return known, cast(SegmentationEmbedding, segmentation)
