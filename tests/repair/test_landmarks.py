"""Landmarks from picture to picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from concealer.face_map import LANDMARKS
from concealer.repair import LandmarkStructure, Square
from concealer.repair.landmarks import HIDDEN, SEEN, Array, follow, settle, visible

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


def test_a_sequence_is_followed_as_its_pictures_are() -> None:
    rng = np.random.default_rng(5)
    found = rng.uniform(0.1, 0.9, (6, POINTS, 2)).astype(np.float32)
    masks = (rng.random((6, 1, 16, 16)) < 0.5).astype(np.float32)
    state = NOTHING
    for here, seen, together in zip(found, visible(found, masks), follow(found, masks), strict=True):
        state = settle(here, seen, *state)
        assert np.allclose(state[0], together, atol=1e-6)


@dataclass(frozen=True)
class Port:
    name: str
    shape: tuple[int, ...]


class Finder:
    """Finds a circle of landmarks, `at` to the right of the middle."""

    inputs = (Port("damaged", (3, 32, 32)), Port("mask", (1, 32, 32)))
    at = 0.0

    def run(self, batch: Mapping[str, Array], /) -> Mapping[str, Array]:
        count = len(batch["mask"])
        assert batch["damaged"].shape == (count, 3, 32, 32)
        assert not (batch["damaged"] * batch["mask"]).any()
        angle = np.linspace(0, 6.2, LANDMARKS)
        points = [0.5 + self.at, 0.5] + 0.3 * np.stack([np.cos(angle), np.sin(angle)], 1)
        return {"landmarks": np.stack(count * [points]).astype(np.float32)}


def test_structure_is_drawn_from_landmarks() -> None:
    pictures = np.full((2, 3, 64, 64), 0.5, np.float32)
    masks = np.zeros((2, 1, 64, 64), np.float32)
    masks[:, :, 10:21] = 1
    squares = [Square(0, 0, 64), Square(0, 200, 64)]
    maps, usable = LandmarkStructure(Finder())(pictures, masks, squares, 0)
    assert maps.shape == (2, 3, 64, 64) and usable.all()
    assert maps.min() == -1.0 and maps.max() > 0


def test_hidden_structure_is_that_of_the_picture_before_until_the_scene_ends() -> None:
    finder, square = Finder(), [Square(0, 0, 64)]
    structure = LandmarkStructure(finder)
    picture, whole = np.full((1, 3, 64, 64), 0.5, np.float32), np.zeros((1, 1, 64, 64), np.float32)
    before = structure(picture, whole, square, 0)[0]
    finder.at = 0.2  # what is guessed of a face that cannot be seen
    hidden = structure(picture * 0, whole + 1, square, 1)[0]
    elsewhere = structure(picture * 0, whole + 1, [Square(0, 200, 64)], 1)[0]
    assert np.abs(hidden - before).mean() < 0.5 * np.abs(elsewhere - before).mean()
    structure.forget()
    assert (structure(picture * 0, whole + 1, square, 2)[0] == elsewhere).all()
