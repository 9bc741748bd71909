"""Class labels that can be had honestly: how the head is turned and whether the mouth is open, from landmarks.

No set at hand says what a picture shows beyond that it is a face. These six classes are measured on the clean
picture; a predictor has to find them in the damaged one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from concealer.face_map import MESH_POINTS, eye_centres

CLASSES = ("left, closed", "left, open", "front, closed", "front, open", "right, closed", "right, open")
"""Side of the picture that the head looks to, and mouth."""
_TURNED = 0.06
"""Offset of the nose from the middle of the eyes, along the line between them, in inter-ocular distances."""
_OPEN = 0.05
"""Gap between the lips in inter-ocular distances."""
_NOSE = MESH_POINTS.index(2)
_UPPER, _LOWER = MESH_POINTS.index(13), MESH_POINTS.index(14)


def labels_of(landmarks: Tensor) -> Tensor:
    """Classes (N,) int64 of landmarks (N, LANDMARKS, 2)."""
    right, left = (torch.from_numpy(part) for part in eye_centres(landmarks.numpy()))
    axis = left - right
    between = axis.norm(dim=1).clamp(min=1e-6)
    middle = (right + left) / 2
    along = ((landmarks[:, _NOSE] - middle) * axis).sum(1) / between.square()
    turn = 1 + (along > _TURNED).long() - (along < -_TURNED).long()
    gap = (landmarks[:, _LOWER] - landmarks[:, _UPPER]).norm(dim=1) / between
    return turn * 2 + (gap > _OPEN).long()


def mirrored(labels: Tensor) -> Tensor:
    """Classes of the mirrored pictures."""
    return (2 - labels // 2) * 2 + labels % 2
