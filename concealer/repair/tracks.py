"""What a recurrent network remembers of each place it has repaired, from picture to picture in decode order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from concealer.flow import Array
from concealer.repair.crops import Square

SAME_PLACE = 0.5
"""Least intersection over union of two squares that show the same thing."""

LONGEST_PAUSE = 8
"""Pictures in output order after which a state says nothing any more."""

MOST = 64


@dataclass
class _Track:
    square: Square
    order: int
    state: dict[str, Array]


class Tracks:
    """States by place. names: the network's state inputs, each with its shape without the batch axis."""

    def __init__(self, names: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(names)
        self._tracks: list[_Track] = []

    def __len__(self) -> int:
        return len(self._tracks)

    def forget(self) -> None:
        """Another scene begins."""
        self._tracks.clear()

    def recall(self, squares: Sequence[Square], order: int) -> dict[str, Array]:
        """States (n, ...) of these squares, zeros where nothing is remembered."""
        states = {name: np.zeros((len(squares), *shape), np.float32) for name, shape in self._shapes.items()}
        self._tracks = [track for track in self._tracks if abs(order - track.order) <= LONGEST_PAUSE]
        for index, square in enumerate(squares):
            nearest = self._at(square)
            if nearest is not None:
                for name, array in states.items():
                    array[index] = nearest.state[name]
        return states

    def remember(self, squares: Sequence[Square], order: int, states: Mapping[str, Array]) -> None:
        """Keep the states (n, ...) that follow, by state input name, for the next picture."""
        for index, square in enumerate(squares):
            known = self._at(square)
            if known is not None:
                self._tracks.remove(known)
            self._tracks.append(_Track(square, order, {name: array[index] for name, array in states.items()}))
        del self._tracks[:-MOST]

    def _at(self, square: Square) -> _Track | None:
        best = max(self._tracks, key=lambda track: square.overlap(track.square), default=None)
        return best if best is not None and square.overlap(best.square) >= SAME_PLACE else None
