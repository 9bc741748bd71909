"""The boosted GAN's training: losses, pairs that match and do not, attributes, and what variants are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from train.boosted.lambdas import LAMBDA, TABLE, VARIANTS
from train.boosted.losses import RECEIVED, adversarial_loss, discriminative_loss, matching_loss, restoration_loss
from train.boosted.plan import rectangle
from train.boosted.trainer import BoostedTrainer
from train.context import Context
from train.data.attributes import ATTRIBUTES, attributes_of, measured, mirrored
from train.data.synthetic import synthetic_faces
from train.eigenfaces import fill_from_faces
from train.recipes import RECIPES

NAMES = [attribute.name for attribute in ATTRIBUTES]


def _trainer(name: str, folder: Path) -> BoostedTrainer:
    trainer = RECIPES[name].make(Context(folder, folder, torch.device("cpu"), smoke=True))
    assert isinstance(trainer, BoostedTrainer)
    return trainer


def test_discriminators_want_real_pairs_high_and_both_others_low() -> None:
    yes, no = torch.full((2, 1), 4.0), torch.full((2, 1), -4.0)
    right = matching_loss(yes, no, no)
    assert right < 0.1
    for wrong in (matching_loss(no, no, no), matching_loss(yes, yes, no), matching_loss(yes, no, yes)):
        assert wrong > right + 3


def test_the_weights_of_equation_2() -> None:
    one, two, three = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)
    assert discriminative_loss(one, two, three, 0.5, 0.1).item() == pytest.approx(1 + 1 + 0.3)
    assert discriminative_loss(one, None, three, 0.5, 0.1).item() == pytest.approx(1.3)


def test_the_generator_is_drawn_towards_what_all_three_take_for_real() -> None:
    logits = [torch.zeros(2, 1, requires_grad=True) for _ in range(3)]
    adversarial_loss(logits[0], logits[1], logits[2], 0.1, 0.1).backward()
    slopes = [float(logit.grad.sum()) for logit in logits if logit.grad is not None]
    assert slopes == pytest.approx([-0.5, -0.05, -0.05])


def test_reconstruction_counts_the_hole_above_all() -> None:
    image, masks = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    masks[..., :8] = 1
    hole, rest = (
        restoration_loss(image + 0.2 * masks, image, masks),
        restoration_loss(image + 0.2 * (1 - masks), image, masks),
    )
    assert hole.item() == pytest.approx((0.04 + 1e-4) ** 0.5)
    assert rest.item() == pytest.approx((0.04 * RECEIVED / 2 + 1e-4) ** 0.5)
    assert restoration_loss(image, image, masks * 0).item() == pytest.approx(0.01)


def test_pairs_are_as_the_paper_makes_them(tmp_path: Path) -> None:
    """Real and its own vector; restored and the real one's; real and another's."""
    trainer = _trainer("boosted-64", tmp_path)
    asked: dict[str, list[tuple[Tensor, ...]]] = {}

    class Asked(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, *inputs: Tensor) -> Tensor:
            asked.setdefault(self.name, []).append(inputs)
            return inputs[0].new_zeros(len(inputs[0]), 1)

    trainer.judges = {name: Asked(name) for name in trainer.judges}
    real, restored = torch.zeros(4, 3, 64, 64), torch.ones(4, 3, 64, 64)
    attributes, regions = torch.arange(4.0)[:, None], torch.arange(4.0)[:, None, None, None]
    assert set(trainer.discriminator_losses(real, restored, (attributes, regions))) == set(trainer.judges)
    assert [inputs[0] is real for inputs in asked["judge"]] == [True, False]
    for name, said in (("attribute-judge", attributes), ("segmentation-judge", regions)):
        (a, about), (b, also), (c, other) = asked[name]
        assert a is real and b is restored and c is real
        assert about is said and also is said and not (other == said).any()
        assert sorted(other.flatten().tolist()) == sorted(said.flatten().tolist())


@pytest.mark.parametrize(
    ("name", "judges", "told"),
    [
        ("boosted-64", ["attribute-judge", "judge", "segmentation-judge"], [True, True]),
        ("boosted-attributes-64", ["attribute-judge", "judge"], [True, False]),
        ("boosted-segmentation-64", ["judge", "segmentation-judge"], [False, True]),
        ("boosted-plain-64", ["judge"], [False, False]),
        ("boosted-a0-s1-64", ["judge", "segmentation-judge"], [False, True]),
        ("boosted-a0.01-s0-64", ["attribute-judge", "judge"], [True, False]),
    ],
)
def test_variants_are_told_less(name: str, judges: list[str], told: list[bool], tmp_path: Path) -> None:
    trainer = _trainer(name, tmp_path)
    images = trainer.held_out.take(np.arange(2)).images
    assert sorted(trainer.judges) == judges
    assert [said is not None for said in trainer.told(images, images[:, :1] * 0)] == told
    sizes = {n: p.shape for n, p in _trainer("boosted-64", tmp_path).generator.named_parameters()}
    assert {n: p.shape for n, p in trainer.generator.named_parameters()} == sizes, "the same generator"


def test_every_row_of_table_2_has_a_recipe_with_its_lambdas(tmp_path: Path) -> None:
    rows = {lambdas for group in TABLE.values() for lambdas in group}
    assert len(rows) == 11 and rows | {(0, 0)} == set(VARIANTS.values())
    for name, lambdas in VARIANTS.items():
        settings = _trainer(f"{name}-64", tmp_path).settings
        assert (settings.lambda_a, settings.lambda_s) == lambdas
    assert VARIANTS["boosted-both"] == (LAMBDA, LAMBDA) and VARIANTS["boosted-a0.01-s0.1"] == (0.01, 0.1)


def test_the_whole_system_sees_clips_and_moved_pictures_the_ablation_does_not(tmp_path: Path) -> None:
    variant, whole = (_trainer(name, tmp_path) for name in ("boosted-both-64", "boosted-64"))
    assert variant.clips is None and whole.clips is not None
    stills = whole.faces.take(np.arange(len(whole.faces))).images
    known = torch.cat([stills, stills.flip(-1)])

    def share(trainer: BoostedTrainer) -> float:
        drawn = trainer._draw(np.random.default_rng(0))
        return float((drawn[:, None] == known).flatten(2).all(2).any(1).float().mean())

    assert share(variant) == 1 and share(whole) == 0.5


def test_the_embedding_networks_stay_as_they_are(tmp_path: Path) -> None:
    trainer = _trainer("boosted-64", tmp_path)
    before = [p.clone() for network in (trainer.attributes, trainer.segmentation) for p in network.parameters()]
    trainer.step(0)
    after = [p for network in (trainer.attributes, trainer.segmentation) for p in network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_rate_falls_to_nothing(tmp_path: Path) -> None:
    trainer = _trainer("boosted-start-64", tmp_path)
    rates = [trainer.rate(number) for number in (0, trainer.settings.steps // 2, trainer.settings.steps, 10**9)]
    assert rates[0] == trainer.settings.rate and rates[1] == pytest.approx(rates[0] / 2) and rates[2:] == [0, 0]


def test_eigenfaces_give_whole_pictures_back(tmp_path: Path) -> None:
    trainer = _trainer("boosted-start-64", tmp_path)
    images = trainer.faces.take(np.arange(4)).images
    fill = trainer.generator.first
    fill.noise = 1e-3
    fill_from_faces(fill, trainer.faces)
    guess = fill(images, images[:, :1] * 0)
    wanted = nn.functional.avg_pool2d(images, 2)
    assert (guess - wanted).square().mean() < 0.01 * (wanted - wanted.mean(0)).square().mean()


def test_rectangles_have_the_papers_sides() -> None:
    masks = [rectangle(256, np.random.default_rng(seed)) for seed in range(50)]
    sides = [side for mask in masks for side in (mask.any(1).sum(), mask.any(0).sum())]
    assert 80 <= min(sides) < 100 and 140 < max(sides) <= 160
    assert all(mask.sum() == mask.any(1).sum() * mask.any(0).sum() for mask in masks)


def _face() -> tuple[Tensor, Tensor]:
    faces = synthetic_faces(1, 64)
    return torch.from_numpy(faces.images).float() / 127.5 - 1, torch.from_numpy(faces.landmarks.copy())


def test_attributes_follow_the_face() -> None:
    images, landmarks = _face()

    def values(picture: Tensor = images, points: Tensor = landmarks) -> dict[str, float]:
        return dict(zip(NAMES, measured(picture, points)[0].tolist(), strict=True))

    plain = values()
    assert values(images * 0.5 + 0.5)["bright skin"] > plain["bright skin"]
    rows = torch.linspace(-0.2, 0.2, 64)
    assert values(images + rows)["light from the right"] > plain["light from the right"]
    assert values(images + rows)["light from the left"] < plain["light from the left"]
    assert values(images + rows[:, None])["dark chin"] < plain["dark chin"]
    warm = images + torch.tensor([0.2, 0.0, -0.2])[:, None, None]
    assert values(warm)["warm skin"] == pytest.approx(plain["warm skin"] + 0.4, abs=1e-4)
    grown = values(points=landmarks * torch.tensor([1.0, 1.2]))
    assert grown["long face"] > plain["long face"] and grown["mouth open"] > plain["mouth open"]


def test_mirrored_faces_have_mirrored_attributes() -> None:
    images, landmarks = _face()
    images = images + torch.linspace(-0.4, 0.4, 64)
    there = attributes_of(images, landmarks)
    lit = [NAMES.index(f"light from the {side}") for side in ("left", "right")]
    assert there[0, lit].tolist() == [0, 1]
    assert mirrored(there)[0, lit].tolist() == [1, 0] and torch.equal(mirrored(mirrored(there)), there)
    # Outlines name left and right of the face: the picture's tone is what mirrors here.
    assert attributes_of(images.flip(-1), landmarks)[0, lit].tolist() == [1, 0]
