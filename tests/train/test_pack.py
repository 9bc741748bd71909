"""Packing real faces; needs MediaPipe, which lives in an environment of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from concealer.networks import semantic_map
from train.data.stills import read_stills

pytest.importorskip("mediapipe", reason="the faces extra needs an environment of its own")


def test_landmarks_of_aligned_faces(shared_data: Path) -> None:
    """Eyes lie where the crops were aligned, whatever the resolution."""
    from train.data.face_mesh import FaceMesh

    stills = list(read_stills(shared_data / "eval_video", 64))[::10]
    with FaceMesh() as find:
        found = [points for still in stills if (points := find(still.image)) is not None]
    assert len(found) >= 0.9 * len(stills)
    right, left = semantic_map.eye_centres(np.stack(found))
    assert (right[:, 0] < left[:, 0]).all()  # the right eye is on the picture's left
    assert np.abs((right + left)[:, 0] / 2 - 0.5).max() < 0.05
    assert np.abs((right + left)[:, 1] / 2 - 0.42).max() < 0.08
