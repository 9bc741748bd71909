"""Label maps of landmarks as tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from concealer import face_map

_MIRRORED = torch.tensor(face_map.MIRRORED_PARTS)


def label_maps(landmarks: Tensor, size: int, flips: Tensor | None = None) -> Tensor:
    """Classes (N, size, size) int64 of landmarks (N, LANDMARKS, 2); mirrored, left and right exchanged, where `flips`
    (bool) says so."""
    drawn = np.stack([face_map.label(points, size) for points in landmarks.cpu().numpy()])
    labels = torch.from_numpy(drawn).long()
    if flips is not None:
        labels = torch.where(flips[:, None, None], _MIRRORED[labels.flip(-1)], labels)
    return labels
