"""The split of the stills that keeps the map predictor's pictures apart from all others."""

from __future__ import annotations

import numpy as np

from train.data.shards import FaceSet

OWN_ARCHIVES = ("faces_pixabay", "faces_ccby_webmorph")
"""Archives that only the map predictor is trained on: nobody in them is in the others, which are all official
portraits. The same person's portraits lie in several of those, so that a split by file would share people."""


def is_own(name: str) -> bool:
    """Whether a still of this name belongs to the map predictor."""
    return name.startswith(OWN_ARCHIVES)


def split(faces: FaceSet, own: bool) -> FaceSet:
    """The stills of the map predictor's own archives, or of all others. Raises ValueError if there are none."""
    chosen = [n for n, name in enumerate(faces.names) if is_own(name) == own]
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
