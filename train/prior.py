"""Training the noise priors with generator and discriminator frozen (Lahiri et al. 2020, sections 4.1 to 4.3)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.weights import build
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import MASKS, Maker, central
from train.data.pseudo import draw_motion, move_pictures
from train.losses import adaptive_weights, gradient_difference, log_fake, weighted_l1
from train.recipe_types import Spec
from train.run import Part, Trainer
from train.sheet import write_sheet
from train.take_over import take_over

REALISM = 0.01
"""lambda_1 of eq. 7, for losses that are means over the samples of a picture; the paper does not give it."""
GRADIENTS = 1.0
"""lambda_2 of eq. 7, likewise."""


def prior_loss(generated: Tensor, damaged: Tensor, masks: Tensor, logit: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Eq. 7 from pictures (N, 3, S, S), masks and the discriminator's logits (N, 1); mean over N, and its parts."""
    context = weighted_l1(generated, damaged, adaptive_weights(masks)).mean()
    gradients = gradient_difference(generated, damaged, masks).mean()
    realism = log_fake(logit).mean()
    loss = context + REALISM * realism + GRADIENTS * gradients
    return loss, {"context": context.item(), "gradients": gradients.item(), "realism": realism.item()}


class PriorTrainer(Trainer):
    """M_z, or M_z+S where the generator takes structure: single pictures under random masks."""

    def __init__(
        self,
        spec: Spec,
        generator: nn.Module,
        judge: nn.Module,
        encoder: nn.Module,
        faces: Faces,
        held_out: Faces,
        makers: list[Maker],
        batch: int,
        rate: float,
        seed: int,
        *,
        taught: int = 0,
        classes: int = 0,
    ) -> None:
        """`encoder`: the GAN's encoder of whole pictures, which the prior starts from; `makers`: masks to draw from.

        `taught`: steps at the start in which the prior learns to say of the damaged picture what the encoder says of
        the whole one, which needs no generator and so costs little; then follows eq. 7. `classes`: number of labels a
        class-conditional generator takes; it is given the true ones.
        """
        torch.manual_seed(seed)
        self.faces, self.held_out, self.makers, self.batch, self.seed = faces, held_out, makers, batch, seed
        self.device = faces.device
        self.generator, self.judge = freeze(generator), freeze(judge)
        self.structured, self.classes = cast(Generator, generator).structure_channels > 0, classes
        self.prior = cast(NoisePrior, build(*spec).to(self.device))
        self.encoder, self.taught = cast(NoisePrior, freeze(encoder)), taught
        take_over(self.prior, encoder)
        self.parts = {"prior": Part(self.prior, spec[1])}
        self.optimizers = {"prior": torch.optim.Adam(self.prior.parameters(), rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        batch = self.faces.draw(self.batch, rng)
        structure = batch.structure if self.structured else None
        masks = draw_masks(self.makers, self.batch, self.faces.size, rng, self.device)
        damaged = damage(batch.images, masks)
        if number < self.taught:
            with torch.no_grad():
                wanted = self.encoder(batch.images, masks * 0)
            error = (self.prior(damaged, masks, structure) - wanted).square().mean()
            self._update(error)
            return {"taught": error.item()}
        label = one_hot(batch.labels, self.classes)
        generated = generate(self.generator, self.prior(damaged, masks, structure), structure, label)
        loss, parts = prior_loss(generated, damaged, masks, judged(self.judge, generated, structure, label))
        self._update(loss)
        return parts

    def _update(self, loss: Tensor) -> None:
        self.optimizers["prior"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["prior"].step()

    @torch.no_grad()
    def _repair(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Held-out pictures, central holes and the repairs."""
        batch = self.held_out.take(np.arange(min(count, len(self.held_out))))
        masks = draw_masks([central], len(batch.images), self.faces.size, np.random.default_rng(0), self.device)
        structure = batch.structure if self.structured else None
        damaged = damage(batch.images, masks)
        z = self.prior.eval()(damaged, masks, structure)
        self.prior.train()
        made = generate(self.generator, z, structure, one_hot(batch.labels, self.classes))
        return batch.images, masks, damaged + masks * made

    def validate(self) -> dict[str, float]:
        images, masks, repaired = self._repair(64)
        return {"hole PSNR": hole_psnr(repaired, images, masks)}

    def picture(self, path: Path) -> None:
        images, masks, repaired = self._repair(16)
        write_sheet(path, [images, damage(images, masks), repaired])


class GroupedTrainer(Trainer):
    """M_z+L, or M_z+S+L: groups of W pictures, eq. 10, truncated back-propagation over consecutive groups.

    Sequences are pseudo sequences of stills and runs of real clips. In a third of them the hole stays where it is, in
    the others every picture has its own.
    """

    def __init__(
        self,
        spec: Spec,
        generator: nn.Module,
        judge: nn.Module,
        start: nn.Module,
        stills: Faces,
        clips: Faces,
        makers: list[Maker],
        batch: int,
        window: int,
        rate: float,
        seed: int,
    ) -> None:
        """`start`: the image prior that the CNN starts from; `window`: W, pictures in a group."""
        torch.manual_seed(seed)
        self.stills, self.clips, self.makers, self.seed = stills, clips, makers, seed
        self.batch, self.window = batch, window
        self.device = stills.device
        self.generator, self.judge = freeze(generator), freeze(judge)
        self.structured = cast(Generator, generator).structure_channels > 0
        self.prior = cast(GroupedPrior, build(*spec).to(self.device))
        take_over(self.prior, start, "prior.")
        self.parts = {"prior": Part(self.prior, spec[1])}
        self.optimizers = {"prior": torch.optim.Adam(self.prior.parameters(), rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        images, structure = self._sequences(2 * self.window, rng)
        count, length, _, size, _ = images.shape
        masks = draw_masks(self.makers, count * length, size, rng, self.device).unflatten(0, (count, length))
        if rng.random() < 1 / 3:
            masks = masks[:, :1].expand(-1, length, -1, -1, -1)
        state = None
        sums: dict[str, float] = {}
        for start in (0, self.window):
            group = slice(start, start + self.window)
            damaged = damage(images[:, group], masks[:, group])
            maps = structure[:, group] if self.structured else None
            z, state = self.prior(damaged, masks[:, group], maps, state)
            flat_maps = None if maps is None else maps.flatten(0, 1)
            generated = self.generator(z.flatten(0, 1), flat_maps)
            logit = self.judge(generated, flat_maps)
            flat_masks = masks[:, group].flatten(0, 1)
            loss, parts = prior_loss(generated, damaged.flatten(0, 1), flat_masks, logit)
            self.optimizers["prior"].zero_grad(set_to_none=True)
            loss.backward()
            self.optimizers["prior"].step()
            state = (state[0].detach(), state[1].detach())
            sums = {key: sums.get(key, 0.0) + value / 2 for key, value in parts.items()}
        return sums

    def _sequences(self, length: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pictures and structure maps, (batch, length, 3, S, S) each."""
        if self.clips.clips and rng.random() < 0.5:
            places = self.clips.draw_sequences(self.batch, length, rng)
            flips = torch.from_numpy(rng.random(self.batch) < 0.5).repeat_interleave(length)
            batch = self.clips.take(places.reshape(-1), flips)
            return batch.images.unflatten(0, places.shape), batch.structure.unflatten(0, places.shape)
        still = self.stills.draw(self.batch, rng)
        motion = draw_motion(self.batch, length, rng)
        moved = move_pictures(torch.cat([still.images, still.structure], 1), motion, 3)
        return moved[:, :, :3], moved[:, :, 3:]


class LabelTrainer(Trainer):
    """The class of damaged pictures by cross entropy (Lahiri et al. 2020, section 6.3.3)."""

    def __init__(
        self, spec: Spec, faces: Faces, held_out: Faces, makers: list[Maker], batch: int, rate: float, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.faces, self.held_out, self.makers, self.batch, self.seed = faces, held_out, makers, batch, seed
        self.device = faces.device
        self.predictor = cast(LabelPredictor, build(*spec).to(self.device))
        self.parts = {"predictor": Part(self.predictor, spec[1])}
        self.optimizers = {"predictor": torch.optim.Adam(self.predictor.parameters(), rate)}

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


def one_hot(labels: Tensor, classes: int) -> Tensor | None:
    """Rows (N, classes) for a class-conditional network, None if `classes` is 0."""
    return nn.functional.one_hot(labels, classes).float() if classes else None


def generate(generator: nn.Module, z: Tensor, structure: Tensor | None, label: Tensor | None) -> Tensor:
    """Pictures of any generator; `label` goes to those that take one."""
    made: Tensor = generator(z, structure) if label is None else generator(z, structure, label)
    return made


def judged(judge: nn.Module, images: Tensor, structure: Tensor | None, label: Tensor | None) -> Tensor:
    """Logits of any discriminator; `label` goes to those that take one."""
    logit: Tensor = judge(images, structure) if label is None else judge(images, structure, label)
    return logit


def freeze(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, its weights without gradients."""
    return network.eval().requires_grad_(False)


def hole_psnr(found: Tensor, true: Tensor, masks: Tensor) -> float:
    """PSNR over all missing samples of all pictures, RGB, peak 2 (-1 to 1)."""
    error = ((found - true).square() * masks).sum() / (masks.sum() * 3)
    return float(10 * torch.log10(4 / error))
