"""The papers' masks: shares, shapes, seeds; holes as codecs make them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.data.codec_masks import codec_mask, holes_from_channel, load_holes, save_holes
from train.data.masks import MASKS, freehand, random_rectangle

SHARES = {
    "central": (0.25, 0.25),
    "random block": (0.25, 0.25),
    "random rectangle": (0.35**2 * 0.9, 0.5**2 * 1.05),
    "random central": (0.48, 0.72),
    "checkerboard": (0.5, 0.5),
    "left": (0.5, 0.5),
    "half": (0.5, 0.5),
    "freehand": (0.25, 0.25),
    "pattern": (0.24, 0.26),
    "random pixels": (0.77, 0.83),
    "10 %": (0.09, 0.11),
    "40 %": (0.38, 0.42),
}


@pytest.mark.parametrize("name", sorted(MASKS))
@pytest.mark.parametrize("size", [64, 128])
def test_share_and_seed(name: str, size: int) -> None:
    least, most = SHARES[name]
    for seed in range(5):
        mask = MASKS[name](size, np.random.default_rng(seed))
        assert mask.shape == (size, size) and mask.dtype == bool
        assert least <= mask.mean() <= most
        assert np.array_equal(mask, MASKS[name](size, np.random.default_rng(seed)))


def test_random_masks_differ_between_seeds() -> None:
    fixed = {"central", "checkerboard", "left"}
    for name in MASKS.keys() - fixed:
        made = [MASKS[name](64, np.random.default_rng(seed)).tobytes() for seed in range(8)]
        assert len(set(made)) > 1, name


def test_rectangles_keep_their_sides() -> None:
    for seed in range(10):
        mask = random_rectangle(64, np.random.default_rng(seed))
        height, width = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == height * width
        assert min(height, width) >= 22 and max(height, width) <= 32


def test_freehand_takes_another_share() -> None:
    assert freehand(64, np.random.default_rng(0), 0.5).mean() == 0.5


def test_holes_come_from_the_channel(tmp_path: Path) -> None:
    holes = holes_from_channel(12, seed=3)
    assert holes.shape[1:] == (24, 40) and len(holes) > 10
    assert np.array_equal(holes, holes_from_channel(12, seed=3))
    rows = holes.all(2)  # slices end at a row's end: whole rows of macroblocks go
    assert rows.any() and not rows.all()
    save_holes(holes, tmp_path / "holes.safetensors")
    assert np.array_equal(load_holes(tmp_path / "holes.safetensors"), holes)
    make = codec_mask(holes)
    masks = [make(64, np.random.default_rng(seed)) for seed in range(10)]
    assert all(0.02 < mask.mean() < 0.7 for mask in masks)
    with pytest.raises(ValueError, match="holds no codec masks"):
        load_holes(tmp_path / "none.safetensors")
