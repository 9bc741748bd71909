"""Training the grouped noise priors: an LSTM over the pictures of a sequence (Lahiri et al. 2020, section 4.3)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.style_gan import StyleGenerator
from train.calls import FrozenGan
from train.data.batches import Faces, damage, draw_masks
from train.data.masks import Maker, random_rectangle
from train.data.pseudo import draw_motion, move_pictures
from train.measures import temporal_error, to_bytes
from train.prior import coarse_error, hole_psnr, prior_loss, taught_error
from train.rates import parameter_groups
from train.run import LIVE, Part, Trainer
from train.spec import NetworkSpec
from train.structure import Structure
from train.take_over import AVERAGE, follow, take_over

CHANGE = 1.0
"""Weight of the mean squared change of the error from picture to picture, which eq. 10 does not have."""
_HELD_OUT = 12
"""Held-out stills made sequences of."""


@dataclass(frozen=True, slots=True)
class GroupedSettings:
    """What tells one recipe of a grouped prior from another."""

    prior: NetworkSpec
    batch: int
    """Sequences."""
    window: int
    """W: pictures in a group."""
    rate: float
    taught: int = 0
    """As in `PriorSettings`."""


class GroupedTrainer(Trainer):
    """M_z+L, or M_z+S+L: groups of W pictures, eq. 10, truncated back-propagation over consecutive groups.

    Sequences are pseudo sequences of stills and runs of real clips. In a third of them the hole stays where it is, in
    the others every picture has its own.
    """

    def __init__(
        self,
        settings: GroupedSettings,
        gan: FrozenGan,
        start: nn.Module,
        stills: Faces,
        held_out: Faces,
        clips: Faces,
        makers: list[Maker],
        seed: int,
        finder: Structure | None = None,
    ) -> None:
        """`start`: the image prior that the CNN starts from, or a grouped one; `finder`: as in `PriorTrainer`, given
        whole sequences.
        """
        torch.manual_seed(seed)
        self.settings, self.gan, self.makers, self.seed = settings, gan, makers, seed
        self.stills, self.held_out, self.clips, self.finder = stills, held_out, clips, finder
        self.window, self.device = settings.window, stills.device
        self.structured = cast(Generator, gan.generator).structure_channels > 0
        self.prior = cast(GroupedPrior, settings.prior.build().to(self.device))
        take_over(self.prior, start, "" if isinstance(start, GroupedPrior) else "prior.")
        self.kept = copy.deepcopy(self.prior).eval().requires_grad_(False)
        arguments = settings.prior.arguments
        self.parts = {"prior" + LIVE: Part(self.prior, arguments, False), "prior": Part(self.kept, arguments)}
        groups = parameter_groups([self.prior], settings.rate)
        self.optimizers = {"prior": torch.optim.Adam(groups, settings.rate)}

    def step(self, number: int) -> dict[str, float]:
        rng = np.random.default_rng((self.seed, number))
        images, structure = self._sequences(2 * self.window, rng)
        count, length, _, size, _ = images.shape
        masks = draw_masks(self.makers, count * length, size, rng, self.device).unflatten(0, (count, length))
        if rng.random() < 1 / 3:
            masks = masks[:, :1].expand(-1, length, -1, -1, -1)
        damaged = damage(images, masks)
        maps = self._maps(damaged, masks, structure)
        state = None
        sums: dict[str, float] = {}
        for start in (0, self.window):
            group = slice(start, start + self.window)
            at = None if maps is None else maps[:, group]
            z, state = self.prior(damaged[:, group], masks[:, group], at, state)
            loss, parts = self._loss(
                number,
                z.flatten(0, 1),
                images[:, group].flatten(0, 1),
                damaged[:, group].flatten(0, 1),
                masks[:, group].flatten(0, 1),
                None if at is None else at.flatten(0, 1),
            )
            self.optimizers["prior"].zero_grad(set_to_none=True)
            loss.backward()
            self.optimizers["prior"].step()
            follow(self.kept, self.prior, AVERAGE)
            state = (state[0].detach(), state[1].detach())
            sums = {key: sums.get(key, 0.0) + value / 2 for key, value in parts.items()}
        return sums

    def _loss(
        self, number: int, z: Tensor, images: Tensor, damaged: Tensor, masks: Tensor, maps: Tensor | None
    ) -> tuple[Tensor, dict[str, float]]:
        if number < self.settings.taught:
            with torch.no_grad():
                wanted = self.gan.encoder(images, masks * 0)
            error = coarse_error(cast(StyleGenerator, self.gan.generator), z, wanted, images)
            loss = taught_error(error, masks).mean()
            parts = {"taught": loss.item()}
        else:
            generated = self.gan.generator(z, maps)
            loss, parts = prior_loss(generated, damaged, masks, self.gan.judge(generated, maps), images)
            error = generated - images
        # What errs alike in all pictures does not flicker.
        change = error.unflatten(0, (-1, self.window)).diff(dim=1).square().mean()
        return loss + CHANGE * change, parts | {"change": change.item()}

    def _maps(self, damaged: Tensor, masks: Tensor, structure: Tensor) -> Tensor | None:
        """Structure maps of the sequences; those of the first half from what can be seen of them."""
        if not self.structured or self.finder is None:
            return structure if self.structured else None
        half = len(damaged) // 2
        found = [self.finder.sequence_maps(*pair) for pair in zip(damaged[:half], masks[:half], strict=True)]
        return torch.cat([torch.stack(found), structure[half:]]) if found else structure

    def _sequences(self, length: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pictures and structure maps, (batch, length, 3, S, S) each."""
        if self.clips.clips and rng.random() < 0.5:
            places = self.clips.draw_sequences(self.settings.batch, length, rng)
            flips = torch.from_numpy(rng.random(self.settings.batch) < 0.5).repeat_interleave(length)
            batch = self.clips.take(places.reshape(-1), flips)
            return batch.images.unflatten(0, places.shape), batch.structure.unflatten(0, places.shape)
        return _moved(self.stills, rng.integers(len(self.stills), size=self.settings.batch), length, rng)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """On pseudo sequences of held-out identities, a hole of its own in every picture, maps from what is seen."""
        rng = np.random.default_rng(0)
        places = np.arange(min(_HELD_OUT, len(self.held_out)))
        images, structure = _moved(self.held_out, places, 2 * self.window, rng)
        count, length, _, size, _ = images.shape
        masks = draw_masks([random_rectangle], count * length, size, rng, self.device).unflatten(0, (count, length))
        damaged = damage(images, masks)
        maps = structure if self.structured else None
        if maps is not None and self.finder is not None:
            pairs = zip(damaged, masks, strict=True)
            maps = torch.stack([self.finder.sequence_maps(*pair) for pair in pairs])
        z = self.kept(damaged, masks, maps)[0].flatten(0, 1)
        made = self.gan.generator(z, None if maps is None else maps.flatten(0, 1)).unflatten(0, (count, length))
        repaired = damaged + masks * made
        planes = masks[:, :, 0].cpu().numpy() > 0.5
        flicker = [temporal_error(to_bytes(repaired[n]), to_bytes(images[n]), planes[n]) for n in range(count)]
        psnr = hole_psnr(repaired.flatten(0, 1), images.flatten(0, 1), masks.flatten(0, 1))
        return {"hole PSNR": psnr, "temporal error": float(np.mean(flicker))}


def _moved(stills: Faces, places: np.ndarray, length: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pseudo sequences of the stills at `places`, half of them mirrored."""
    still = stills.take(places, torch.from_numpy(rng.random(len(places)) < 0.5))
    moved = move_pictures(torch.cat([still.images, still.structure], 1), draw_motion(len(places), length, rng), 3)
    return moved[:, :, :3], moved[:, :, 3:]
