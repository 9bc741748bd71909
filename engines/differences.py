"""How far two backends may differ, and inputs to find it out on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engines.tensors import Array, TensorSpec

LIMITS = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 2e-2}
"""Largest relative difference to PyTorch in float32, by what is computed in."""


def relative_difference(ours: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """Largest absolute difference over the largest absolute value, the greatest over all outputs.

    Infinite if an output is missing or not finite.
    """
    worst = 0.0
    for name, truth in reference.items():
        made = ours.get(name)
        if made is None or made.shape != truth.shape or not np.isfinite(made).all():
            return float("inf")
        worst = max(worst, float(np.abs(made - truth).max() / max(float(np.abs(truth).max()), 1e-6)))
    return worst


def made_up_batch(inputs: Sequence[TensorSpec], count: int, seed: int = 0) -> dict[str, Array]:
    """Seeded inputs within their ranges: pictures smooth in [-1, 1] with a hole, masks 0 and 1, the rest noise."""
    rng = np.random.default_rng(seed)
    batch: dict[str, Array] = {}
    for spec in inputs:
        shape = (count, *spec.shape)
        if spec.name == "mask":
            mask = np.zeros(shape, np.float32)
            height = spec.shape[-2]
            for row in mask:
                top = int(rng.integers(0, height - height // 4))
                row[:, top : top + height // 4] = 1  # a lost slice
            batch[spec.name] = mask
        elif spec.name == "switch":
            batch[spec.name] = (rng.random(shape) > 0.3).astype(np.float32)
        elif spec.name == "keypoints":
            batch[spec.name] = rng.random(shape, np.float32)
        elif len(spec.shape) == 3:
            batch[spec.name] = _smooth(rng, shape)
        else:
            batch[spec.name] = rng.uniform(-1, 1, shape).astype(np.float32)
    if "damaged" in batch and "mask" in batch:
        batch["damaged"] *= 1 - batch["mask"]
    return batch


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Sums of a few waves, (n, c, h, w) within [-1, 1]."""
    count, channels, height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    out = np.zeros(shape, np.float32)
    for _ in range(4):
        turns = rng.uniform(-4, 4, (count, channels, 2, 1, 1)).astype(np.float32)
        phase = rng.uniform(0, 2 * np.pi, (count, channels, 1, 1)).astype(np.float32)
        out += np.sin(2 * np.pi * (turns[:, :, 0] * y / height + turns[:, :, 1] * x / width) + phase) / 4
    return out
