"""Milliseconds a picture, one picture at a time."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch

from train.data.batches import damage
from train.data.masks import MASKS
from train.evaluation.workbench import Workbench


def measure_speed(bench: Workbench, searches: bool) -> None:
    for key, _ in bench.systems(searches):
        bench.measure(f"speed-{key}", key, 1, partial(_speed, bench, key))


def _speed(bench: Workbench, key: str) -> dict[str, Any]:
    """The map from the damaged picture included where one is used."""
    system = bench.system(key)
    batch = bench.take(1)
    masks = bench.masks(MASKS["central"], 1)
    damaged = damage(batch.images, masks)

    def once() -> float:
        _wait(bench.settings.device)
        started = time.perf_counter()
        maps = bench.structure.maps(damaged, masks) if system.structured else batch.structure
        system.generate(damaged, masks, maps)
        _wait(bench.settings.device)
        return (time.perf_counter() - started) * 1000

    runs = 1 if system.searches else 50
    if not system.searches:
        for _ in range(5):
            once()
    return {"ms": round(float(np.median([once() for _ in range(runs)])), 3), "runs": runs}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
