"""SGIN's networks: shapes, attention and pooling on cases made by hand, what map, style and feedback do."""

from __future__ import annotations

import pytest
import torch

from concealer.face_map import PARTS
from concealer.networks.contextual_attention import attend
from concealer.networks.occlusion_detector import OcclusionDetector
from concealer.networks.region_predictor import RegionPredictor, one_hot_map
from concealer.networks.sgi_block import SeanNorm
from concealer.networks.sgin import SginGenerator, SginInpainter
from concealer.networks.style_pyramid import StylePyramid, pool_regions

SIZES = (64, 128, 256)
SMALL = {"capacity": 512, "most": 16}


def _case(size: int, count: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Damaged pictures, masks and label maps of three regions in bands."""
    rng = torch.Generator().manual_seed(0)
    mask = torch.zeros(count, 1, size, size)
    mask[:, :, : size // 2, : size // 2] = 1
    labels = (torch.arange(size)[:, None].expand(size, size) * 3 // size)[None].expand(count, -1, -1)
    images = torch.rand(count, 3, size, size, generator=rng) * 2 - 1
    return images * (1 - mask), mask, one_hot_map(labels)


@pytest.mark.parametrize("size", SIZES)
def test_shapes(size: int) -> None:
    torch.manual_seed(0)
    damaged, mask, regions = _case(size)
    assert OcclusionDetector(size, **SMALL)(damaged).shape == mask.shape
    predictor, generator = RegionPredictor(size, **SMALL), SginGenerator(size, 16, **SMALL)
    assert predictor(damaged, mask).shape == regions.shape
    drawn = generator.draw(damaged, mask, regions, generator.styles(damaged, mask, regions))
    assert drawn.image.shape == damaged.shape and drawn.image.abs().max() <= 1
    sides = [features.shape[-1] for features in drawn.features]
    assert sides == [4 << k for k in range(size.bit_length() - 2)], "one block for every side"
    inpainter = SginInpainter(predictor, generator)
    assert torch.equal(inpainter(damaged, mask) * (1 - mask), damaged)


def test_predictor_and_generator_must_fit() -> None:
    with pytest.raises(ValueError, match="11 classes at 64 px and 11 at 128"):
        SginInpainter(RegionPredictor(64, **SMALL), SginGenerator(128, 16, **SMALL))


def test_predicted_map_is_binary_and_complete() -> None:
    torch.manual_seed(0)
    damaged, mask, _ = _case(64)
    regions = RegionPredictor(64, **SMALL).regions(damaged, mask)
    assert set(regions.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(regions.sum(1), torch.ones(2, 64, 64)), "every pixel is of one region"


def test_pooling_is_the_mean_of_each_region() -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, 1] = 4
    labels[0, 3, 2:] = 7
    styles = pool_regions(features, one_hot_map(labels))
    assert styles.shape == (1, len(PARTS), 1)
    assert styles[0, 4, 0].item() == pytest.approx((4 + 5 + 6 + 7) / 4, abs=1e-3)
    assert styles[0, 7, 0].item() == pytest.approx((14 + 15) / 2, abs=1e-3)
    assert styles[0, 3, 0].item() == 0, "a region that is not there has no style"


def test_attention_fills_the_hole_from_what_looks_alike_and_leaves_the_rest() -> None:
    # Two textures, each a direction of its own; the hole lies at the border of the second one.
    features = torch.zeros(1, 2, 8, 8)
    features[:, 0, :, :4], features[:, 1, :, 4:] = 1.0, 1.0
    mask = torch.zeros(1, 1, 8, 8)
    mask[:, :, 3:5, 6:] = 1
    seen = features.clone()
    seen[:, :, 3:5, 6:] = torch.tensor([0.05, 0.2]).view(1, 2, 1, 1)
    filled = attend(seen, mask)
    hole = filled[0, :, 3:5, 6:]
    assert torch.equal(filled * (1 - mask), seen * (1 - mask))
    assert hole[1].min() > 0.9 and hole[0].max() < 0.1, "drawn from the texture that the surroundings show"


def test_attention_of_pictures_without_a_hole_and_of_all_hole() -> None:
    features = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(attend(features, torch.zeros(2, 1, 8, 8)), features)
    assert torch.isfinite(attend(features, torch.ones(2, 1, 8, 8))).all()


def test_attention_carries_what_is_seen_into_the_styles_of_the_hole() -> None:
    torch.manual_seed(0)
    damaged, mask, _ = _case(64)
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[:, :32, :32] = 5  # one region lies in the hole alone
    regions = one_hot_map(labels)
    other = damaged.clone()
    other[:, :, 56:] = 1 - other[:, :, 56:]  # far from the hole
    for attention in (True, False):
        pyramid = StylePyramid(64, 16, **SMALL, attention=attention)
        first, second = (pyramid(x, mask, regions) for x in (damaged, other))
        apart = [(a - b)[:, 5].abs().max().item() for a, b in zip(first, second, strict=True)]
        assert apart[-2] > 0.0, "the coarse levels see everything"
        if attention:
            with_attention = apart[1]
        else:
            assert with_attention > 3 * apart[1]


@pytest.mark.parametrize("what", ["map", "style"])
def test_sean_heeds_map_and_style(what: str) -> None:
    torch.manual_seed(0)
    norm = SeanNorm(8, 6)
    x = torch.randn(1, 8, 6, 6)
    labels = torch.zeros(1, 6, 6, dtype=torch.long)
    labels[:, :, 3:] = 2
    regions, styles, read = one_hot_map(labels), torch.randn(1, len(PARTS), 6), torch.randn(1, 16, 6, 6)
    plain = norm(x, read, regions, styles)
    if what == "style":
        other = styles.clone()
        other[:, 2] += 1
        change = (norm(x, read, regions, other) - plain).abs()
        assert change[..., 3:].min() > 0 and change[..., :3].max() == 0, "a style changes its own region alone"
    else:
        moved = one_hot_map(labels.roll(2, 2))
        change = (norm(x, read, moved, styles) - plain).abs().amax((0, 1, 2))
        assert change[[0, 1, 3, 4]].min() > 0 and change[[2, 5]].max() == 0, "only where the region is another"
    uniform = norm(3 * x + 5, read, regions, styles)
    assert torch.allclose(uniform, plain, atol=1e-3), "instance norm takes level and contrast away"


def test_feedback_tells_the_generator_what_was_received_and_nothing_of_the_hole() -> None:
    torch.manual_seed(0)
    generator = SginGenerator(64, 16, **SMALL)
    assert generator.feedback is not None
    damaged, mask, regions = _case(64)
    styles = generator.styles(damaged, mask, regions)
    drawn = generator.draw(damaged, mask, regions, styles)
    assert torch.equal(drawn.image, drawn.coarse), "fresh feedback says nothing"
    torch.nn.init.normal_(generator.feedback.decode.weight, std=0.1)
    first = generator.draw(damaged, mask, regions, styles)
    assert torch.equal(first.coarse, drawn.coarse) and not torch.equal(first.image, drawn.image)
    hidden = damaged + mask  # differs in the hole alone
    assert torch.equal(generator.draw(hidden, mask, regions, styles).image, first.image)
    seen = damaged + 0.5 * (1 - mask)
    assert not torch.equal(generator.draw(seen, mask, regions, styles).image, first.image)


def test_parts_can_be_left_out() -> None:
    assert SginGenerator(64, 16, **SMALL, feedback=False).feedback is None
    assert not SginGenerator(64, 16, **SMALL, attention=False).encoder.attention


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    generator = SginGenerator(64, 16, **SMALL)
    damaged, mask, regions = _case(64)
    assert generator.feedback is not None
    torch.nn.init.normal_(generator.feedback.decode.weight, std=0.1)
    generator(damaged, mask, regions).square().mean().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
