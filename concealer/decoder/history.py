"""What the main decoder got since the last IDR, for other decoders to come to where it is."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from concealer.damage import DamageMap
from concealer.decoder.hook import FRAME, Coding, Field
from concealer.picture import Plane

log = logging.getLogger(__name__)

_MAX_PICTURES = 600
_MAX_BYTES = 64 << 20
"""A history beyond either bound is forgotten; no decoder can follow then until the next IDR."""


@dataclass
class Painted:
    """The hole of one picture and the samples it was filled with."""

    masks: tuple[npt.NDArray[np.bool_], ...]
    values: tuple[npt.NDArray[Any], ...]
    vectors: Field | None = None
    """The picture's motion field after repair, if the decoder was told."""

    @classmethod
    def of(cls, planes: tuple[Plane, ...], damage: DamageMap, vectors: Field | None = None) -> Painted:
        """Take the samples of `planes` inside the hole of `damage`, and the vectors."""
        masks = []
        for index, plane in enumerate(planes):
            shift_x = int(index > 0 and plane.shape[1] < planes[0].shape[1])
            shift_y = int(index > 0 and plane.shape[0] < planes[0].shape[0])
            masks.append(damage.hole_pixels(shift_x, shift_y)[: plane.shape[0], : plane.shape[1]])
        values = tuple(plane[mask] for plane, mask in zip(planes, masks, strict=True))
        return cls(tuple(masks), values, None if vectors is None else vectors.copy())

    def paint(self, planes: tuple[Plane, ...], flip: int = 0) -> None:
        """Put the samples where they were taken, in another decoder's picture; `flip`: bits to change in each."""
        for plane, mask, values in zip(planes, self.masks, self.values, strict=True):
            if mask.shape == plane.shape:
                plane[mask] = np.bitwise_xor(values, values.dtype.type(flip))

    def size(self) -> int:
        """In bytes."""
        samples = sum(mask.nbytes + value.nbytes for mask, value in zip(self.masks, self.values, strict=True))
        return samples + (0 if self.vectors is None else self.vectors.nbytes)


@dataclass
class Step:
    """One access unit, or one field of it, as the main decoder got it."""

    payload: bytes
    concealed: bool
    """The decoder was to conceal by itself what it failed in."""
    painted: Painted | None = None
    coding: Coding = FRAME
    """Fields of a pair are two steps."""


class History:
    """Everything the main decoder got since the last IDR."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._bytes = 0
        self.complete = False
        """False before the first IDR and after a bound was passed: nobody can follow then."""

    def restart(self) -> None:
        """An IDR comes next."""
        self._steps.clear()
        self._bytes = 0
        self.complete = True

    def add(self, step: Step) -> None:
        """The main decoder got this, and is done with it."""
        if not self.complete:
            return
        self._steps.append(step)
        self._bytes += len(step.payload) + (step.painted.size() if step.painted else 0)
        if len(self._steps) > _MAX_PICTURES or self._bytes > _MAX_BYTES:
            log.debug("history of %d pictures dropped", len(self._steps))
            self._steps.clear()
            self._bytes = 0
            self.complete = False

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)
