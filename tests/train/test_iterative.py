"""Iterative inference finds what a generator can make; blending keeps what was received."""

from __future__ import annotations

import pytest
import torch

from concealer.networks.semantic_gan import SemanticGenerator
from concealer.networks.style_gan import StyleDiscriminator, StyleGenerator
from train.calls import freeze
from train.iterative import SG_GAN, YEH, Objective, overlay, poisson_blend, search


def _gan(channels: int = 0) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    generator = StyleGenerator(32, 4, channels, capacity=512, most=16)
    for name, parameter in generator.named_parameters():
        if "rgb" in name or "mapping" in name:
            torch.nn.init.normal_(parameter, std=0.6)
    return freeze(generator), freeze(StyleDiscriminator(32, channels, capacity=512, most=16))


@pytest.mark.parametrize("objective", [YEH, SG_GAN])
def test_search_recovers_a_generated_picture(objective: Objective) -> None:
    generator, judge = _gan()
    z = generator.sample_z(3, torch.Generator().manual_seed(5))
    with torch.no_grad():
        true = generator(z)
    masks = torch.zeros(3, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1
    damaged = true * (1 - masks)
    seen: list[int] = []
    found = search(generator, judge, damaged, masks, None, objective, steps=150, progress=seen.append)
    assert found.shape == z.shape and found.abs().max() <= 1
    assert seen == list(range(1, 151))
    with torch.no_grad():
        start = generator(generator.sample_z(3, torch.Generator().manual_seed(0)))
        before = ((start - true).square() * masks).mean()
        after = ((generator(found) - true).square() * masks).mean()
    assert after < before / 4


def test_pictures_in_a_batch_do_not_touch_each_other() -> None:
    generator, _ = _gan()
    judge = freeze(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 1)))
    damaged, masks = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1
    together = search(generator, _Alone(judge), damaged, masks, None, YEH, steps=20)
    other = damaged.clone()
    other[1] = -other[1]
    again = search(generator, _Alone(judge), other, masks, None, YEH, steps=20)
    assert torch.allclose(together[0], again[0], atol=1e-4)
    assert not torch.allclose(together[1], again[1], atol=1e-3)


class _Alone(torch.nn.Module):
    def __init__(self, judge: torch.nn.Module) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, images: torch.Tensor, structure: torch.Tensor | None = None) -> torch.Tensor:
        return self.judge(images)


def test_structure_conditions_the_search() -> None:
    torch.manual_seed(0)
    generator = SemanticGenerator(32, 8, width=4)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    freeze(generator)
    judge = freeze(StyleDiscriminator(32, 3, capacity=512, most=16))
    damaged, masks, maps = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), torch.rand(1, 3, 32, 32)
    a = search(generator, judge, damaged, masks, maps, SG_GAN, steps=5)
    b = search(generator, judge, damaged, masks, -maps, SG_GAN, steps=5)
    assert not torch.allclose(a, b)


def test_blending_removes_an_offset_and_keeps_what_was_received() -> None:
    """Yeh et al. 2017, eq. 6: gradients from the generated picture, values from the received one."""
    torch.manual_seed(0)
    true = torch.rand(2, 3, 32, 32) * 0.5
    masks = torch.zeros(2, 1, 32, 32)
    masks[0, :, 8:24, 8:24] = 1
    masks[1, :, :, :16] = 1  # reaches the border
    damaged = true * (1 - masks)
    generated = true + 0.3
    blended = poisson_blend(generated, damaged, masks)
    assert torch.allclose(blended, true, atol=1e-3)
    assert torch.equal(blended * (1 - masks), damaged)
    assert (overlay(generated, damaged, masks) - true).abs().max() > 0.29


def test_blending_leaves_alone_what_has_no_rim() -> None:
    generated = torch.rand(1, 3, 8, 8)
    assert torch.equal(poisson_blend(generated, generated * 0, torch.ones(1, 1, 8, 8)), generated)
    nothing = torch.zeros(1, 1, 8, 8)
    assert torch.equal(poisson_blend(generated, generated, nothing), generated)
