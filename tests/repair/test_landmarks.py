"""Landmarks from picture to picture."""

from __future__ import annotations

import numpy as np

from concealer.repair.landmarks import HIDDEN, SEEN, settle, visible

POINTS = 40
NOTHING = np.zeros((POINTS, 2)), np.zeros(POINTS)


def _face(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.8, (POINTS, 2))


def test_the_first_picture_is_what_was_found() -> None:
    seen = np.arange(POINTS) < 10
    points, variance = settle(_face(), seen, *NOTHING)
    assert (points == _face()).all()
    assert (variance == np.where(seen, SEEN, HIDDEN)).all()


def test_hidden_landmarks_go_along_with_the_visible_ones() -> None:
    face, shift = _face(), np.array([0.05, -0.03])
    before = settle(face, np.ones(POINTS, bool), *NOTHING)
    seen = np.arange(POINTS) < 20
    found = np.where(seen[:, None], face + shift, _face(1))  # what is guessed has nothing to do with the face
    points, _ = settle(found, seen, *before)
    guessed, kept = (np.abs(one - face - shift)[~seen].mean() for one in (found, points))
    assert kept < 0.2 * guessed
    assert np.abs(points - face - shift)[seen].max() < 1e-9


def test_nothing_visible_leaves_the_map_of_the_picture_before() -> None:
    face = _face()
    points, variance = settle(face, np.ones(POINTS, bool), *NOTHING)
    for _ in range(3):
        points, variance = settle(_face(1), np.zeros(POINTS, bool), points, variance)
    assert np.abs(points - face).mean() < 0.4 * np.abs(_face(1) - face).mean()
    assert (variance > SEEN).all()  # and it is known to be less sure


def test_noise_is_averaged_over_pictures() -> None:
    rng, face, state = np.random.default_rng(0), _face(), NOTHING
    for _ in range(20):
        found = face + rng.normal(0, 0.01, face.shape)
        state = settle(found, np.ones(POINTS, bool), *state)
    assert np.abs(state[0] - face).mean() < 0.8 * np.abs(found - face).mean()


def test_what_is_visible() -> None:
    masks = np.zeros((1, 1, 64, 64), np.float32)
    masks[..., :32] = 1
    points = np.array([[[0.25, 0.5], [0.75, 0.5], [1.2, 0.5], [0.49, 0.1], [0.51, 0.1]]])
    assert visible(points, masks).tolist() == [[False, True, False, False, True]]
