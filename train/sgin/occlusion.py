"""Training the occlusion detector on composites and on damage as decoders show it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from concealer.networks.occlusion_detector import OcclusionDetector
from train.data.batches import Faces
from train.data.composites import composites
from train.data.masks import Maker
from train.run import LIVE, Part, Trainer
from train.sheet import write_sheet
from train.spec import FitSettings
from train.take_over import AVERAGE, follow, take_over


class OcclusionTrainer(Trainer):
    """Cross entropy of every pixel, and one less the overlap (Dice), which small occluders weigh in as large ones."""

    def __init__(
        self,
        settings: FitSettings,
        faces: Faces,
        held_out: Faces,
        makers: list[Maker],
        seed: int,
        start: OcclusionDetector | None = None,
    ) -> None:
        """`makers`: shapes of damage; `start`: a detector of a lower resolution to start from."""
        torch.manual_seed(seed)
        self.faces, self.held_out, self.makers, self.seed = faces, held_out, makers, seed
        self.batch = settings.batch
        self.detector = cast(OcclusionDetector, settings.network.build().to(faces.device))
        if start is not None:
            take_over(self.detector, start)
        self.kept = copy.deepcopy(self.detector).eval().requires_grad_(False)
        arguments = settings.network.arguments
        self.parts = {"detector" + LIVE: Part(self.detector, arguments, False), "detector": Part(self.kept, arguments)}
        self.optimizers = {"detector": torch.optim.Adam(self.detector.parameters(), settings.rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        images, masks = composites(self.faces.draw(self.batch, rng).images, self.makers, rng)
        logits = self.detector(images)
        entropy = functional.binary_cross_entropy_with_logits(logits, masks)
        apart = dice(torch.sigmoid(logits), masks)
        self.optimizers["detector"].zero_grad(set_to_none=True)
        (entropy + apart).backward()
        self.optimizers["detector"].step()
        follow(self.kept, self.detector, AVERAGE)
        return {"entropy": entropy.item(), "dice": apart.item()}

    def _held_out(self) -> tuple[Tensor, Tensor]:
        batch = self.held_out.take(np.arange(min(64, len(self.held_out))))
        return composites(batch.images, self.makers, np.random.default_rng(0))

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Overlap (intersection over union) of all hidden pixels on held-out identities."""
        images, masks = self._held_out()
        found = self.kept.mask(images)
        both, either = (found * masks).sum(), torch.maximum(found, masks).sum()
        return {"IoU": float(both / either.clamp(min=1))}

    def picture(self, path: Path) -> None:
        images, masks = self._held_out()
        shown = [images, *(m.expand(-1, 3, -1, -1) * 2 - 1 for m in (masks, self.kept.mask(images)))]
        write_sheet(path, [rows[:16] for rows in shown])


def dice(found: Tensor, masks: Tensor) -> Tensor:
    """One less twice the intersection over the sum of both sizes, mean over pictures; 0 where both are empty."""
    both, sizes = (found * masks).sum((1, 2, 3)), (found + masks).sum((1, 2, 3))
    return (1 - (2 * both + 1) / (sizes + 1)).mean()
