"""The boosted GAN's networks: what they are told matters, and the first guess is the closed form."""

from __future__ import annotations

import pytest
import torch

from concealer.networks.attribute_discriminator import AttributeDiscriminator
from concealer.networks.attribute_embedding import AttributeEmbedding
from concealer.networks.boosted import BoostedInpainter
from concealer.networks.boosted_generator import BoostedGenerator
from concealer.networks.eigenface_fill import SIDE, EigenfaceFill
from concealer.networks.segmentation_embedding import SegmentationEmbedding

SIZES = (64, 128, 256)
TINY = {"attributes": 5, "regions": 3, "width": 8, "middle": 16, "components": 8}


def _damaged(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    mask = torch.zeros(count, 1, size, size)
    mask[:, :, size // 4 : size // 2] = 1
    return (torch.rand(count, 3, size, size) * 2 - 1) * (1 - mask), mask


def _generator(size: int) -> BoostedGenerator:
    """As after training: what it corrects starts at zero."""
    generator = BoostedGenerator(size, **TINY)
    for name, parameter in generator.named_parameters():
        if name.endswith("rgb.weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    return generator.eval()


@pytest.mark.parametrize("size", SIZES)
def test_shapes(size: int) -> None:
    damaged, mask = _damaged(2, size)
    attributes = AttributeEmbedding(size, 5, 16, 512, 16)
    segmentation = SegmentationEmbedding(size, 3, 16, 512, 16, 8)
    known, regions = attributes.embed(damaged, mask), segmentation.embed(damaged, mask)
    assert attributes(damaged, mask).shape == known.shape == (2, 5) and known.abs().max() <= 1
    assert segmentation(damaged, mask).shape == regions.shape == (2, 3, size, size)
    assert torch.allclose(regions.sum(1), torch.ones(2, size, size), atol=1e-5)
    whole = BoostedInpainter(attributes, segmentation, _generator(size)).eval()
    image = whole(damaged, mask)
    assert image.shape == damaged.shape and image.abs().max() <= 1
    assert torch.equal(image * (1 - mask), damaged)
    assert AttributeDiscriminator(size, 5, 512, 16)(image, known).shape == (2, 1)


def test_networks_must_fit() -> None:
    parts = AttributeEmbedding(64, 5, 16, 512, 16), SegmentationEmbedding(64, 3, 16, 512, 16, 8)
    with pytest.raises(ValueError, match="different resolutions: 64, 128"):
        BoostedInpainter(*parts, BoostedGenerator(128, **TINY))
    with pytest.raises(ValueError, match="takes 6 attributes and 3 regions, there are 5 and 3"):
        BoostedInpainter(*parts, BoostedGenerator(64, **(TINY | {"attributes": 6})))
    with pytest.raises(ValueError, match="64x64 at least, got 32"):
        BoostedGenerator(32, **TINY)


def test_the_generator_heeds_what_it_is_told_and_does_without() -> None:
    damaged, mask = _damaged(1, 64)
    generator = _generator(64)
    regions = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        alone = generator(damaged, mask)
        assert torch.equal(alone, generator(damaged, mask, torch.zeros(1, 5), regions)), "unknown is zero"
        assert (generator(damaged, mask, torch.ones(1, 5)) - alone).abs().max() > 1e-4
        assert (generator(damaged, mask, None, regions + 1) - alone).abs().max() > 1e-4


def test_a_larger_generator_begins_as_the_smaller_one_enlarged() -> None:
    from train.take_over import grow

    torch.manual_seed(0)
    small, large = _generator(64), BoostedGenerator(128, **TINY).eval()
    grow(large, small)
    damaged, mask = _damaged(2, 128)
    read = torch.nn.functional.avg_pool2d
    with torch.no_grad():
        wanted = torch.nn.functional.interpolate(
            small(read(damaged, 2), read(mask, 2)), scale_factor=2.0, mode="bilinear"
        )
        assert torch.allclose(large(damaged, mask), wanted, atol=1e-4)


def test_attributes_matter_to_their_discriminator() -> None:
    torch.manual_seed(0)
    judge = AttributeDiscriminator(64, 5, 512, 16)
    image = torch.rand(1, 3, 64, 64)
    assert (judge(image, torch.ones(1, 5)) - judge(image, -torch.ones(1, 5))).abs().item() > 1e-5


def _fill() -> EigenfaceFill:
    torch.manual_seed(0)
    fill = EigenfaceFill(6, noise=0.1)
    fill.basis.copy_(torch.linalg.qr(torch.randn(3 * SIDE**2, 6))[0] * torch.tensor([9.0, 6, 4, 3, 2, 1]))
    fill.mean.copy_(0.1 * torch.randn(3 * SIDE**2))
    return fill


def test_the_first_guess_is_the_expected_picture() -> None:
    """Against the equations solved directly, for a hole and for nothing missing."""
    fill = _fill()
    picture = (fill.mean + fill.basis @ torch.randn(6)).view(1, 3, SIDE, SIDE)
    for mask in (torch.zeros(1, 1, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE).index_fill(3, torch.arange(9, 20), 1.0)):
        keep = (1 - mask).expand(1, 3, -1, -1).flatten()
        left = torch.eye(6) + fill.basis.t() @ (keep[:, None] * fill.basis) / 0.1
        right = fill.basis.t() @ (keep * (picture.flatten() - fill.mean)) / 0.1
        wanted = fill.mean + fill.basis @ torch.linalg.solve(left, right)
        assert torch.allclose(fill(picture * (1 - mask), mask).flatten(), wanted, atol=1e-3)


def test_the_first_guess_of_nothing_is_the_mean_face() -> None:
    fill = _fill()
    mask = torch.ones(2, 1, 64, 64)
    assert torch.allclose(fill(torch.zeros(2, 3, 64, 64), mask).flatten(1), fill.mean.expand(2, -1), atol=1e-6)
    half = fill.half()(torch.zeros(1, 3, 64, 64).half(), mask[:1].half())
    assert half.dtype == torch.float16 and half.isfinite().all()
