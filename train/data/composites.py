"""Faces that something hides, and faces that a decoder spoilt: pictures and the truth of what is not the face."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.data.masks import Maker, Mask
from train.data.occluders import Floats, Occluder, hand, thing

KINDS = ("damage", "damage", "hand", "object", "whole")
"""What is done to pictures, each as often."""


def composites(
    images: Tensor, makers: list[Maker], rng: np.random.Generator, kinds: tuple[str, ...] = KINDS
) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S), 1 on what is not the face, of whole pictures.

    Each is spoilt within a mask of `makers` as a decoder does it, hidden by a hand or an object, or left whole.
    """
    shown = (images.cpu().numpy().transpose(0, 2, 3, 1) + 1) / 2
    pictures, masks = [], []
    for picture in shown:
        kind = kinds[int(rng.integers(len(kinds)))]
        mask = np.zeros(picture.shape[:2], bool)
        out = picture
        if kind == "damage":
            mask = makers[int(rng.integers(len(makers)))](len(picture), rng)
            out = spoil(picture, mask, shown[int(rng.integers(len(shown)))], rng)
            mask = mask & (np.abs(out - picture).max(2) > _SEEN)
        elif kind != "whole":
            occluder = (hand if kind == "hand" else thing)(len(picture), rng)
            out, mask = occlude(picture, occluder, rng), occluder.mask
        pictures.append(out)
        masks.append(mask)
    stacked = torch.from_numpy(np.stack(pictures).astype(np.float32).transpose(0, 3, 1, 2)) * 2 - 1
    truth = torch.from_numpy(np.stack(masks)[:, None].astype(np.float32))
    return stacked.contiguous().to(images.device), truth.to(images.device)


_SEEN = 0.02
"""Damage that changes a sample by less than this (of 1) cannot be asked to be seen."""


def occlude(picture: Floats, occluder: Occluder, rng: np.random.Generator) -> Floats:
    """The occluder over a picture (S, S, 3) in [0, 1], lit like it, with a shadow beside it."""
    side = len(picture)
    light = 0.5 + 0.5 * float(picture.mean()) / max(0.2, float(occluder.colour.mean()))
    colour = occluder.colour * np.clip(light, 0.6, 1.4) ** rng.uniform(0, 1)
    shift = rng.uniform(-0.06, 0.06, 2) * side
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    shadow = cv2.warpAffine(occluder.cover, move, (side, side))
    shadow = cv2.GaussianBlur(shadow, (0, 0), side * rng.uniform(0.01, 0.05))[..., None] * rng.uniform(0, 0.5)
    cover = occluder.cover[..., None]
    out = picture * (1 - shadow) * (1 - cover) + colour * cover
    return np.clip(out, 0, 1).astype(np.float32)


def spoil(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> Floats:
    """What a decoder shows within `mask` of a picture (S, S, 3) in [0, 1] instead of it; `other`: a picture before."""
    fill = _FILLS[int(rng.integers(len(_FILLS)))]
    return np.where(mask[..., None], fill(picture, mask, other, rng), picture).astype(np.float32)


Fill = Callable[[Floats, Mask, Floats, np.random.Generator], npt.NDArray[np.floating]]


def _grey(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """Nothing decoded: grey, black, or the green of all zeros."""
    colour = ((0.5, 0.5, 0.5), (0.06, 0.06, 0.06), (0.0, 0.53, 0.0))[int(rng.integers(3))]
    return np.broadcast_to(np.array(colour, np.float32), picture.shape)


def _stale(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """Copied from a picture before a scene cut."""
    return other


def _moved(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """Copied with wrong motion."""
    far = (rng.uniform(0.08, 0.4, 2) * len(picture) * rng.choice([-1, 1], 2)).astype(int)
    return np.roll(picture, (int(far[0]), int(far[1])), (0, 1))


def _smeared(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """The row above drawn down, as intra prediction does without its residual."""
    rows = np.where(mask.any(1), -1, np.arange(len(mask)))
    above = np.maximum.accumulate(rows)
    return picture[np.where(above < 0, 0, above)]


def _blocks(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """Garbled coefficients: every block of 4 to 8 pixels a few random cosines on a random level."""
    side, block = len(picture), int(rng.choice([4, 8]))
    count = side // block
    levels = rng.normal(0.5, rng.uniform(0.1, 0.3), (count, count, 3))
    phase = (np.arange(side) % block + 0.5) / block * np.pi
    waves = rng.normal(0, rng.uniform(0.02, 0.2), (2, count, count, 3)).repeat(block, 1).repeat(block, 2)
    order = rng.integers(1, 4, 2)
    out = levels.repeat(block, 0).repeat(block, 1)
    out = out + waves[0] * np.cos(order[0] * phase)[None, :, None] + waves[1] * np.cos(order[1] * phase)[:, None, None]
    return np.clip(out, 0, 1)


def _coarse(picture: Floats, mask: Mask, other: Floats, rng: np.random.Generator) -> npt.NDArray[np.floating]:
    """Only the level of every block arrived, and that a little wrong."""
    side, block = len(picture), int(rng.choice([4, 8]))
    small = cv2.resize(picture, (side // block, side // block), interpolation=cv2.INTER_AREA)
    small = small + rng.normal(0, 0.08, small.shape)
    return np.clip(small.repeat(block, 0).repeat(block, 1), 0, 1)


_FILLS: tuple[Fill, ...] = (_grey, _stale, _moved, _smeared, _blocks, _coarse)
