"""Label maps of landmarks as tensors, and the split of the stills that keeps the map predictor's pictures apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from concealer import face_map
from train.data.shards import FaceSet

OWN_ARCHIVES = ("faces_pixabay", "faces_ccby_webmorph")
"""Archives that only the map predictor is trained on: nobody in them is in the others, which are all official
portraits. The same person's portraits lie in several of those, so that a split by file would share people."""
_MIRRORED = torch.tensor(face_map.MIRRORED_PARTS)


def label_maps(landmarks: Tensor, size: int, flips: Tensor | None = None) -> Tensor:
    """Classes (N, size, size) int64 of landmarks (N, LANDMARKS, 2); mirrored, left and right exchanged, where `flips`
    (bool) says so."""
    drawn = np.stack([face_map.label(points, size) for points in landmarks.cpu().numpy()])
    labels = torch.from_numpy(drawn).long()
    if flips is not None:
        labels = torch.where(flips[:, None, None], _MIRRORED[labels.flip(-1)], labels)
    return labels


def split(faces: FaceSet, own: bool) -> FaceSet:
    """The stills of the map predictor's own archives, or of all others. Raises ValueError if there are none."""
    chosen = [n for n, name in enumerate(faces.names) if name.startswith(OWN_ARCHIVES) == own]
    if not chosen:
        raise ValueError(f"{faces} has no pictures {'of' if own else 'but those of'} {', '.join(OWN_ARCHIVES)}")
    places = np.concatenate([np.arange(faces.starts[n], faces.starts[n + 1]) for n in chosen])
    lengths = [int(faces.starts[n + 1] - faces.starts[n]) for n in chosen]
    return FaceSet(
        faces.images[places],
        faces.landmarks[places],
        tuple(faces.names[n] for n in chosen),
        np.cumsum([0, *lengths]).astype(np.int64),
        tuple(faces.licences[n] for n in chosen),
    )
