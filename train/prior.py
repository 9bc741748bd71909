"""Training the noise priors with generator and discriminator frozen (Lahiri et al. 2020, sections 4.1 to 4.3)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from concealer.networks.generator import Generator
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.style_gan import StyleGenerator
from train.calls import FrozenGan, generate, judged, one_hot
from train.data.batches import Batch, Faces, damage, draw_masks
from train.data.masks import MASKS, Maker, central
from train.losses import adaptive_weights, gradient_difference, log_fake, weighted_l1
from train.rates import parameter_groups
from train.run import LIVE, Part, Trainer
from train.sheet import write_sheet
from train.spec import FitSettings, NetworkSpec
from train.structure import Structure
from train.take_over import AVERAGE, follow, take_over

REALISM = 0.01
"""lambda_1 of eq. 7, for losses that are means over the samples of a picture; the paper does not give it."""
GRADIENTS = 1.0
"""lambda_2 of eq. 7, likewise."""
HOLE = 4.0
"""Weight of the squared error in the hole, which the paper does without: it trains on what was received alone."""
RECEIVED = 0.2
"""Weight of received pixels beside the hole's while the prior is taught."""


def prior_loss(
    generated: Tensor, damaged: Tensor, masks: Tensor, logit: Tensor, images: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Eq. 7 and the error in the hole, from pictures (N, 3, S, S), masks and the discriminator's logits (N, 1).

    Mean over N, and its parts. `images`: the whole pictures.
    """
    context = weighted_l1(generated, damaged, adaptive_weights(masks)).mean()
    gradients = gradient_difference(generated, damaged, masks).mean()
    realism = log_fake(logit).mean()
    hole = ((generated - images).square() * masks).mean()
    loss = context + REALISM * realism + GRADIENTS * gradients + HOLE * hole
    parts = {"context": context, "gradients": gradients, "realism": realism, "hole": hole}
    return loss, {name: part.item() for name, part in parts.items()}


def coarse_error(generator: StyleGenerator, z: Tensor, wanted: Tensor, images: Tensor) -> Tensor:
    """How the coarse picture of `z` differs from that of `wanted`, (N, 3, s, s).

    The coarse picture is a linear map of z, so that this costs next to nothing; the slope of the tanh behind it is
    taken at the true `images`.
    """
    side = generator.coarse_side
    apart = functional.linear(z - wanted, generator.coarse.weight).unflatten(1, (3, side, side))
    return apart * (1 - functional.avg_pool2d(images, images.shape[-1] // side).square())


def taught_error(error: Tensor, masks: Tensor) -> Tensor:
    """Mean square of `coarse_error`, (N,), above all in the hole."""
    hole = functional.avg_pool2d(masks, masks.shape[-1] // error.shape[-1])
    return (error.square() * (RECEIVED + (1 - RECEIVED) * hole)).mean((1, 2, 3))


@dataclass(frozen=True, slots=True)
class PriorSettings:
    """What tells one recipe of an image prior from another."""

    prior: NetworkSpec
    batch: int
    rate: float
    taught: int = 0
    """Steps at the start in which the prior learns to say of the damaged picture what the encoder says of the whole
    one, which needs no pass of the generator and so costs little; then follows eq. 7, with the hole."""
    classes: int = 0
    """Number of labels a class-conditional generator takes; it is given the true ones."""


class PriorTrainer(Trainer):
    """M_z, or M_z+S where the generator takes structure: single pictures under random masks."""

    def __init__(
        self,
        settings: PriorSettings,
        gan: FrozenGan,
        start: nn.Module,
        faces: Faces,
        held_out: Faces,
        makers: list[Maker],
        seed: int,
        finder: Structure | None = None,
    ) -> None:
        """`start`: what the prior starts from (the GAN's encoder, or a prior of a lower resolution); `makers`: masks
        to draw from; `finder`: finds the structure of half of the damaged pictures, as it will later; the other half
        is given the true one.
        """
        torch.manual_seed(seed)
        self.settings, self.gan, self.seed = settings, gan, seed
        self.faces, self.held_out, self.makers, self.finder = faces, held_out, makers, finder
        self.device = faces.device
        self.structured = cast(Generator, gan.generator).structure_channels > 0
        self.prior = cast(NoisePrior, settings.prior.build().to(self.device))
        take_over(self.prior, start)
        self.kept = copy.deepcopy(self.prior).eval().requires_grad_(False)
        arguments = settings.prior.arguments
        self.parts = {"prior" + LIVE: Part(self.prior, arguments, False), "prior": Part(self.kept, arguments)}
        groups = parameter_groups([self.prior], settings.rate)
        self.optimizers = {"prior": torch.optim.Adam(groups, settings.rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        batch = self.faces.draw(self.settings.batch, rng)
        masks = draw_masks(self.makers, self.settings.batch, self.faces.size, rng, self.device)
        damaged = damage(batch.images, masks)
        structure = self.structure_maps(batch, damaged, masks, self.settings.batch // 2)
        z = self.prior(damaged, masks, structure)
        if number < self.settings.taught:
            with torch.no_grad():
                wanted = self.gan.encoder(batch.images, masks * 0)
            error = coarse_error(cast(StyleGenerator, self.gan.generator), z, wanted, batch.images)
            taught = taught_error(error, masks).mean()
            self._update(taught)
            return {"taught": taught.item()}
        label = one_hot(batch.labels, self.settings.classes)
        generated = generate(self.gan.generator, z, structure, label)
        logit = judged(self.gan.judge, generated, structure, label)
        loss, parts = prior_loss(generated, damaged, masks, logit, batch.images)
        self._update(loss)
        return parts

    def structure_maps(self, batch: Batch, damaged: Tensor, masks: Tensor, found: int) -> Tensor | None:
        """Structure maps; those of the first `found` pictures from what can be seen of them."""
        if not self.structured or self.finder is None or not found:
            return batch.structure if self.structured else None
        return torch.cat([self.finder.maps(damaged[:found], masks[:found]), batch.structure[found:]])

    def _update(self, loss: Tensor) -> None:
        self.optimizers["prior"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["prior"].step()
        follow(self.kept, self.prior, AVERAGE)

    @torch.no_grad()
    def _repair(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Held-out pictures, central holes and the repairs."""
        batch = self.held_out.take(np.arange(min(count, len(self.held_out))))
        masks = draw_masks([central], len(batch.images), self.faces.size, np.random.default_rng(0), self.device)
        damaged = damage(batch.images, masks)
        structure = self.structure_maps(batch, damaged, masks, len(damaged))
        z = self.kept(damaged, masks, structure)
        made = generate(self.gan.generator, z, structure, one_hot(batch.labels, self.settings.classes))
        return batch.images, masks, damaged + masks * made

    def validate(self) -> dict[str, float]:
        images, masks, repaired = self._repair(64)
        return {"hole PSNR": hole_psnr(repaired, images, masks)}

    def picture(self, path: Path) -> None:
        images, masks, repaired = self._repair(16)
        write_sheet(path, [images, damage(images, masks), repaired])


class LabelTrainer(Trainer):
    """The class of damaged pictures by cross entropy (Lahiri et al. 2020, section 6.3.3)."""

    def __init__(self, settings: FitSettings, faces: Faces, held_out: Faces, makers: list[Maker], seed: int) -> None:
        torch.manual_seed(seed)
        self.faces, self.held_out, self.makers, self.seed = faces, held_out, makers, seed
        self.batch = settings.batch
        self.device = faces.device
        self.predictor = cast(LabelPredictor, settings.network.build().to(self.device))
        self.parts = {"predictor": Part(self.predictor, settings.network.arguments)}
        self.optimizers = {"predictor": torch.optim.Adam(self.predictor.parameters(), settings.rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        batch = self.faces.draw(self.batch, rng)
        masks = draw_masks(self.makers, self.batch, self.faces.size, rng, self.device)
        logits = self.predictor(damage(batch.images, masks), masks)
        loss = nn.functional.cross_entropy(logits, batch.labels)
        self.optimizers["predictor"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["predictor"].step()
        return {"cross entropy": loss.item()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Share of held-out pictures whose class is found, whole and with random blocks missing."""
        batch = self.held_out.take(np.arange(len(self.held_out)))
        masks = draw_masks(
            [MASKS["random block"]], len(batch.images), self.faces.size, np.random.default_rng(0), self.device
        )
        shares = {}
        for name, mask in (("whole", masks * 0), ("masked", masks)):
            found = self.predictor.eval()(damage(batch.images, mask), mask).argmax(1)
            shares[f"{name} accuracy"] = (found == batch.labels).float().mean().item()
        self.predictor.train()
        return shares


def hole_psnr(found: Tensor, true: Tensor, masks: Tensor) -> float:
    """PSNR over all missing samples of all pictures, RGB, peak 2 (-1 to 1)."""
    error = ((found - true).square() * masks).sum() / (masks.sum() * 3)
    return float(10 * torch.log10(4 / error))
