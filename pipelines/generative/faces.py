"""Where faces are, by MediaPipe's Face Mesh (extra `faces`); the only file here that needs it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from concealer.face_map import EYE_LINE, EYE_SHARE, MESH_POINTS, eye_centres
from concealer.picture import Picture
from concealer.repair import Square


class FaceLocator:
    """The square of the largest face, in the nearest reference: the damaged picture may have lost it.

    About 5 ms per damaged picture. Raises ImportError without mediapipe.
    """

    def __init__(self) -> None:
        from mediapipe.python.solutions.face_mesh import FaceMesh

        self._mesh = FaceMesh(static_image_mode=True, max_num_faces=1, min_detection_confidence=0.3)

    def __call__(self, picture: Picture, references: Sequence[Picture]) -> list[Square]:
        """At most one square; none if no face is found."""
        shown = min(references, key=lambda r: abs(r.order - picture.order), default=picture)
        found = self._mesh.process(_rgb(shown)).multi_face_landmarks
        if not found:
            return []
        points = found[0].landmark
        scale = np.array([shown.width, shown.height])
        right, left = eye_centres(np.array([[points[i].x, points[i].y] for i in MESH_POINTS]) * scale)
        side = float(np.linalg.norm(left - right)) * EYE_SHARE
        x, y = (right + left) / 2 - side * np.array([0.5, EYE_LINE])
        return [Square(round(float(y)), round(float(x)), max(16, round(side)))]


def _rgb(picture: Picture) -> npt.NDArray[np.uint8]:
    """(h, w, 3); exact colours do not matter to a face detector."""
    planes = [(plane >> (picture.bit_depth - 8)).astype(np.uint8) for plane in picture.planes]
    if len(planes) == 1:
        return cv2.cvtColor(planes[0], cv2.COLOR_GRAY2RGB).astype(np.uint8)
    size = (picture.width, picture.height)
    chroma = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in planes[1:]]
    return cv2.cvtColor(cv2.merge([planes[0], chroma[1], chroma[0]]), cv2.COLOR_YCrCb2RGB).astype(np.uint8)
