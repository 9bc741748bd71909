"""What priors are taught, and where their structure comes from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from concealer.networks.style_gan import StyleGenerator
from train.context import Context
from train.prior import HOLE, PriorTrainer, coarse_error, prior_loss, taught_error
from train.recipes import RECIPES


def test_taught_error_is_that_of_the_coarse_picture() -> None:
    """Against the pictures themselves, for a generator that is nothing but its coarse picture."""
    torch.manual_seed(0)
    generator = StyleGenerator(32, 8, capacity=128, most=8)
    for layer in (generator.rgb, *(block.rgb for block in generator.blocks)):  # type: ignore[union-attr]
        for parameter in layer.parameters():  # type: ignore[union-attr]
            torch.nn.init.zeros_(parameter)
    torch.nn.init.normal_(generator.coarse.weight, std=0.3)
    wanted = generator.sample_z(4)
    z = wanted + 0.001 * torch.randn(4, 8)
    masks = torch.zeros(4, 1, 32, 32)
    masks[..., :16] = 1
    with torch.no_grad():
        images = generator(wanted)
        apart = (generator(z) - images).square()
        weight = 0.2 + 0.8 * masks
        # The picture is the coarse one of 16x16 enlarged, which smooths errors; so both are looked at coarsely.
        got = taught_error(coarse_error(generator, z, wanted, images), masks)
        true = (apart * weight).mean((1, 2, 3))
    assert ((got / true) > 0.8).all() and ((got / true) < 2.5).all()
    assert not coarse_error(generator, wanted, wanted, images).any()


def test_the_hole_counts_beside_equation_7() -> None:
    image, masks = torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)
    masks[..., 4:12, 4:12] = 1
    logit = torch.zeros(2, 1)
    right, _ = prior_loss(image, image * (1 - masks), masks, logit, image)
    wrong, parts = prior_loss(image + 0.5 * masks, image * (1 - masks), masks, logit, image)
    assert abs(float(wrong - right) - HOLE * 0.25 / 4) < 1e-5
    assert abs(parts["hole"] - 0.25 / 4) < 1e-5


def test_half_of_the_structure_is_what_can_be_found(tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path, torch.device("cpu"), smoke=True)
    trainer = RECIPES["prior-structure-64"].make(context)
    assert isinstance(trainer, PriorTrainer) and trainer.finder is not None
    asked: list[Tensor] = []

    def maps(damaged: Tensor, masks: Tensor) -> Tensor:
        asked.append(damaged)
        return damaged * 0 + 0.25

    trainer.finder.maps = maps  # type: ignore[method-assign]
    batch = trainer.held_out.take(torch.arange(4))
    found = trainer.structure_maps(batch, batch.images, batch.images[:, :1] * 0, 2)
    assert found is not None and len(asked[0]) == 2
    assert (found[:2] == 0.25).all() and torch.equal(found[2:], batch.structure[2:])
    trainer.step(0)
    assert len(asked[1]) == 2  # of a batch of four
