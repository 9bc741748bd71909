"""Blocks that the zoo's occlusion detector marks in a picture."""

from __future__ import annotations

import numpy as np

from benchmarks.blind_cue import occluded
from benchmarks.synthetic import moving_layers
from concealer.damage import BLOCK
from concealer.repair import Square

WIDTH, HEIGHT = 176, 144


def planes() -> tuple[np.ndarray, ...]:
    luma = moving_layers(1, WIDTH, HEIGHT)[0].mean(2).astype(np.uint8)
    return luma, *(np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8) for _ in range(2))


def test_only_whole_blocks_in_the_square_are_judged() -> None:
    face, marked = occluded(planes(), Square(top=20, left=-30, side=100))
    rows, cols = np.nonzero(face)
    assert face.shape == (HEIGHT // BLOCK, WIDTH // BLOCK)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (2, 6, 0, 3)
    assert face[2:7, :4].all() and not (marked & ~face).any()


def test_what_is_marked_follows_the_picture_and_the_square() -> None:
    grey = tuple(np.full_like(plane, 128) for plane in planes())
    inside = Square(top=0, left=0, side=128)
    _, of_layers = occluded(planes(), inside)
    _, of_grey = occluded(grey, inside)
    assert (of_layers != of_grey).any()
