"""The semantic map and its landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from concealer import face_map
from concealer.face_map import LANDMARKS, REGIONS


def _face() -> np.ndarray:
    """Outlines as ellipses where a face has them."""
    places = {
        "skin": (0.5, 0.5, 0.4, 0.45),
        "right brow": (0.35, 0.33, 0.1, 0.02),
        "left brow": (0.65, 0.33, 0.1, 0.02),
        "right eye": (0.35, 0.42, 0.08, 0.04),
        "left eye": (0.65, 0.42, 0.08, 0.04),
        "nose": (0.5, 0.55, 0.06, 0.12),
        "lips": (0.5, 0.75, 0.14, 0.06),
        "mouth": (0.5, 0.75, 0.1, 0.02),
    }
    rows = []
    for region in REGIONS:
        x, y, a, b = places[region.name]
        angle = np.linspace(0, 2 * np.pi, len(region.mesh), endpoint=False)
        rows.append(np.stack([x + a * np.cos(angle), y + b * np.sin(angle)], 1))
    return np.concatenate(rows).astype(np.float32)


def test_every_region_shows_its_colour_in_its_place() -> None:
    image = face_map.draw(_face(), 128)
    for name, (x, y) in {
        "skin": (0.5, 0.2),
        "nose": (0.5, 0.55),
        "mouth": (0.5, 0.75),
        "left eye": (0.65, 0.42),
    }.items():
        region = next(r for r in REGIONS if r.name == name)
        assert tuple(image[int(y * 128), int(x * 128)]) == region.colour
    assert not image[0, 0].any()


def test_map_follows_the_landmarks_at_every_size() -> None:
    small, large = (face_map.draw(_face(), size).astype(float) for size in (64, 256))
    shrunk = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(shrunk - small).mean() < 8
    moved = face_map.draw(_face() + np.float32([8 / 64, 0]), 64).astype(float)
    assert np.abs(moved[:, 8:] - small[:, :-8]).mean() < 1


def test_landmarks_outside_the_crop_do_no_harm() -> None:
    assert face_map.draw(_face() * 50 - 20, 64).shape == (64, 64, 3)
    with pytest.raises(ValueError, match="landmarks must be"):
        face_map.draw(np.zeros((3, 2)), 64)


def test_relative_error_is_a_share_of_the_inter_ocular_distance() -> None:
    face = _face()
    error = face_map.relative_error(face + np.float32([0.03, 0]), face)
    assert error.shape == (LANDMARKS,)
    assert np.allclose(error, 0.1, atol=1e-3)  # the eyes lie 0.3 apart
