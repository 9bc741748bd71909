"""Holes on disk: one file for each stream, plain arrays, nothing that runs when it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from train.video.examples import Hole

_ARRAYS = tuple(one.name for one in fields(Hole) if one.name not in ("place", "order", "scene"))
MOST_BYTES = 60 << 20


def write(path: Path, holes: Sequence[Hole], size: tuple[int, int]) -> None:
    """size: (rows, cols) of the picture in cells. What would make the file greater than `MOST_BYTES` is left out."""
    arrays = {"size": np.array(size), "heads": np.zeros((0, 4), np.int64)}
    heads, total = [], 0
    for number, hole in enumerate(holes):
        total += sum(getattr(hole, name).nbytes for name in _ARRAYS)
        if total > MOST_BYTES:
            break
        heads.append((*hole.place, hole.order, hole.scene))
        arrays |= {f"{name}/{number}": getattr(hole, name) for name in _ARRAYS}
    if heads:
        arrays["heads"] = np.array(heads, np.int64)
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def read(path: Path) -> tuple[list[Hole], tuple[int, int]]:
    """What `write` wrote. Raises ValueError for another file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            holes = [
                Hole((int(top), int(left)), int(order), int(scene), *(stored[f"{name}/{index}"] for name in _ARRAYS))
                for index, (top, left, order, scene) in enumerate(stored["heads"])
            ]
            rows, cols = (int(side) for side in stored["size"])
    except (KeyError, OSError) as error:
        raise ValueError(f"{path.name} holds no holes: {error}") from error
    return holes, (rows, cols)
