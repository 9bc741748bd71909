"""Where a stream's faces are, in squares as in training."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from concealer.face_map import LANDMARKS, LEFT_EYE, MESH_POINTS, RIGHT_EYE
from concealer.picture import Picture
from concealer.repair import Square
from pipelines.generative.faces import FaceLocator


def test_the_square_of_a_face_is_that_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """MediaPipe itself is not asked: what is made of its points is checked."""

    class Mesh:
        def __init__(self, **_: Any) -> None:
            pass

        def process(self, image: Any) -> Any:
            assert image.shape == (200, 300, 3)
            # Both eyes' outlines shrunk to points at (120, 100) and (180, 100).
            half = len(MESH_POINTS)
            points = {index: SimpleNamespace(x=0.5, y=0.5) for index in range(478)}
            for part, x in ((RIGHT_EYE, 0.4), (LEFT_EYE, 0.6)):
                for index in MESH_POINTS[part]:
                    points[index] = SimpleNamespace(x=x, y=0.5)
            assert half == LANDMARKS
            return SimpleNamespace(multi_face_landmarks=[SimpleNamespace(landmark=points)])

    module = ModuleType("mediapipe.python.solutions.face_mesh")
    module.FaceMesh = Mesh  # type: ignore[attr-defined]
    for name in ("mediapipe", "mediapipe.python", "mediapipe.python.solutions"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    planes = (np.full((200, 300), 90, np.uint8), *(np.full((100, 150), 120, np.uint8) for _ in range(2)))
    found = FaceLocator()(Picture(planes, order=3), [Picture(planes, order=2)])
    side = round(60 * 3.6)
    assert found == [Square(round(100 - 0.42 * 216), 150 - side // 2, side)]
