"""Every network: shapes in and out, value ranges, gradients, ONNX-relevant properties."""

from __future__ import annotations

import pytest
import torch

from concealer.face_map import LANDMARKS
from concealer.networks.dcgan import DcganDiscriminator, DcganGenerator
from concealer.networks.generator import Generator
from concealer.networks.grouped_prior import GroupedPrior
from concealer.networks.label_predictor import LabelPredictor
from concealer.networks.landmark_refiner import LandmarkRefiner
from concealer.networks.noise_prior import NoisePrior
from concealer.networks.one_pass import OnePassInpainter, SequenceInpainter
from concealer.networks.semantic_gan import SemanticGenerator
from concealer.networks.style_gan import StyleDiscriminator, StyleGenerator

SIZES = (64, 128, 256)


def _generators(size: int) -> list[Generator]:
    return [
        DcganGenerator(size, width=8),
        SemanticGenerator(size, width=4),
        StyleGenerator(size, z_size=32, capacity=512, most=32),
        StyleGenerator(size, z_size=32, structure_channels=3, capacity=512, most=32),
    ]


def _damaged(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.zeros(count, 1, size, size)
    mask[:, :, size // 4 : size // 2] = 1
    return torch.rand(count, 3, size, size) * (1 - mask), mask


@pytest.mark.parametrize("size", SIZES)
def test_generators_share_one_interface(size: int) -> None:
    torch.manual_seed(0)
    for generator in _generators(size):
        z = generator.sample_z(2)
        assert z.shape == (2, generator.z_size) and z.abs().max() <= 1
        structure = torch.zeros(2, 3, size, size) if generator.structure_channels else None
        image = generator(z, structure)
        assert image.shape == (2, 3, size, size)
        assert image.abs().max() <= 1
        assert (image[0] - image[1]).abs().max() > 0, "z must matter"


def test_structure_matters_once_trained_and_is_required() -> None:
    torch.manual_seed(0)
    for generator in (SemanticGenerator(64, width=4), StyleGenerator(64, 32, 3, 512, 32)):
        for parameter in generator.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        z = generator.sample_z(2)
        blank, face = torch.zeros(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
        assert (generator(z, blank) - generator(z, face)).abs().max() > 1e-4
        with pytest.raises(ValueError, match="structure map of 3 channels"):
            generator(z)


@pytest.mark.parametrize("size", SIZES)
def test_discriminators_give_one_logit(size: int) -> None:
    image = torch.rand(3, 3, size, size) * 2 - 1
    assert DcganDiscriminator(size, width=4)(image).shape == (3, 1)
    assert DcganDiscriminator(size, width=4, structure_channels=3)(image, image).shape == (3, 1)
    assert StyleDiscriminator(size, capacity=512, most=32)(image).shape == (3, 1)
    assert StyleDiscriminator(size, 3, capacity=512, most=32)(image, image).shape == (3, 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [0, 3])
def test_one_pass_changes_only_the_hole(size: int, channels: int) -> None:
    torch.manual_seed(0)
    damaged, mask = _damaged(2, size)
    structure = torch.rand(2, 3, size, size) if channels else None
    whole = OnePassInpainter(
        NoisePrior(size, 32, channels, 512, 32), StyleGenerator(size, 32, channels, 512, 32)
    ).eval()
    image = whole(damaged, mask, structure)
    assert image.shape == damaged.shape
    assert torch.equal(image * (1 - mask), damaged)
    assert image[mask.expand_as(image) > 0].abs().min() > 0, "the hole must be painted"


def test_prior_and_generator_must_fit() -> None:
    with pytest.raises(ValueError, match="differ in z_size: 16 and 32"):
        OnePassInpainter(NoisePrior(64, 16), StyleGenerator(64, 32, capacity=512))
    with pytest.raises(ValueError, match="structure_channels"):
        SequenceInpainter(GroupedPrior(64, 32), StyleGenerator(64, 32, 3, capacity=512))


def _stirred(prior: GroupedPrior) -> GroupedPrior:
    """With a feed-forward layer as after training: it starts at zero."""
    torch.nn.init.normal_(prior.last[-1].weight, std=0.3)
    return prior.eval()


@pytest.mark.parametrize("channels", [0, 3])
def test_group_equals_picture_by_picture(channels: int) -> None:
    torch.manual_seed(0)
    prior = _stirred(GroupedPrior(64, 32, channels, 512, 32))
    damaged, mask = _damaged(10, 64)
    damaged, mask = damaged.unflatten(0, (2, 5)), mask.unflatten(0, (2, 5))
    structure = torch.rand(2, 5, 3, 64, 64) if channels else None
    with torch.no_grad():
        together, (hidden_end, cell_end) = prior(damaged, mask, structure)
        hidden, cell = prior.initial_state(2)
        for t in range(5):
            at_t = None if structure is None else structure[:, t]
            z, hidden, cell = prior.step(damaged[:, t], mask[:, t], at_t, hidden, cell)
            assert torch.allclose(z, together[:, t], atol=1e-5)
    assert torch.allclose(hidden, hidden_end, atol=1e-5) and torch.allclose(cell, cell_end, atol=1e-5)


def test_group_is_causal_and_its_state_crosses_groups() -> None:
    torch.manual_seed(0)
    prior = _stirred(GroupedPrior(64, 32, 0, 512, 32))
    damaged, mask = _damaged(6, 64)
    damaged, mask = damaged[None], mask[None]
    with torch.no_grad():
        whole, _ = prior(damaged, mask)
        first, state = prior(damaged[:, :3], mask[:, :3])
        second, _ = prior(damaged[:, 3:], mask[:, 3:], None, state)
        assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-5)
        alone, _ = prior(damaged[:, 3:], mask[:, 3:])
        assert (alone - second).abs().max() > 1e-4, "the past must matter"
        later = damaged.clone()
        later[:, 4:] = 0
        assert torch.allclose(prior(later, mask)[0][:, :4], whole[:, :4], atol=1e-6), "the future must not"


def test_sequence_starts_as_the_image_prior_over_time() -> None:
    """The same picture over and over comes to the image prior's z; another is drawn to those before it."""
    torch.manual_seed(0)
    prior = GroupedPrior(64, 32, 0, 512, 32, hidden=48).eval()
    damaged, mask = _damaged(2, 64)
    first, other = ([0] * 12, [0] * 11 + [1])
    with torch.no_grad():
        alone = prior.prior(damaged, mask)
        same, _ = prior(damaged[first][None], mask[first][None])
        mixed, _ = prior(damaged[other][None], mask[other][None])
    apart = (alone[1] - alone[0]).norm()
    assert (same[0, -1] - alone[0]).norm() < 0.1 * alone[0].norm()
    assert 0.5 * apart < (mixed[0, -1] - alone[0]).norm() < 0.9 * apart
    with pytest.raises(ValueError, match="hidden 16 is less than 32"):
        GroupedPrior(64, 32, hidden=16)


def test_class_labels_reach_generator_and_discriminator() -> None:
    torch.manual_seed(0)
    generator = StyleGenerator(64, 32, capacity=512, most=32, classes=3)
    judge = StyleDiscriminator(64, capacity=512, most=32, classes=3)
    z = generator.sample_z(1).expand(2, -1)
    labels = torch.eye(3)[:2]
    images = generator(z, label=labels)
    assert (images[0] - images[1]).abs().max() > 0
    assert judge(images, label=labels).shape == (2, 1)
    assert torch.allclose(generator(z), generator(z, label=torch.full((2, 3), 1 / 3)))
    damaged, mask = _damaged(2, 64)
    assert LabelPredictor(64, 3, 512, 32)(damaged, mask).shape == (2, 3)


def test_refiner_ignores_what_dropped_points_hold() -> None:
    torch.manual_seed(0)
    refiner = LandmarkRefiner()
    points, switch = torch.rand(2, LANDMARKS, 2), (torch.rand(2, LANDMARKS) < 0.3).float()
    other = torch.where(switch[:, :, None] > 0, points, torch.rand_like(points))
    assert refiner(points, switch).shape == (2, LANDMARKS, 2)
    assert torch.allclose(refiner(points, switch), refiner(other, switch))


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    damaged, mask = _damaged(2, 64)
    structure = torch.rand(2, 3, 64, 64)
    whole = OnePassInpainter(NoisePrior(64, 32, 3, 512, 32), StyleGenerator(64, 32, 3, 512, 32))
    for name, parameter in whole.named_parameters():
        if name.endswith("structure.write.weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    (whole(damaged, mask, structure) - 1).square().mean().backward()
    dead = [name for name, p in whole.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_bad_resolution_is_refused() -> None:
    with pytest.raises(ValueError, match="power of two of at least 16, got 100"):
        StyleGenerator(100)
