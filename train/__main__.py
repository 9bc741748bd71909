"""`python -m train RECIPE`: train one recipe, or go on with it."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

# Threads that spin while they wait make a shared machine many times slower than one thread alone.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> int:
    """Exit codes: 0 trained, 1 failed, 2 bad usage."""
    parser = argparse.ArgumentParser(prog="python -m train", description="Train a recipe, or go on with it.")
    parser.add_argument("recipe", nargs="?", help="one of --list")
    parser.add_argument("--list", action="store_true", help="list the recipes")
    parser.add_argument("--shards", type=Path, default=Path("shards"), help="packed faces (default: ./shards)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="a folder per recipe goes here (default: ./runs)"
    )
    parser.add_argument("--steps", type=int, help="stop at this many steps in all (default: the recipe's)")
    parser.add_argument("--minutes", type=float, help="stop after this time; the next call goes on")
    parser.add_argument("--device", default="", help="cpu or cuda (default: cuda where there is one)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="two steps of a tiny network on synthetic faces")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    import torch

    from train.context import Context
    from train.recipes import RECIPES, smoke
    from train.run import train

    if arguments.list:
        for recipe in RECIPES.values():
            needs = f" (needs {', '.join(recipe.needs)})" if recipe.needs else ""
            print(f"{recipe.name:24} {recipe.steps:6} steps  {recipe.about}{needs}")
        return 0
    if arguments.recipe not in RECIPES:
        parser.error(
            f"unknown recipe {arguments.recipe!r}: see --list" if arguments.recipe else "name a recipe, or --list"
        )
    recipe = RECIPES[arguments.recipe]
    if arguments.threads > 0:
        torch.set_num_threads(arguments.threads)
    try:
        device = torch.device(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"device {arguments.device!r} cannot be used: {str(error).splitlines()[0]}")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            runs = Path(scratch) if arguments.smoke else arguments.runs
            context = Context(arguments.shards, runs, device, arguments.seed, arguments.smoke)
            recipe = smoke(recipe) if arguments.smoke else recipe
            steps = recipe.steps if arguments.steps is None else arguments.steps
            note = f"python -m train {recipe.name} --seed {arguments.seed}"
            done = train(recipe.make(context), runs / recipe.name, steps, minutes=arguments.minutes, note=note)
    except (ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    print(f"{recipe.name}: {done} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
