"""Landmarks by MediaPipe's Face Mesh 0.10.21, which carries its models. The only file that needs MediaPipe."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.face_map import MESH_POINTS

_LEAST = 256
"""Smaller pictures are enlarged to this before they are searched."""


class FaceMesh:
    """Finds the landmarks of the largest face. Use as a context."""

    def __init__(self, video: bool = False) -> None:
        """`video`: pictures come in order, and the face is tracked. Raises ImportError without mediapipe."""
        from mediapipe.python.solutions.face_mesh import FaceMesh as Mesh

        self._mesh: Any = Mesh(
            static_image_mode=not video, max_num_faces=1, min_detection_confidence=0.3, min_tracking_confidence=0.5
        )

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
        """(LANDMARKS, 2) x and y in [0, 1] of `image` (H, W, 3) RGB, or None if no face is found."""
        scale = _LEAST / min(image.shape[:2])
        if scale > 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        faces = self._mesh.process(np.ascontiguousarray(image)).multi_face_landmarks
        if not faces:
            return None
        points = faces[0].landmark
        return np.array([[points[i].x, points[i].y] for i in MESH_POINTS], np.float32)

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mesh.close()
