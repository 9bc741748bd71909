"""A made-up scene for the demo: a talking head before a panning wall, with something swinging past in front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Image = npt.NDArray[Any]
"""float32, as OpenCV hands them back."""

_PATCH = 360
_SKIN, _HAIR, _LIPS = (214, 164, 136), (66, 44, 32), (168, 78, 78)


def _noise(rng: np.random.Generator, height: int, width: int, grains: tuple[int, ...]) -> Image:
    """Sum of smooth noise of several grain sizes in pixels, (height, width) in -1..1."""
    total = np.zeros((height, width), np.float32)
    for grain in grains:
        nodes = rng.standard_normal((height // grain + 3, width // grain + 3)).astype(np.float32)
        total += cv2.resize(nodes, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(grain**0.5)
    return total / np.float32(np.abs(total).max())


def _wall(rng: np.random.Generator, height: int, width: int) -> Image:
    """Shelves of books: verticals and fine print, the hardest thing to put together again."""
    wall = np.full((height, width, 3), (92, 80, 70), np.float32)
    shelf = height // 3
    for top in range(0, height, shelf):
        left = 0
        while left < width:
            book = int(rng.integers(12, 34))
            tall = int(shelf * rng.uniform(0.68, 0.9))
            colour = rng.uniform(40, 205, 3).astype(np.float32)
            colour += 0.45 * (colour.mean() - colour)
            shade = np.linspace(0.72, 1.08, book, dtype=np.float32)[None, :, None]
            end = min(left + book, width)
            wall[top + shelf - tall : top + shelf - 6, left:end] = (colour * shade)[:, : end - left]
            for line in rng.integers(top + shelf - tall + 6, top + shelf - 14, 3):
                wall[line : line + 2, left + 3 : max(end - 3, left + 3)] += 38
            left += book + 1
        wall[top + shelf - 6 : top + shelf] = (124, 96, 66)
    grain = _noise(rng, height, width, (2, 5, 40))[..., None]
    return (cv2.GaussianBlur(wall, (0, 0), 0.8) + 16 * grain).astype(np.float32)


def _head(skin: Image, t: float) -> tuple[Image, Image]:
    """A face at time `t` in seconds as (patch, patch, 3) colours and (patch, patch, 1) opacity 0..1."""
    c = _PATCH // 2
    colours = np.zeros((_PATCH, _PATCH, 3), np.float32)
    mask = np.zeros((_PATCH, _PATCH), np.float32)
    cv2.ellipse(mask, (c, c + 6), (92, 122), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    cv2.ellipse(mask, (c, c - 28), (95, 104), 0, 180, 360, 1.0, -1, cv2.LINE_AA)
    yy, xx = np.mgrid[0:_PATCH, 0:_PATCH].astype(np.float32)
    light = 1.06 - 0.32 * ((xx - c + 30) / 120) ** 2 - 0.12 * ((yy - c) / 130) ** 2
    colours[:] = np.array(_SKIN, np.float32) * light[..., None] + 9 * skin[..., None]
    hair = np.zeros_like(mask)
    cv2.ellipse(hair, (c, c - 30), (96, 106), 0, 180, 360, 1.0, -1, cv2.LINE_AA)
    cv2.ellipse(hair, (c + 8, c + 2), (84, 82), 0, 180, 360, 0.0, -1, cv2.LINE_AA)
    strands = 1 + 0.35 * np.sin(xx / 2.3 + 4 * skin)
    colours += (np.array(_HAIR, np.float32) * strands[..., None] - colours) * hair[..., None]
    blink = max(0.12, min(1.0, abs(np.sin(1.9 * t)) * 6))
    look = 4 * np.sin(0.9 * t)
    for side in (-38, 38):
        eye = (c + side, c - 14)
        cv2.ellipse(colours, eye, (19, round(11 * blink)), 0, 0, 360, (238, 236, 232), -1, cv2.LINE_AA)
        if blink > 0.4:
            iris = (round(eye[0] + look), eye[1])
            cv2.circle(colours, iris, 8, (74, 104, 128), -1, cv2.LINE_AA)
            cv2.circle(colours, iris, 4, (14, 14, 16), -1, cv2.LINE_AA)
            cv2.circle(colours, (iris[0] + 3, iris[1] - 3), 2, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.ellipse(colours, (eye[0], eye[1] - 20), (24, 7), 0, 190, 350, _HAIR, 5, cv2.LINE_AA)
    cv2.ellipse(colours, (c + 4, c + 26), (12, 24), 12, 20, 150, (176, 122, 98), 4, cv2.LINE_AA)
    mouth = 5 + 11 * abs(np.sin(7.1 * t) * np.sin(2.3 * t))
    cv2.ellipse(colours, (c, c + 68), (34, round(mouth) + 5), 0, 0, 360, _LIPS, -1, cv2.LINE_AA)
    cv2.ellipse(colours, (c, c + 68), (27, round(mouth)), 0, 0, 360, (70, 26, 30), -1, cv2.LINE_AA)
    cv2.rectangle(colours, (c - 20, c + 66 - round(mouth)), (c + 20, c + 68 - round(mouth / 2)), (232, 228, 220), -1)
    return cv2.GaussianBlur(colours, (0, 0), 0.7), mask[..., None]


def _shirt(picture: Image, skin: Image, centre: float, base: float) -> None:
    """Shoulders in a checked shirt, drawn over the lower part of the picture."""
    height, width = picture.shape[:2]
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    inside = (xx - centre) ** 2 / 175**2 + (yy - base - 130) ** 2 / 135**2 < 1
    checks = 22 * np.sign(np.sin((xx - centre) / 6.5)) + 16 * np.sign(np.sin((yy - base) / 6.5))
    cloth = np.array((58, 84, 132), np.float32) + checks[..., None] + 14 * skin[:height, :width, None]
    picture[inside] = cloth[inside]
    neck = (abs(xx - centre) < 38) & (yy > base - 40) & (yy < base + 22)
    picture[neck] = np.array(_SKIN, np.float32) * 0.82


def talking_head(frames: int, width: int = 640, height: int = 360, *, fps: int = 25, seed: int = 3) -> Iterator[Rgb]:
    """`frames` RGB pictures (height, width, 3), the same for the same arguments."""
    rng = np.random.default_rng(seed)
    wall = _wall(rng, height + 40, width + 4 * frames + 40)
    skin = _noise(rng, max(_PATCH, height), max(_PATCH, width), (3, 9, 30))
    leaf = np.array((86, 128, 58), np.float32) + 46 * _noise(rng, height, width, (2, 6, 18))[..., None]
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    for number in range(frames):
        t = number / fps
        shift = np.array([[1, 0, -1.7 * number - 4], [0, 1, -6 - 5 * np.sin(0.8 * t)]], np.float32)
        picture: Image = cv2.warpAffine(wall, shift, (width, height), flags=cv2.INTER_LINEAR)
        x, y = width * 0.5 + 26 * np.sin(1.3 * t), height * 0.47 + 9 * np.sin(2.1 * t)
        _shirt(picture, skin, width * 0.5 + 15 * np.sin(1.3 * t), height * 0.47 + 132)
        colours, opacity = _head(skin[:_PATCH, :_PATCH], t)
        turn = cv2.getRotationMatrix2D((_PATCH / 2, _PATCH / 2), 6 * np.sin(1.7 * t), 0.92)
        turn[:, 2] += (x - _PATCH / 2, y - _PATCH / 2)
        alpha = cv2.warpAffine(opacity, turn, (width, height))[..., None]
        picture += (cv2.warpAffine(colours, turn, (width, height)) - picture) * alpha
        branch = width * (0.86 + 0.05 * np.sin(2.4 * t)) + 18 * np.sin(yy / 23 + 2 * t)
        near: Image = np.clip((26 + 14 * np.sin(yy / 9) - abs(xx - branch)) / 2, 0, 1)[..., None]
        picture += (np.roll(leaf, round(12 * np.sin(2.4 * t)), axis=1) - picture) * near
        yield np.clip(picture + rng.normal(0.0, 1.5, picture.shape), 0, 255).astype(np.uint8)
