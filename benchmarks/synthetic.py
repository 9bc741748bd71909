"""A made-up clip that is hard enough to mean something: textured layers that move against each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3) uint8."""


def _texture(rng: np.random.Generator, height: int, width: int, smallest: int) -> npt.NDArray[np.float32]:
    """Sum of octaves of smooth noise, (height, width, 3) in 0..255; finest grain `smallest` pixels."""
    total = np.zeros((height, width, 3), np.float32)
    grain, weight = smallest, 1.0
    while grain <= max(height, width):
        rows, cols = height // grain + 2, width // grain + 2
        nodes = rng.random((rows, cols, 3), dtype=np.float32)
        y, x = np.arange(height) / grain, np.arange(width) / grain
        y0, x0 = y.astype(int), x.astype(int)
        fy, fx = (y - y0)[:, None, None], (x - x0)[None, :, None]
        top = nodes[y0][:, x0] * (1 - fx) + nodes[y0][:, x0 + 1] * fx
        bottom = nodes[y0 + 1][:, x0] * (1 - fx) + nodes[y0 + 1][:, x0 + 1] * fx
        total += (weight * (top * (1 - fy) + bottom * fy)).astype(np.float32)
        grain, weight = grain * 2, weight * 1.4
    low, high = total.min(), total.max()
    return np.asarray((total - low) * (255.0 / max(high - low, 1e-6)), np.float32)


def moving_layers(frames: int, width: int = 176, height: int = 144, *, seed: int = 0, noise: float = 1.5) -> list[Rgb]:
    """A clip of `frames` RGB pictures, the same for the same arguments.

    A panning background, a disc that swings over it, a bar that crosses the picture the other way and a small
    bright square that falls; every layer has a texture of its own. `noise` is the standard deviation of the
    camera noise added to every picture, in 8-bit steps.
    """
    rng = np.random.default_rng(seed)
    margin = 4 * frames + 8
    background = _texture(rng, height + margin, width + margin, 4)
    disc = _texture(rng, height, width, 3)
    bar = _texture(rng, height, width, 2)
    yy, xx = np.mgrid[0:height, 0:width]
    clip: list[Rgb] = []
    for t in range(frames):
        dx, dy = int(round(2.5 * t)) % margin, int(round(1.2 * t)) % margin
        picture = background[dy : dy + height, dx : dx + width].copy()
        cx = width * (0.5 + 0.25 * np.sin(t / 6))
        cy = height * (0.5 + 0.2 * np.cos(t / 9))
        inside = (xx - cx) ** 2 + (yy - cy) ** 2 < (0.22 * min(width, height)) ** 2
        moved = np.roll(disc, (int(round(cy)), int(round(cx))), axis=(0, 1))
        picture[inside] = 0.35 * moved[inside] + 0.65 * moved[inside][:, ::-1]
        left = int(round(width - 3.0 * t)) % (width + width // 5) - width // 5
        stripe = slice(max(left, 0), max(min(left + width // 8, width), 0))
        picture[:, stripe] = np.roll(bar, left, axis=1)[:, stripe]
        top = int(round(1.7 * t + 5)) % height
        side = max(min(width, height) // 10, 2)
        picture[top : top + side, width // 6 : width // 6 + side] = (235, 210, 60)
        if noise:
            picture = picture + rng.normal(0.0, noise, picture.shape).astype(np.float32)
        clip.append(np.clip(picture, 0, 255).astype(np.uint8))
    return clip
