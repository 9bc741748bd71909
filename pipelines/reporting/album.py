"""The worst pictures, before and after, as they pass by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av

from pipelines.presenting import ShownPicture
from pipelines.report import picture_text
from pipelines.reporting.pictures import Outline, difference, in_blocks, outlines, thumbnail
from pipelines.reporting.sight import Sight, sight_of

MOST = 20
_WINDOW = 1.0
"""Seconds of which one picture stands for the others, as long as there are enough such windows."""


@dataclass(frozen=True)
class Plate:
    """One picture of the album."""

    error: float
    """Mean squared error (8-bit scale) of the picture as a plain decoder shows it, as it is expected."""
    sight: Sight
    before: bytes | None
    """JPEG of what a plain decoder shows then; None: nothing yet."""
    after: bytes | None
    """JPEG of what is shown now; None: nothing was repaired."""
    outlines: list[Outline]
    blocks: tuple[float, float]
    """Width and height of the picture in blocks."""
    aspect: float


class Album:
    """Keeps the worst picture of each second, and others with a hole of their own: `MOST` at most.

    What is predicted from damage looks much the same from one picture to the next.
    """

    def __init__(self, repairs: bool, aspects: Mapping[int, Fraction]) -> None:
        """repairs: False keeps no picture after. aspects: shown width by height of a sample, by stream."""
        self._repairs, self._aspects = repairs, aspects
        self._first: dict[tuple[int, int], Plate] = {}
        """The worst picture of a window."""
        self._others: list[Plate] = []

    def look(self, stream: int, shown: ShownPicture, before: av.VideoFrame | None, time_base: Fraction) -> None:
        """The next picture of a stream, and what a plain decoder shows in its place."""
        sight = sight_of(json.loads(picture_text(stream, shown.picture, shown.pts, time_base)))
        if sight is None or sight.time is None:
            return
        error = sight.error + (0.0 if before is None else difference(before, shown.picture.frame))
        self._offer(error, sight, lambda: self._plate(error, sight, shown, before))

    def add(self, plate: Plate) -> None:
        """One of another album."""
        self._offer(plate.error, plate.sight, lambda: plate)

    def _offer(self, error: float, sight: Sight, make: Callable[[], Plate]) -> None:
        window = sight.stream, int((sight.time or 0.0) // _WINDOW)
        known = self._first.get(window)
        if known is not None and error <= known.error:
            if sight.damaged and self._wanted(self._others, error):
                self._other(make())
        elif known is not None or self._wanted(list(self._first.values()), error):
            self._first[window] = make()
            if known is not None:
                self._other(known)
            if len(self._first) > MOST:
                self._other(self._first.pop(min(self._first, key=lambda one: self._first[one].error)))

    @staticmethod
    def _wanted(kept: list[Plate], error: float) -> bool:
        return len(kept) < MOST or error > min(one.error for one in kept)

    def _other(self, plate: Plate) -> None:
        if not plate.sight.damaged:
            return
        self._others.append(plate)
        if len(self._others) > MOST:
            self._others.remove(min(self._others, key=lambda one: one.error))

    def _plate(self, error: float, sight: Sight, shown: ShownPicture, before: av.VideoFrame | None) -> Plate:
        frame = shown.picture.frame
        aspect = frame.width / frame.height * float(self._aspects.get(sight.stream, 1))
        return Plate(
            error,
            sight,
            None if before is None else thumbnail(before, aspect),
            thumbnail(frame, aspect) if self._repairs else None,
            outlines(shown.picture.damage),
            in_blocks(frame),
            aspect,
        )

    def finish(self) -> list[Plate]:
        """The worst first."""
        best = sorted(self._first.values(), key=lambda one: one.error, reverse=True)
        rest = sorted(self._others, key=lambda one: one.error, reverse=True)
        return sorted([*best, *rest][:MOST], key=lambda one: one.error, reverse=True)
