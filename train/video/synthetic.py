"""Made-up holes, to try training without clips."""

from __future__ import annotations

import numpy as np

from concealer.repair import AROUND, FIGURES
from train.video.examples import Hole
from train.video.trainer import StreamHoles


def synthetic_streams(count: int, holes: int = 6, seed: int = 0) -> list[StreamHoles]:
    """Streams in which one of three candidates is right in each hole, and its first figure says which."""
    return [_stream(number, holes, np.random.default_rng((seed, number))) for number in range(count)]


def _stream(number: int, holes: int, rng: np.random.Generator) -> StreamHoles:
    size = (12, 14)
    made = []
    for order in range(holes):
        rows, cols = int(rng.integers(4, 8)), int(rng.integers(5, 9))
        place = int(rng.integers(size[0] - rows)), int(rng.integers(size[1] - cols))
        figures = rng.normal(0, 0.3, (3, FIGURES, rows, cols))
        right = int(rng.integers(3))
        figures[:, 0] = (np.arange(3) == right)[:, None, None]
        scale = np.where(np.arange(3) == right, 1.0, 8.0)
        gram = np.einsum("n,m->nm", scale, scale) * np.eye(3)
        samples = np.zeros((rows, cols))
        samples[1:-1, 1:-1] = 64.0
        made.append(
            Hole(
                place,
                order,
                0,
                figures.astype(np.float16),
                rng.normal(0, 0.3, (AROUND, rows, cols)).astype(np.float16),
                rng.normal(0, 0.1, (2, rows, cols)).astype(np.float16),
                np.broadcast_to(gram[..., None, None], (3, 3, rows, cols)).astype(np.float32),
                np.zeros((3, rows, cols), np.float32),
                samples.astype(np.float32),
            )
        )
    return StreamHoles(f"made{number}-h264-slices-0", size, made)
