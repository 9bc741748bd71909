"""Training the map predictor on damaged faces, on a split of its own."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from concealer.face_map import PART_COLOURS, PARTS
from concealer.networks.region_predictor import RegionPredictor
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import Maker, freehand
from train.data.pseudo import draw_motion, move_landmarks, move_pictures
from train.data.regions import label_maps
from train.run import LIVE, Part, Trainer
from train.sheet import write_sheet
from train.spec import FitSettings
from train.take_over import AVERAGE, follow, take_over

_STILLS = 0.75
"""Share of batches that are stills; the others come from clips, which are many pictures of few people."""
_SMALL = 2.0
"""Weight of the classes that are small: all but background, hair and skin."""
_WHOLE = 4
"""One picture in so many is whole."""


class RegionTrainer(Trainer):
    """Cross entropy on moved, re-lit and mostly damaged stills and clips."""

    def __init__(
        self,
        settings: FitSettings,
        faces: list[Faces],
        held_out: Faces,
        makers: list[Maker],
        seed: int,
        start: RegionPredictor | None = None,
    ) -> None:
        """`faces`: stills, and clips if there are any; `start`: a predictor of a lower resolution to start from."""
        torch.manual_seed(seed)
        self.faces, self.held_out, self.makers, self.seed = faces, held_out, makers, seed
        self.batch, self.device = settings.batch, held_out.device
        self.regions = cast(RegionPredictor, settings.network.build().to(self.device))
        if start is not None:
            take_over(self.regions, start)
        self.kept = copy.deepcopy(self.regions).eval().requires_grad_(False)
        arguments = settings.network.arguments
        self.parts = {"regions" + LIVE: Part(self.regions, arguments, False), "regions": Part(self.kept, arguments)}
        self.optimizers = {"regions": torch.optim.Adam(self.regions.parameters(), settings.rate)}
        self.weights = torch.tensor([1.0] * 3 + [_SMALL] * (len(PARTS) - 3), device=self.device)

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        source = self.faces[0 if rng.random() < _STILLS else -1]
        batch = source.take(rng.integers(len(source), size=self.batch))
        motion = draw_motion(self.batch, 1, rng, 1.5)
        images = move_pictures(batch.images, motion, 3)[:, 0]
        flips = torch.from_numpy(rng.random(self.batch) < 0.5)
        labels = label_maps(move_landmarks(batch.landmarks, motion)[:, 0], source.size, flips).to(self.device)
        images = torch.where(flips[:, None, None, None].to(self.device), images.flip(-1), images)
        masks = draw_masks(self.makers, self.batch, source.size, rng, self.device)
        masks[: self.batch // _WHOLE] = 0
        logits = self.regions(damage(images, masks), masks)
        loss = functional.cross_entropy(logits, labels, self.weights)
        self.optimizers["regions"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["regions"].step()
        follow(self.kept, self.regions, AVERAGE)
        return {"entropy": loss.item()}

    def _held_out(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, masks over half of them, true labels."""
        count = min(64, len(self.held_out))
        batch = self.held_out.take(np.arange(count))
        holes = [freehand(self.held_out.size, np.random.default_rng(n), 0.5) for n in range(count)]
        masks = torch.from_numpy(np.stack(holes)[:, None].astype(np.float32)).to(self.device)
        return batch.images, masks, label_maps(batch.landmarks, self.held_out.size).to(self.device)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean overlap of the classes on held-out identities, whole and half masked."""
        images, masks, labels = self._held_out()
        whole = self.kept(images, masks * 0).argmax(1)
        masked = self.kept(damage(images, masks), masks).argmax(1)
        return {"mean IoU": mean_iou(whole, labels), "mean IoU half masked": mean_iou(masked, labels)}

    @torch.no_grad()
    def picture(self, path: Path) -> None:
        images, masks, labels = (rows[:16] for rows in self._held_out())
        damaged = damage(images, masks)
        found = self.kept(damaged, masks).argmax(1)
        write_sheet(path, [images, damaged, coloured(labels), coloured(found)])


def mean_iou(found: Tensor, true: Tensor) -> float:
    """Intersection over union of each class over all pixels of labels (N, S, S), mean over the classes there are."""
    each = []
    for index in range(len(PARTS)):
        a, b = found == index, true == index
        if (a | b).any():
            each.append(float((a & b).sum() / (a | b).sum()))
    return float(np.mean(each))


def coloured(labels: Tensor) -> Tensor:
    """Label maps (N, S, S) as pictures (N, 3, S, S) in [-1, 1]."""
    palette = torch.tensor(PART_COLOURS, dtype=torch.float32, device=labels.device) / 127.5 - 1
    return palette[labels].permute(0, 3, 1, 2)
