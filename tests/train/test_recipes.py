"""Every recipe's smoke run, and that a run stopped and resumed is the same run."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from concealer.networks.weights import load_weights
from train.context import Context
from train.recipes import RECIPES, smoke
from train.run import train
from train.sizes import SIZES

VIDEO = [name for name in RECIPES if name.startswith("video-")]
NAMES = [name for name in RECIPES if name.endswith("-64")] + VIDEO


def _context(folder: Path) -> Context:
    return Context(folder / "shards", folder, torch.device("cpu"), smoke=True)


@pytest.mark.parametrize("name", NAMES)
def test_smoke(name: str, tmp_path: Path) -> None:
    recipe = smoke(RECIPES[name])
    trainer = recipe.make(_context(tmp_path))
    before = {n: [p.detach().clone() for p in part.network.parameters()] for n, part in trainer.parts.items()}
    assert train(trainer, tmp_path / name, recipe.steps) == 2
    rows = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
    assert rows[0]["step"] == 2 and len(rows[0]) > 2
    for part_name, part in trainer.parts.items():
        moved = any(not torch.equal(a, b) for a, b in zip(before[part_name], part.network.parameters(), strict=True))
        assert moved, f"{part_name} does not train"
        if part.ship:
            network = load_weights(tmp_path / name / f"{part_name}.safetensors")
            assert type(network) is type(part.network)


def test_recipes_exist_at_every_size_and_need_what_exists() -> None:
    assert len(RECIPES) - len(VIDEO) == (len(NAMES) - len(VIDEO)) * len(SIZES)
    for recipe in RECIPES.values():
        assert all(need in RECIPES for need in recipe.needs)


def test_a_chain_of_recipes_hands_its_weights_on(tmp_path: Path) -> None:
    for name in ("style-64", "prior-64", "grouped-64", "style-128", "prior-128", "grouped-128"):
        recipe = smoke(RECIPES[name])
        train(recipe.make(_context(tmp_path)), tmp_path / name, recipe.steps)
    image = load_weights(tmp_path / "prior-64" / "prior.safetensors")
    fresh = RECIPES["grouped-64"].make(_context(tmp_path)).parts["prior"].network
    assert torch.equal(fresh.prior.last.weight, image.last.weight)


@pytest.mark.parametrize("name", ["style-64", "dcgan-64", "grouped-64", "boosted-64"])
def test_stopped_and_resumed_is_the_same_run(name: str, tmp_path: Path) -> None:
    train(RECIPES[name].make(_context(tmp_path)), tmp_path / "whole", 4)
    for steps in (1, 3, 4):
        train(RECIPES[name].make(_context(tmp_path)), tmp_path / "parts", steps)
    whole, parts = (load_file(tmp_path / run / "checkpoint.safetensors") for run in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        assert torch.allclose(value, parts[key], atol=1e-6), key


def test_weights_without_a_checkpoint_are_gone_on_from(tmp_path: Path) -> None:
    recipe, folder = RECIPES["style-64"], tmp_path / "style-64"
    train(recipe.make(_context(tmp_path)), folder, 3)
    (folder / "checkpoint.safetensors").unlink()
    trainer = recipe.make(_context(tmp_path))
    assert train(trainer, folder, 3) == 3, "nothing was left to do"
    kept = load_weights(folder / "generator.safetensors").state_dict()
    for name in ("generator", "generator-live"):
        for key, value in trainer.parts[name].network.state_dict().items():
            assert torch.allclose(value, kept[key], atol=1e-3), key


def test_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train(RECIPES["refiner-64"].make(_context(tmp_path)), tmp_path / "run", 1)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        train(RECIPES["dcgan-64"].make(_context(tmp_path)), tmp_path / "run", 1)
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        train(RECIPES["dcgan-64"].make(_context(tmp_path)), tmp_path / "run", 1)


def test_needs_are_named(tmp_path: Path) -> None:
    context = Context(tmp_path, tmp_path, torch.device("cpu"))
    with pytest.raises(ValueError, match="train style-64 first"):
        RECIPES["prior-64"].make(context)


def test_time_limit_stops_with_a_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="train")
    done = train(RECIPES["refiner-64"].make(_context(tmp_path)), tmp_path / "run", 10**9, minutes=0.02)
    assert 0 < done < 10**9 and (tmp_path / "run" / "checkpoint.safetensors").exists()
    more = train(RECIPES["refiner-64"].make(_context(tmp_path)), tmp_path / "run", done + 1)
    assert more == done + 1 and f"going on from step {done}" in caplog.text


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "train", *arguments], capture_output=True, text=True, timeout=120)


def test_command(tmp_path: Path) -> None:
    done = _command("refiner-64", "--smoke", "--device", "cpu")
    assert done.returncode == 0 and done.stdout == "refiner-64: 2 steps\n"
    missing = _command("style-64", "--shards", str(tmp_path), "--runs", str(tmp_path), "--device", "cpu")
    assert missing.returncode == 1 and "python -m train.data.pack" in missing.stderr
    assert "Traceback" not in missing.stderr
