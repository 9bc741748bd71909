"""Dense motion between pictures, carried on to the time of the damaged one.

A flow is (h, w, 2) float32 on a grid of `scale` x `scale` luma samples, in luma samples: what is seen at (x, y)
of the first picture is found at (x + f[0], y + f[1]) of the second.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.repair.spread import spread

Array = npt.NDArray[Any]

MIN_SIDE = 16
"""Dense inverse search needs patches of 8 samples on its coarse levels; smaller images get zero flow."""


@lru_cache(maxsize=8)
def grid(rows: int, cols: int) -> Array:
    """(rows, cols, 2) float32 of x, y; read-only, shared."""
    out = np.empty((rows, cols, 2), np.float32)
    out[..., 0] = np.arange(cols, dtype=np.float32)
    out[..., 1] = np.arange(rows, dtype=np.float32)[:, None]
    out.setflags(write=False)
    return out


@lru_cache(maxsize=4)
def _search(preset: int) -> Any:
    return cv2.DISOpticalFlow_create(preset)


def dense_flow(first: Array, second: Array, scale: int, fine: bool) -> Array:
    """Flow from `first` to `second` by dense inverse search (Kroeger et al., ECCV 2016).

    first, second: (h, w) uint8, luma already reduced by `scale`. fine: take the slower preset.
    """
    rows, cols = first.shape
    if min(rows, cols) < MIN_SIDE:
        return np.zeros((rows, cols, 2), np.float32)
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if fine else cv2.DISOPTICAL_FLOW_PRESET_FAST
    flow: Array = _search(preset).calc(first, second, None)
    if scale != 1:
        flow *= scale
    return flow


def sample(field: Array, flow: Array, scale: int) -> Array:
    """`field` (h, w[, c]) on the flow's grid, read at the places that `flow` points to."""
    rows, cols = flow.shape[:2]
    places = grid(rows, cols) + flow * np.float32(1.0 / scale)
    return cv2.remap(field, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def extrapolate(back: Array, ratio: float, scale: int) -> Array:
    """Flow from the damaged picture to the past reference, motion continued.

    back: flow from that reference to an older one. ratio: (now - reference) / (reference - older) in time.
    The flow is read where the content was, one fixed-point step.
    """
    guess = back * np.float32(ratio)
    return sample(back, guess, scale) * np.float32(ratio)


def interpolate(across: Array, share: float, scale: int) -> tuple[Array, Array]:
    """Flows from the damaged picture to the past and to the future reference.

    across: flow from the past to the future reference. share: (now - past) / (future - past), in 0..1.
    """
    at_now = across
    for _ in range(2):
        at_now = sample(across, at_now * np.float32(-share), scale)
    return at_now * np.float32(-share), at_now * np.float32(1.0 - share)


def fill(flow: Array, weight: Array) -> Array:
    """Flow of the trusted places spread into the others; weight: (h, w) float32 0..1."""
    return spread(flow, weight)
