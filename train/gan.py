"""Training the generators: as the papers do, and with an encoder beside the GAN for small data sets."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer.networks.generator import Generator
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.style_gan import StyleDiscriminator, StyleGenerator
from train.augment import augment
from train.calls import generate, judged, one_hot
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import Maker
from train.eigenfaces import start_from_eigenfaces
from train.losses import fool_loss, gradient_penalty, judge_loss, uniform_distance
from train.rates import parameter_groups
from train.run import LIVE, Part, Trainer
from train.sheet import write_sheet
from train.spec import GanSpecs
from train.take_over import follow, grow


@dataclass(frozen=True, slots=True)
class GanSettings:
    """What tells one GAN recipe from another."""

    networks: GanSpecs
    batch: int = 32
    rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    augment: bool = False
    """Differentiable augmentation of what the discriminator sees."""
    penalty: float = 0.0
    """Weight of the R1 gradient penalty, applied every `PENALTY_EVERY` steps."""
    average: float = 0.0
    """Decay of the moving average of the generator's weights that is kept; 0 keeps the weights themselves."""
    warm_up: int = 0
    """Steps at the start that only reconstruct."""
    alone: int = 0
    """Steps after these in which the discriminator learns and the generator does not heed it."""
    ramp: int = 0
    """Steps after these over which the discriminator's weight grows to the full one."""


PENALTY_EVERY = 16
_PRIOR_WEIGHT = 0.3
_FOOL_WEIGHT = 0.05
_FEATURE_WEIGHT = 0.25
_DIRECTIONS = 64


class GanTrainer(Trainer):
    """Generator against discriminator, with what the settings add.

    With an encoder E, half of each batch of generated pictures are reconstructions G(E(x)): they are compared with
    x by absolute difference and by the discriminator's features, and the distribution of E(x) is drawn to the
    prior by a sliced Wasserstein distance. A GAN alone sees each of a few thousand faces too seldom to learn to
    reach them all; the reconstructions make it.

    With structure, half of what E is shown is damaged, while the generator is given the whole map: what z cannot know
    of the hole, the map says, and so the generator learns to heed it.
    """

    def __init__(
        self,
        settings: GanSettings,
        faces: Faces,
        held_out: Faces,
        seed: int,
        start: Mapping[str, nn.Module] | None = None,
        makers: Sequence[Maker] = (),
    ) -> None:
        """`start`: networks to take weights from, by part name, of this or a lower resolution, as far as names and
        shapes agree; without, a style generator starts from eigenfaces. `makers`: masks of what the encoder is shown;
        none: whole pictures.
        """
        torch.manual_seed(seed)
        self.makers = list(makers)
        self.settings, self.faces, self.held_out, self.seed = settings, faces, held_out, seed
        device, specs = faces.device, settings.networks
        generator = specs.generator.build()
        if not isinstance(generator, Generator):
            raise ValueError(f"{specs.generator.network} is no generator")
        self.generator = generator.to(device)
        self.judge = specs.judge.build().to(device)
        self.encoder = None if specs.encoder is None else specs.encoder.build().to(device)
        live: dict[str, nn.Module] = {"generator": self.generator, "judge": self.judge}
        if self.encoder is not None:
            live["encoder"] = self.encoder
        if start is None and isinstance(self.generator, StyleGenerator):
            start_from_eigenfaces(self.generator, cast(NoisePrior | None, self.encoder), faces)
        for name, network in (start or {}).items():
            grow(live[name], network)
        self.classes: int = specs.generator.arguments.get("classes", 0)
        self.kept = copy.deepcopy(self.generator)
        self.kept_encoder = copy.deepcopy(self.encoder)
        kept = {"generator": self.kept, "encoder": self.kept_encoder}
        self.parts = {}
        for name, spec in specs.by_part().items():
            average = kept.get(name)
            self.parts[name if average is None else name + LIVE] = Part(live[name], spec.arguments, average is None)
            if average is not None:
                self.parts[name] = Part(average, spec.arguments)
        makes = [self.generator, *([] if self.encoder is None else [self.encoder])]
        self.optimizers = {
            "generator": torch.optim.Adam(parameter_groups(makes, settings.rate), settings.rate, settings.betas),
            "judge": torch.optim.Adam(self.judge.parameters(), settings.rate, settings.betas),
        }

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        chance = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        batch = self.faces.draw(self.settings.batch, rng)
        real = batch.images
        structure = batch.structure if self.generator.structure_channels else None
        label = one_hot(batch.labels, self.classes)
        z = self.generator.sample_z(len(real), chance).to(real.device)
        losses: dict[str, float] = {}
        fools = number >= self.settings.warm_up
        heed = self.heed(number)
        again = len(real) // (2 if fools else 1) if self.encoder is not None else 0
        if self.encoder is not None:
            masks = self.encoder_masks(again, rng)
            z = torch.cat([self.encoder(damage(real[:again], masks), masks), z[again:]])
        fake = generate(self.generator, z, structure, label)
        if fools:
            losses |= self._train_judge(real, fake.detach(), structure, label, chance, number)
        loss = real.new_zeros(())
        if self.encoder is not None:
            error = (fake[:again] - real[:again]).abs().mean()
            reference = self.generator.sample_z(again, chance).to(real.device)
            directions = torch.nn.functional.normalize(torch.randn(_DIRECTIONS, z.shape[1], generator=chance))
            apart = uniform_distance(z[:again], reference, directions.to(real.device))
            loss = loss + error + _PRIOR_WEIGHT * apart
            losses |= {"reconstruct": error.item(), "prior": apart.item()}
        if heed:
            self.judge.requires_grad_(False)
            seen, moved = augment(fake, structure, chance) if self.settings.augment else (fake, structure)
            fool = fool_loss(judged(self.judge, seen, moved, label))
            loss = loss + heed * (fool if self.encoder is None else _FOOL_WEIGHT * fool)
            if self.encoder is not None:
                loss = loss + heed * _FEATURE_WEIGHT * self._feature_error(real[:again], fake[:again], structure)
            self.judge.requires_grad_(True)
            losses["fool"] = fool.item()
        optimizer = self.optimizers["generator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        self._average()
        return losses

    def heed(self, number: int) -> float:
        """Share of its full weight that the discriminator has."""
        since = number - self.settings.warm_up - self.settings.alone
        return float(np.clip((since + 1) / (self.settings.ramp + 1), 0, 1))

    def encoder_masks(self, count: int, rng: np.random.Generator) -> Tensor:
        """What the encoder is not shown of `count` pictures: with makers, half of them are damaged."""
        masks = torch.zeros(count, 1, self.faces.size, self.faces.size, device=self.faces.device)
        if self.makers:
            half = count // 2
            masks[half:] = draw_masks(self.makers, count - half, self.faces.size, rng, self.faces.device)
        return masks

    def _train_judge(
        self,
        real: Tensor,
        fake: Tensor,
        structure: Tensor | None,
        label: Tensor | None,
        chance: torch.Generator,
        number: int,
    ) -> dict[str, float]:
        a, b, at_a, at_b = real, fake, structure, structure
        if self.settings.augment:
            a, at_a = augment(real, structure, chance)
            b, at_b = augment(fake, structure, chance)
        loss = judge_loss(judged(self.judge, a, at_a, label), judged(self.judge, b, at_b, label))
        total = loss
        if self.settings.penalty and number % PENALTY_EVERY == 0:
            penalty = gradient_penalty(self.judge, a, at_a, label)
            total = total + self.settings.penalty / 2 * PENALTY_EVERY * penalty
        optimizer = self.optimizers["judge"]
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        return {"judge": loss.item()}

    def _feature_error(self, real: Tensor, fake: Tensor, structure: Tensor | None) -> Tensor:
        at = None if structure is None else structure[: len(real)]
        judge = cast(StyleDiscriminator, self.judge)
        with torch.no_grad():
            wanted = judge.features(real, at)
        got = judge.features(fake, at)
        return torch.stack(
            [(a - b).abs().mean() / (a.abs().mean() + 1e-6) for a, b in zip(wanted, got, strict=True)]
        ).mean()

    @torch.no_grad()
    def _average(self) -> None:
        follow(self.kept, self.generator, self.settings.average)
        if self.kept_encoder is not None and self.encoder is not None:
            follow(self.kept_encoder, self.encoder, self.settings.average)

    @torch.no_grad()
    def _show(self, count: int) -> tuple[Tensor, Tensor | None, Tensor]:
        """Held-out pictures, their reconstructions (with an encoder), samples on their structure."""
        batch = self.held_out.take(np.arange(min(count, len(self.held_out))))
        structure = batch.structure if self.generator.structure_channels else None
        label = one_hot(batch.labels, self.classes)
        kept = self.kept.eval()
        z = kept.sample_z(len(batch.images), torch.Generator().manual_seed(1)).to(self.faces.device)
        again = None
        if self.kept_encoder is not None:
            blank = batch.images[:, :1] * 0
            again = generate(kept, self.kept_encoder(batch.images, blank), structure, label)
        return batch.images, again, generate(kept, z, structure, label)

    def validate(self) -> dict[str, float]:
        real, again, _ = self._show(64)
        if again is None:
            return {}
        return {"held-out PSNR": (-10 * ((again - real) / 2).square().mean((1, 2, 3)).log10()).mean().item()}

    def picture(self, path: Path) -> None:
        real, again, samples = self._show(16)
        write_sheet(path, [real, *([] if again is None else [again]), samples])
