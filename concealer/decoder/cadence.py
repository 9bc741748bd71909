"""Pictures that show the one before once more: content of fewer pictures a second than its stream."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from concealer.decoder.hook import Buffer

_ROWS = 8
"""Luma rows that are kept of a picture to tell it from the next: of all rows the copy would cost 50 times as much."""
_LOOKED_AT = 24
_LEAST = 6
"""Pairs of pictures below which nothing is said."""
_STILL, _SAME = 0.15, 0.02
"""A picture whose mean absolute difference to the one before is below that share of the livelier pictures' repeats it,
coding noise aside; so does one below so much of an 8-bit sample, whatever the others do."""


class Cadence:
    """How often, and after what, pictures of a stream without reordering repeat the one before.

    Films of 24 pictures in streams of 30 or 60, cartoons on twos, shared screens: every second or third picture is a
    repetition, of which the encoder sends next to nothing. Motion that goes on is then the wrong guess.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, bytes, int]] = deque(maxlen=_LOOKED_AT)
        """Place in output order, some rows, and bits a sample."""

    def add(self, order: int, buffer: Buffer) -> None:
        """The next picture in decode order, as it is kept for reference."""
        self._seen.append((order, buffer.rows(_ROWS), buffer.layout.bit_depth))

    def clear(self) -> None:
        self._seen.clear()

    def repeats(self, order: int) -> float:
        """How likely a picture that was lost whole repeats the one before, 0..1: of the times that this long had passed
        since a repetition, the share in which one followed. 0 where little is known, or pictures are reordered."""
        orders = [one[0] for one in self._seen]
        step = min((b - a for a, b in pairwise(orders)), default=0)  # of H.264's counts of pictures two, as a rule
        if step <= 0 or order != orders[-1] + step:
            return 0.0
        changes = self._changes(step)
        known = changes[~np.isnan(changes)]
        if len(known) < _LEAST:
            return 0.0
        still = changes < max(_SAME, _STILL * float(np.percentile(known, 75)))
        share = float(still.sum()) / len(known)
        places = np.flatnonzero(still)
        gap = len(changes) - int(places[-1]) if len(places) else len(changes)
        if np.isnan(changes[-gap:]).any():
            return share  # a picture that was lost since then may have been one
        gaps = np.diff(places)
        return (float((gaps == gap).sum()) + share) / (float((gaps >= gap).sum()) + 1)

    def _changes(self, step: int) -> npt.NDArray[np.float64]:
        """Mean absolute difference of each picture to the one before it in output order, nan where that is missing."""
        changes = []
        for (before, old, depth), (order, new, _) in pairwise(self._seen):
            if order != before + step or not new or len(old) != len(new):
                changes.append(np.nan)
                continue
            dtype = np.uint8 if depth == 8 else np.uint16
            a, b = (np.frombuffer(rows, dtype).astype(np.int32) for rows in (old, new))
            changes.append(float(np.abs(a - b).mean()) / (1 << depth - 8))
        return np.array(changes)
