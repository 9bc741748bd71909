"""Training the semantics-guided generator: eq. 2 to 4, with reconstruction first and the discriminator later."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer.networks.region_predictor import RegionPredictor, one_hot_map
from concealer.networks.sgin import Drawn, SginGenerator
from concealer.networks.style_gan import StyleDiscriminator
from train.augment import augment
from train.calls import freeze
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import Maker
from train.data.occluders import object_mask
from train.data.regions import label_maps
from train.losses import fool_loss, judge_loss
from train.prior import hole_psnr
from train.run import LIVE, Part, Trainer
from train.sgin.regions import coloured
from train.sheet import write_sheet
from train.spec import NetworkSpec
from train.take_over import AVERAGE, follow, grow

COARSE = 0.3
"""Weight of the absolute error of the picture before feedback; that of the final picture is 1."""
HOLE = 1.0
"""Weight that missing pixels have beyond the others'."""
DISTIL, PERCEPTUAL, FEATURES, ADVERSARIAL = 0.1, 0.1, 0.1, 0.01
"""The weights of eq. 4, which the paper leaves to a supplement that is not at hand."""
WHOLE = 8
"""One picture in so many has nothing missing: the teacher of self-distillation sees such pictures."""


@dataclass(frozen=True, slots=True)
class SginSettings:
    """What tells the recipes apart."""

    generator: NetworkSpec
    judge: NetworkSpec
    batch: int
    rate: float
    distil: bool = True
    """False for the ablation."""
    warm_up: int = 0
    """Steps at the start that only reconstruct."""
    alone: int = 0
    """Steps after these in which the discriminator learns and the generator does not heed it."""
    ramp: int = 0
    """Steps after these over which the discriminator's weight grows to the full one."""


class SginTrainer(Trainer):
    """The generator against a discriminator; the map predictor is frozen.

    The paper trains without a reconstruction loss; a few thousand faces and minutes of training are too few for that.
    Of every batch one half is given predicted maps of the damaged pictures, the other half the true ones; eq. 3 is
    taken on the former, self-distillation on the latter, which costs half as much as both on all.
    """

    def __init__(
        self,
        settings: SginSettings,
        regions: nn.Module,
        faces: Faces,
        held_out: Faces,
        makers: list[Maker],
        seed: int,
        start: tuple[nn.Module | None, nn.Module | None] = (None, None),
    ) -> None:
        """`start`: generator and discriminator to take weights from, as far as names and shapes agree."""
        torch.manual_seed(seed)
        self.settings, self.seed, self.makers = settings, seed, makers
        self.faces, self.held_out, self.device = faces, held_out, faces.device
        self.regions = cast(RegionPredictor, freeze(regions))
        self.generator = cast(SginGenerator, settings.generator.build().to(self.device))
        self.judge = cast(StyleDiscriminator, settings.judge.build().to(self.device))
        for network, source in zip((self.generator, self.judge), start, strict=True):
            if source is not None:
                grow(network, source)
        self.kept = copy.deepcopy(self.generator).eval().requires_grad_(False)
        drawn, judge = settings.generator.arguments, settings.judge.arguments
        self.parts = {
            "generator" + LIVE: Part(self.generator, drawn, False),
            "generator": Part(self.kept, drawn),
            "judge": Part(self.judge, judge),
        }
        self.optimizers = {
            "generator": torch.optim.Adam(self.generator.parameters(), settings.rate, (0.5, 0.99)),
            "judge": torch.optim.Adam(self.judge.parameters(), settings.rate / 2, (0.5, 0.99)),
        }

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        chance = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        images, masks, regions = self._batch(rng)
        damaged = damage(images, masks)
        drawn = self.generator.draw(damaged, masks, regions, self.generator.styles(damaged, masks, regions))
        weights = 1 + HOLE * masks
        error = ((drawn.image - images).abs() * weights).mean()
        losses = {"error": error}
        loss = error
        if self.generator.feedback is not None:
            losses["coarse"] = ((drawn.coarse - images).abs() * weights).mean()
            loss = loss + COARSE * losses["coarse"]
        half = len(images) // 2
        losses["perceptual"] = self._perceptual(drawn.image[:half], images[:half])
        loss = loss + PERCEPTUAL * losses["perceptual"]
        if self.settings.distil:
            losses["distil"] = self._distil(drawn, images[half:], regions[half:])
            loss = loss + DISTIL * losses["distil"]
        if number >= self.settings.warm_up:
            losses["judge"] = self._train_judge(images, drawn.image.detach(), chance)
        heed = self.heed(number)
        if heed:
            adversarial, features = self._against_judge(drawn.image, images, chance)
            losses |= {"fool": adversarial, "features": features}
            loss = loss + heed * (ADVERSARIAL * adversarial + FEATURES * features)
        self.optimizers["generator"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["generator"].step()
        follow(self.kept, self.generator, AVERAGE)
        return {name: value.item() for name, value in losses.items()}

    def heed(self, number: int) -> float:
        """Share of its full weight that the discriminator has."""
        since = number - self.settings.warm_up - self.settings.alone
        return float(np.clip((since + 1) / (self.settings.ramp + 1), 0, 1))

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Whole pictures, masks, label maps: those of the first half as predicted from the damaged pictures."""
        count = self.settings.batch
        places = rng.integers(len(self.faces), size=count)
        flips = torch.from_numpy(rng.random(count) < 0.5)
        batch = self.faces.take(places, flips)
        masks = draw_masks(self.makers, count, self.faces.size, rng, self.device)
        masks[::WHOLE] = 0
        half = count // 2
        true = one_hot_map(label_maps(batch.landmarks[half:], self.faces.size, flips[half:]).to(self.device))
        with torch.no_grad():
            found = self.regions.regions(damage(batch.images, masks)[:half], masks[:half])
        return batch.images, masks, torch.cat([found, true])

    def _perceptual(self, image: Tensor, true: Tensor) -> Tensor:
        """Eq. 3, on the map predictor's features in the place of VGG-19's, each map relative to its power."""
        nothing = true[:, :1] * 0
        with torch.no_grad():
            wanted = self.regions.features(true, nothing)
        return relative_squares(self.regions.features(image, nothing), wanted)

    def _distil(self, drawn: Drawn, images: Tensor, regions: Tensor) -> Tensor:
        """L_sd for the last pictures of the batch: features of every block against those of the whole picture."""
        nothing = images[:, :1] * 0
        with torch.no_grad():
            styles = self.generator.styles(images, nothing, regions)
            taught = self.generator.draw(images, nothing, regions, styles).features
        return relative_squares([features[-len(images) :] for features in drawn.features], taught)

    def _train_judge(self, real: Tensor, fake: Tensor, chance: torch.Generator) -> Tensor:
        """Eq. 2, the discriminator's part."""
        shown = [self.judge(augment(pictures, None, chance)[0]) for pictures in (real, fake)]
        loss = judge_loss(*shown)
        self.optimizers["judge"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["judge"].step()
        return loss.detach()

    def _against_judge(self, image: Tensor, true: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """Eq. 2, the generator's part, and L_feat: the absolute difference of the discriminator's features."""
        self.judge.requires_grad_(False)
        fool = fool_loss(self.judge(augment(image, None, chance)[0]))
        with torch.no_grad():
            wanted = self.judge.features(true)
        got = self.judge.features(image)
        apart = [(a - b).abs().mean() / (a.abs().mean() + 1e-6) for a, b in zip(wanted, got, strict=True)]
        self.judge.requires_grad_(True)
        return fool, torch.stack(apart).mean()

    @torch.no_grad()
    def _repair(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Held-out pictures, objects' masks, label maps and what the generator draws."""
        images = self.held_out.take(np.arange(min(count, len(self.held_out)))).images
        masks = draw_masks([object_mask], len(images), self.faces.size, np.random.default_rng(0), self.device)
        damaged = damage(images, masks)
        regions = self.regions.regions(damaged, masks)
        return images, masks, regions, self.kept(damaged, masks, regions)

    def validate(self) -> dict[str, float]:
        images, masks, _, drawn = self._repair(64)
        whole = -10 * ((drawn - images) / 2).square().mean((1, 2, 3)).log10()
        return {"hole PSNR": hole_psnr(drawn, images, masks), "PSNR": float(whole.mean())}

    def picture(self, path: Path) -> None:
        images, masks, regions, drawn = self._repair(16)
        write_sheet(path, [images, damage(images, masks), coloured(regions.argmax(1)), drawn])


def relative_squares(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Squared differences of feature maps as shares of the power of those wanted, mean over the maps.

    The papers take the squared norm; features as large as the network likes would make that small by being small.
    """
    apart = [(a - b).square().mean() / (b.square().mean() + 1e-6) for a, b in zip(found, wanted, strict=True)]
    return torch.stack(apart).mean()
