"""The masks of the papers: bool arrays (size, size), True on missing pixels.

Each takes the side of the picture and a generator of random numbers; those that draw nothing leave it alone. Holes
as a codec makes them are in `codec_masks`.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Maker = Callable[[int, np.random.Generator], Mask]


def central(size: int, rng: np.random.Generator) -> Mask:
    """The central block of half the side: 25 % (Yeh et al. 2017, section 4.1)."""
    mask = np.zeros((size, size), bool)
    mask[size // 4 : size - size // 4, size // 4 : size - size // 4] = True
    return mask


def random_block(size: int, rng: np.random.Generator) -> Mask:
    """A block of half the side anywhere (Lahiri et al. 2020, section 6.3: 32x32 of 64x64)."""
    return block(size, rng, size // 2, size // 2)


def random_rectangle(size: int, rng: np.random.Generator) -> Mask:
    """A rectangle with sides of 0.35 to 0.5 of the picture's (Lahiri et al. 2020, section 6.4)."""
    height, width = rng.integers(round(0.35 * size), round(0.5 * size) + 1, 2)
    return block(size, rng, int(height), int(width))


def random_central(size: int, rng: np.random.Generator) -> Mask:
    """A central block of 50-70 % of the picture (Lahiri et al. 2017, section 5.4)."""
    side = round(size * float(np.sqrt(rng.uniform(0.5, 0.7))))
    start = (size - side) // 2
    mask = np.zeros((size, size), bool)
    mask[start : start + side, start : start + side] = True
    return mask


def checkerboard(size: int, rng: np.random.Generator) -> Mask:
    """Every other square of an 8x8 board (Lahiri et al. 2017, figure 6)."""
    rows, cols = np.indices((size, size)) // (size // 8)
    return ((rows + cols) % 2).astype(bool)


def left(size: int, rng: np.random.Generator) -> Mask:
    """The left half."""
    mask = np.zeros((size, size), bool)
    mask[:, : size // 2] = True
    return mask


def half(size: int, rng: np.random.Generator) -> Mask:
    """One half, horizontal or vertical (Yeh et al. 2017, section 4.1)."""
    mask = np.zeros((size, size), bool)
    start = int(rng.integers(2)) * (size // 2)
    mask[start : start + size // 2] = True
    return mask if rng.integers(2) else mask.T.copy()


def freehand(size: int, rng: np.random.Generator, share: float = 0.25) -> Mask:
    """Three brush strokes, thickened until `share` of the picture is covered (Lahiri et al. 2017, section 5.4)."""
    return _strokes(size, rng, 3, share)


def pattern(size: int, rng: np.random.Generator) -> Mask:
    """A blotchy pattern over a quarter of the picture (Pathak et al. 2016; Yeh et al. 2017, section 4.1)."""
    noise = cv2.GaussianBlur(rng.standard_normal((size, size)), (0, 0), size / 24)
    return noise > np.quantile(noise, 0.75)


def random_pixels(size: int, rng: np.random.Generator) -> Mask:
    """80 % of all pixels, independently (Yeh et al. 2017, section 4.1)."""
    return rng.random((size, size)) < 0.8


def ratio_10(size: int, rng: np.random.Generator) -> Mask:
    """A square over 10 % of the picture (Lahiri et al. 2020, table 1)."""
    return block(size, rng, *(2 * [round(size * 0.1**0.5)]))


def ratio_40(size: int, rng: np.random.Generator) -> Mask:
    """A square over 40 % of the picture (Lahiri et al. 2020, table 1)."""
    return block(size, rng, *(2 * [round(size * 0.4**0.5)]))


def block(size: int, rng: np.random.Generator, height: int, width: int) -> Mask:
    """A rectangle of this size anywhere."""
    top, start = int(rng.integers(size - height + 1)), int(rng.integers(size - width + 1))
    mask = np.zeros((size, size), bool)
    mask[top : top + height, start : start + width] = True
    return mask


MASKS: dict[str, Maker] = {
    "central": central,
    "random block": random_block,
    "random rectangle": random_rectangle,
    "random central": random_central,
    "checkerboard": checkerboard,
    "left": left,
    "half": half,
    "freehand": freehand,
    "pattern": pattern,
    "random pixels": random_pixels,
    "10 %": ratio_10,
    "40 %": ratio_40,
}
"""By the names the tables use."""


def _strokes(size: int, rng: np.random.Generator, count: int, share: float) -> Mask:
    """`count` random walks; of the pixels nearest to them, `share` of the picture."""
    canvas = np.ones((256, 256), np.uint8)
    for _ in range(count):
        turns = np.cumsum(rng.normal(0, 0.5, 12)) + rng.uniform(0, 2 * np.pi)
        steps = rng.uniform(15, 40, (12, 1)) * np.stack([np.cos(turns), np.sin(turns)], 1)
        walk = np.clip(rng.uniform(32, 224, 2) + np.cumsum(steps, 0), 8, 248).astype(np.int32)
        cv2.polylines(canvas, [walk[:, None]], False, (0,), 3)
    away = cv2.distanceTransform(canvas, cv2.DIST_L2, 5)
    away = cv2.resize(away, (size, size), interpolation=cv2.INTER_AREA)
    # Ties (the strokes themselves lie at 0) are broken by place, so that the share is met exactly.
    rank = np.empty(size * size, np.int64)
    rank[np.argsort(away, axis=None, kind="stable")] = np.arange(size * size)
    return (rank < round(share * size * size)).reshape(size, size)
