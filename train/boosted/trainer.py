"""Training the boosted GAN (2019, section III-B): reconstruction first, then the three discriminators."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.boosted_generator import BoostedGenerator
from concealer.networks.segmentation_embedding import SegmentationEmbedding
from train.boosted.losses import adversarial_loss, discriminative_loss, matching_loss, restoration_loss
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import Maker, central
from train.data.pseudo import draw_motion, move_pictures
from train.eigenfaces import fill_from_faces
from train.losses import judge_loss
from train.measures import psnr
from train.run import LIVE, Part, Trainer
from train.sheet import write_sheet
from train.spec import NetworkSpec
from train.take_over import AVERAGE, follow, grow

BETA = 0.01
"""Weight of the discriminators' say in eq. 6."""
_BETAS = (0.9, 0.99)
_JUDGE_RATE, _JUDGE_BETAS = 5e-4, (0.5, 0.99)
_CLIPS, _MOTION = 0.25, 0.5
"""Share of batches that are pictures of clips; strength of the motion, see `train.data.pseudo`."""
_UNKNOWN = 0.5
"""Share of pictures whose attributes, and likewise whose map, the common start is not told."""


@dataclass(frozen=True, slots=True)
class BoostedSettings:
    """What tells one recipe of the boosted GAN from another."""

    generator: NetworkSpec
    judges: Mapping[str, NetworkSpec]
    """Discriminators: "judge" (global), "attribute-judge", "segmentation-judge"; none: reconstruction alone."""
    lambda_a: float
    lambda_s: float
    """0: the generator is not told either, and there is no such discriminator."""
    batch: int
    rate: float
    steps: int
    """Over which the rate falls to nothing."""
    warm_up: int = 0
    """Steps at the start that only reconstruct."""
    alone: int = 0
    """Steps after these in which the discriminators learn and the generator does not heed them."""
    unknown: bool = False
    """Attributes and maps are each left out of half of the pictures: a common start for all that are told less."""


class BoostedTrainer(Trainer):
    """Generator against up to three discriminators; the embedding networks are frozen."""

    def __init__(
        self,
        settings: BoostedSettings,
        embeddings: tuple[AttributeEmbedding, SegmentationEmbedding],
        faces: Faces,
        held_out: Faces,
        makers: list[Maker],
        seed: int,
        start: Mapping[str, nn.Module],
        clips: Faces | None = None,
    ) -> None:
        """`clips`: further faces, of which every fourth batch is drawn; half of all pictures are then moved and re-lit.
        `start`: networks to take weights from, by part name, of this or a lower resolution. A generator without
        begins with the eigenfaces of `faces`."""
        torch.manual_seed(seed)
        self.settings, self.seed = settings, seed
        self.faces, self.held_out, self.makers, self.clips = faces, held_out, makers, clips
        self.device = faces.device
        self.attributes, self.segmentation = embeddings
        self.generator = cast(BoostedGenerator, settings.generator.build().to(self.device))
        self.judges = {name: spec.build().to(self.device) for name, spec in settings.judges.items()}
        if "generator" not in start:
            fill_from_faces(self.generator.first, faces)
        for name, network in {"generator": self.generator, **self.judges}.items():
            if name in start:
                grow(network, start[name])
        self.kept = copy.deepcopy(self.generator).eval().requires_grad_(False)
        arguments = settings.generator.arguments
        self.parts = {
            "generator" + LIVE: Part(self.generator, arguments, False),
            "generator": Part(self.kept, arguments),
        }
        self.optimizers = {"generator": torch.optim.Adam(self.generator.parameters(), settings.rate, _BETAS)}
        for name, judge in self.judges.items():
            self.parts[name] = Part(judge, settings.judges[name].arguments)
            self.optimizers[name] = torch.optim.Adam(judge.parameters(), _JUDGE_RATE, _JUDGE_BETAS)

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        real = self._draw(rng)
        masks = draw_masks(self.makers, len(real), self.faces.size, rng, self.device)
        told = self.told(damage(real, masks), masks)
        if self.settings.unknown:
            told = self._leave_out(told, rng)
        restored = self.generator(damage(real, masks), masks, *told)
        loss = restoration_loss(restored, real, masks)
        losses = {"error": loss.item()}
        for group in self.optimizers["generator"].param_groups:
            group["lr"] = self.rate(number)
        if self.judges and number >= self.settings.warm_up:
            said = self.told(real, masks * 0)
            losses |= self._train_judges(real, restored.detach(), said)
            if number >= self.settings.warm_up + self.settings.alone:
                fool = self._fool(restored, said)
                loss = loss + BETA * fool
                losses["fool"] = fool.item()
        self._update("generator", loss)
        follow(self.kept, self.generator, AVERAGE)
        return losses

    def _draw(self, rng: np.random.Generator) -> Tensor:
        """Whole pictures of a batch."""
        if self.clips is None:
            return self.faces.draw(self.settings.batch, rng).images
        source = self.clips if rng.random() < _CLIPS else self.faces
        images = source.draw(self.settings.batch, rng).images
        half = len(images) // 2
        moved = move_pictures(images[half:], draw_motion(len(images) - half, 1, rng, _MOTION), 3)[:, 0]
        return torch.cat([images[:half], moved])

    def rate(self, number: int) -> float:
        """The generator's rate, which falls as half a cosine wave."""
        return self.settings.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, number / self.settings.steps)))

    @torch.no_grad()
    def told(self, images: Tensor, masks: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """What the embedding networks say, as far as this recipe uses it."""
        return (
            self.attributes.embed(images, masks) if self.settings.lambda_a else None,
            self.segmentation.embed(images, masks) if self.settings.lambda_s else None,
        )

    def _leave_out(
        self, told: tuple[Tensor | None, Tensor | None], rng: np.random.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        kept = torch.from_numpy((rng.random((2, self.settings.batch)) >= _UNKNOWN).astype(np.float32)).to(self.device)
        attributes, regions = told
        return (
            None if attributes is None else attributes * kept[0, :, None],
            None if regions is None else regions * kept[1, :, None, None, None],
        )

    def _train_judges(
        self, real: Tensor, restored: Tensor, said: tuple[Tensor | None, Tensor | None]
    ) -> dict[str, float]:
        """Eq. 2 to 5."""
        settings, parts = self.settings, self.discriminator_losses(real, restored, said)
        loss = discriminative_loss(
            parts["judge"],
            parts.get("attribute-judge"),
            parts.get("segmentation-judge"),
            settings.lambda_a,
            settings.lambda_s,
        )
        for name in parts:
            self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        for name in parts:
            self.optimizers[name].step()
        return {name: part.item() for name, part in parts.items()}

    def discriminator_losses(
        self, real: Tensor, restored: Tensor, said: tuple[Tensor | None, Tensor | None]
    ) -> dict[str, Tensor]:
        """L_Dg, L_Da, L_Ds by the discriminators' names. `said`: of the real pictures; mismatched is the next one's."""
        losses = {"judge": judge_loss(self.judges["judge"](real), self.judges["judge"](restored))}
        for name, about in zip(("attribute-judge", "segmentation-judge"), said, strict=True):
            if about is not None:
                judge = self.judges[name]
                losses[name] = matching_loss(judge(real, about), judge(restored, about), judge(real, about.roll(1, 0)))
        return losses

    def _fool(self, restored: Tensor, said: tuple[Tensor | None, Tensor | None]) -> Tensor:
        for judge in self.judges.values():
            judge.requires_grad_(False)
        attributes, regions = said
        loss = adversarial_loss(
            self.judges["judge"](restored),
            None if attributes is None else self.judges["attribute-judge"](restored, attributes),
            None if regions is None else self.judges["segmentation-judge"](restored, regions),
            self.settings.lambda_a,
            self.settings.lambda_s,
        )
        for judge in self.judges.values():
            judge.requires_grad_(True)
        return loss

    def _update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    @torch.no_grad()
    def _repair(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Held-out pictures, central holes, what the generator makes of them."""
        images = self.held_out.take(np.arange(min(count, len(self.held_out)))).images
        masks = draw_masks([central], len(images), self.held_out.size, np.random.default_rng(0), self.device)
        damaged = damage(images, masks)
        return images, masks, self.kept(damaged, masks, *self.told(damaged, masks))

    def validate(self) -> dict[str, float]:
        images, masks, made = self._repair(len(self.held_out))
        guess = nn.functional.interpolate(
            self.kept.first(damage(images, masks), masks), self.faces.size, mode="bilinear"
        )
        return {name: float(psnr(x, images, masks).mean()) for name, x in (("hole PSNR", made), ("first guess", guess))}

    def picture(self, path: Path) -> None:
        images, masks, made = self._repair(16)
        damaged = damage(images, masks)
        write_sheet(path, [images, damaged, damaged + masks * made])
