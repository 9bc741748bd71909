"""Dense motion between pictures, carried on to the time of the damaged one.

A flow is (h, w, 2) float32 on a grid of `scale` x `scale` luma samples, in luma samples: what is seen at (x, y)
of the first picture is found at (x + f[0], y + f[1]) of the second.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_STILL_WINDOW = 15
_STILL_SHARE = 0.6
"""To count, motion must lower the local difference of the two pictures to this share of standing still's."""
_STILL_FLOOR = 3.0
"""Mean absolute difference (8-bit scale) up to which standing still explains two pictures: below it, it is noise."""

_STRIDE = 4
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


_searches = threading.local()


def _search(stride: int) -> Any:
    """This thread's searcher: it keeps its buffers, so threads can't share one."""
    if not hasattr(_searches, "by_stride"):
        _searches.by_stride = {}
    if stride not in _searches.by_stride:
        _searches.by_stride[stride] = _new_search(stride)
    return _searches.by_stride[stride]


def _new_search(stride: int) -> Any:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # Finest at half the given resolution: +0.8 dB over the preset's quarter. Dense patches without variational
    # refinement: +0.1 dB over sparse ones with it, in two thirds of the time.
    search.setFinestScale(0)
    search.setPatchStride(stride)
    search.setGradientDescentIterations(8)
    search.setVariationalRefinementIterations(0)
    return search


def dense_flow(first: Array, second: Array, scale: int, stride: int = _STRIDE) -> Array:
    """Flow from `first` to `second` by dense inverse search (Kroeger et al., ECCV 2016).

    first, second: (h, w) uint8, luma already reduced by `scale`. stride: from one 8x8 patch to the next.
    """
    rows, cols = first.shape
    if min(rows, cols) < MIN_SIDE:
        return np.zeros((rows, cols, 2), np.float32)
    flow: Array = _search(stride).calc(first, second, None)
    if scale != 1:
        flow *= scale
    return flow


def stop_still_places(flow: Array, foretold: Array, first: Array, second: Array, scale: int) -> None:
    """Zero `flow` in place where `foretold`, a flow from `first` to `second`, explains them hardly better than standing
    still does: motion is mostly noise there, and carrying noise on does harm where no received sample can speak
    against it."""
    moved = sample(second, foretold, scale)
    window = (_STILL_WINDOW, _STILL_WINDOW)
    still_error = cv2.blur(cv2.absdiff(first, second).astype(np.float32), window)
    moved_error = cv2.blur(cv2.absdiff(first, moved).astype(np.float32), window)
    flow[(moved_error > _STILL_SHARE * still_error) | (still_error < _STILL_FLOOR)] = 0


def sample(field: Array, flow: Array, scale: int) -> Array:
    """`field` (h, w[, c]) on the flow's grid, read at the places that `flow` points to."""
    rows, cols = flow.shape[:2]
    places = cv2.scaleAdd(flow, 1.0 / scale, grid(rows, cols))
    return read_at(field, places)


def read_at(image: Array, places: Array) -> Array:
    """`image` (h, w[, c]) interpolated at `places` (h', w', 2) of x, y; beyond the border its edge goes on.

    Linear: cubic made no difference to the mix of candidates (0.01 dB) at three times the cost.
    """
    remap: Any = cv2.remap  # its type stub does not know that the second map may be None
    return remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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
