"""Networks that start from others: grown to a higher resolution, moving averages, learning rates."""

from __future__ import annotations

import torch
from torch.nn import functional

from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.style_gan import StyleDiscriminator, StyleGenerator
from train.rates import parameter_groups
from train.take_over import follow, grow


def test_a_grown_generator_begins_with_the_picture_enlarged() -> None:
    torch.manual_seed(0)
    small, large = StyleGenerator(64, 16, 3, 512, 16), StyleGenerator(128, 16, 3, 512, 16)
    torch.nn.init.normal_(small.coarse.weight, std=0.1)
    grow(large, small)
    z, maps = small.sample_z(2), torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        wanted = functional.interpolate(torch.atanh(small(z, maps)), scale_factor=2.0, mode="bilinear")
        got = torch.atanh(large(z, maps.repeat_interleave(2, 2).repeat_interleave(2, 3)))
    assert torch.allclose(got, wanted, atol=1e-4)


def test_a_grown_discriminator_judges_smooth_pictures_alike() -> None:
    torch.manual_seed(0)
    small, large = StyleDiscriminator(32, 0, 256, 16), StyleDiscriminator(64, 0, 256, 16)
    fresh = StyleDiscriminator(64, 0, 256, 16)
    grow(large, small)
    coarse = functional.interpolate(torch.rand(8, 3, 4, 4) * 2 - 1, scale_factor=8.0, mode="bilinear")
    fine = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    with torch.no_grad():
        wanted = small(coarse)
        apart, apart_fresh = ((one(fine) - wanted).abs().mean() for one in (large, fresh))
    assert apart < 0.2 * apart_fresh


def test_priors_read_the_same_at_every_resolution() -> None:
    torch.manual_seed(0)
    small, large = GroupedPrior(64, 16, 0, 512, 16, 16), GroupedPrior(128, 16, 0, 512, 16, 16)
    grow(large, small)
    picture, mask = torch.rand(1, 2, 3, 64, 64), torch.zeros(1, 2, 1, 64, 64)
    twice = [part.repeat_interleave(2, 3).repeat_interleave(2, 4) for part in (picture, mask)]
    with torch.no_grad():
        assert torch.allclose(large(*twice)[0], small(picture, mask)[0], atol=1e-5)


def test_a_moving_average_gets_there() -> None:
    torch.manual_seed(0)
    kept, live = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    torch.nn.init.constant_(live.weight, 2.0)
    live(torch.randn(8, 3) + 5)
    follow(kept, live, 0.5)
    assert torch.allclose(kept.weight, torch.full((3,), 1.5))
    assert torch.equal(kept.running_mean, live.running_mean)  # type: ignore[arg-type]


def test_large_linear_maps_move_slowly() -> None:
    prior = NoisePrior(32, 8, 0, 256, 16)
    fast, slow = parameter_groups([prior], 1e-3)
    assert {id(p) for p in slow["params"]} == {id(p) for p in prior.direct.parameters()}
    assert fast["lr"] == 1e-3 and slow["lr"] < 1e-4
    assert len(fast["params"]) + len(slow["params"]) == len(list(prior.parameters()))
