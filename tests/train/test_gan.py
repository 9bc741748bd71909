"""When the discriminator is heeded, and what the encoder is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from train.context import Context
from train.gan import GanSettings, GanTrainer
from train.recipes import RECIPES
from train.sizes import style_specs


def _context(folder: Path) -> Context:
    return Context(folder, folder, torch.device("cpu"), smoke=True)


def test_the_discriminator_learns_alone_and_is_heeded_by_and_by(tmp_path: Path) -> None:
    context = _context(tmp_path)
    specs = style_specs(context, 64, 0)
    faces = context.faces("stills-train", 64)
    settings = GanSettings(specs, batch=4, warm_up=1, alone=1, ramp=3)
    trainer = GanTrainer(settings, faces, faces, 0)
    assert [trainer.heed(number) for number in range(7)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    rows = [trainer.step(number) for number in range(3)]
    assert ["judge" in row for row in rows] == [False, True, True]
    assert ["fool" in row for row in rows] == [False, False, True]


def test_with_structure_the_encoder_is_shown_damaged_pictures_too(tmp_path: Path) -> None:
    context = _context(tmp_path)
    plain, structured = (RECIPES[name].make(context) for name in ("style-64", "style-structure-64"))
    assert isinstance(plain, GanTrainer) and isinstance(structured, GanTrainer)
    rng = np.random.default_rng(0)
    assert not plain.encoder_masks(4, rng).any()
    assert structured.encoder_masks(4, rng).flatten(1).any(1).tolist() == [False, False, True, True]
