"""Spreading known values into a hole with a push-pull pyramid (Gortler et al., The Lumigraph, 1996, sec. 3.4)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def spread(values: Array, weight: Array) -> Array:
    """Fill `values` smoothly where `weight` is small, from where it is large.

    values: (h, w) or (h, w, c) float32. weight: (h, w) float32 in 0..1, trust per place. Returns float32 of
    the shape of `values`: known places keep their (slightly smoothed) value, unknown ones get that of the
    nearest known surroundings, coarser the further away they lie. Zero everywhere if nothing is known.

    Raises ValueError on empty input or shapes that do not match.
    """
    if values.size == 0 or values.shape[:2] != weight.shape:
        raise ValueError(f"cannot spread values {values.shape} with weight {weight.shape}")
    flat = values.ndim == 2
    if not flat and values.shape[2] > 4:  # cv2.resize averages areas of at most four channels
        parts = range(0, values.shape[2], 4)
        return np.concatenate([spread(values[..., i : i + 4], weight) for i in parts], axis=2)
    known = np.ascontiguousarray(weight, np.float32)
    total = values[..., None] if flat else values
    total = total * known[..., None]
    levels = [(total, known)]
    # Half of the values' size at each level; the last level is one sample, the mean of all that is known.
    while max(known.shape) > 1:
        size = ((known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2)
        total = _channels(cv2.resize(total, size, interpolation=cv2.INTER_AREA))
        known = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        levels.append((total, known))
    total, known = levels[-1]
    filled = total / np.maximum(known, 1e-6)[..., None]
    for total, known in reversed(levels[:-1]):
        coarse = _channels(
            cv2.resize(filled, (known.shape[1], known.shape[0]), interpolation=cv2.INTER_LINEAR)
        )
        # A quarter of a cell known is enough to trust this level alone.
        trust = np.minimum(known * 4.0, 1.0)[..., None]
        filled = total * (trust / np.maximum(known, 1e-6)[..., None])
        coarse *= 1.0 - trust
        filled += coarse
    return filled[..., 0] if flat else filled


def _channels(image: Array) -> Array:
    """OpenCV drops a last axis of one."""
    return image[..., None] if image.ndim == 2 else image
