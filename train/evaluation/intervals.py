"""Which of two systems repairs talking heads better: differences clip by clip, with a confidence interval."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from train import measures
from train.data.batches import Batch, damage
from train.data.masks import random_rectangle
from train.evaluation.catalogue import COMPARED, KINDS_OF_HOLES
from train.evaluation.workbench import CLIP_PICTURES, Workbench
from train.iterative import overlay
from train.systems import System

_DRAWS = 5
"""Draws of holes for each clip, whose mean is the clip's value: chance holes are no reason to prefer a system."""
_RESAMPLES = 10_000


def measure_intervals(bench: Workbench, searches: bool) -> None:
    """Every pair whose systems have weights."""
    if searches:
        return
    pictures = _DRAWS * sum(min(CLIP_PICTURES, len(clip)) for clip in bench.clips.clips)
    for first, second in COMPARED:
        if first in bench.keys and second in bench.keys:
            for kind in KINDS_OF_HOLES:
                make = partial(_compared, bench, bench.system(first), bench.system(second), kind)
                bench.measure(f"intervals-{first}-{second}-{kind}", (first, second), pictures, make)


def interval(differences: npt.ArrayLike, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of independent differences (n,), resampled 10,000 times."""
    values = np.asarray(differences, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _compared(bench: Workbench, first: System, second: System, kind: str) -> dict[str, Any]:
    """First minus second: hole PSNR in dB, and the natural logarithm of the ratio of temporal errors."""
    apart = []
    for number, places in enumerate(bench.clips.clips):
        batch = bench.clips.take(places[:CLIP_PICTURES])
        draws = [[_measured(bench, s, kind, batch, (number, draw)) for s in (first, second)] for draw in range(_DRAWS)]
        of_clip = np.array(draws)  # (draws, 2 systems, 2 measures)
        of_clip[..., 1] = np.log(of_clip[..., 1])
        apart.append((of_clip[:, 0] - of_clip[:, 1]).mean(0))
    quality, steadiness = np.array(apart).T
    return {
        "clips": len(apart),
        "hole PSNR": round(float(quality.mean()), 3),
        "hole PSNR interval": [round(value, 3) for value in interval(quality)],
        "log temporal error": round(float(steadiness.mean()), 4),
        "log temporal error interval": [round(value, 4) for value in interval(steadiness)],
    }


def _measured(bench: Workbench, system: System, kind: str, batch: Batch, seed: tuple[int, int]) -> tuple[float, float]:
    maker = bench.codec if kind == "codec" else random_rectangle
    masks = bench.masks(maker, len(batch.images), 1000 + seed[0] * _DRAWS + seed[1])
    damaged = damage(batch.images, masks)
    maps = bench.structure.sequence_maps(damaged, masks)
    repaired = overlay(system.generate_sequence(damaged, masks, maps), damaged, masks).clamp(-1, 1)
    squared = ((repaired - batch.images).square() * masks).sum() / (3 * masks.sum())
    planes = masks[:, 0].cpu().numpy() > 0.5
    flicker = measures.temporal_error(measures.to_bytes(repaired), measures.to_bytes(batch.images), planes)
    return float(10 * np.log10(4 / float(squared))), flicker
