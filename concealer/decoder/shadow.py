"""A second decoder that is led astray on purpose: where it and the main decoder differ, damage has spread.

It decodes the same payloads. With `fill="different"` its holes hold other samples than the main decoder's, so every
sample predicted from a hole, however indirectly, differs: tainted. With `fill="same"` it only gets other junk behind a
damaged byte: what differs inside that slice was decoded from junk: broken.

It starts at the first need by decoding everything since the last IDR once more, so an undamaged stream pays nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from concealer.bitstream import Codec
from concealer.damage import DamageMap
from concealer.decoder.extent import Blocks, differing_blocks
from concealer.decoder.hook import Buffer, DecoderCore, Field, open_store
from concealer.picture import Plane

log = logging.getLogger(__name__)

_MAX_PICTURES = 600
_MAX_BYTES = 64 << 20
"""A history beyond either bound is forgotten; there is then no shadow until the next IDR."""


@dataclass
class Painted:
    """The hole of one picture and the samples it was filled with."""

    masks: tuple[npt.NDArray[np.bool_], ...]
    values: tuple[npt.NDArray[Any], ...]
    vectors: Field | None = None
    """The picture's motion field after repair (HEVC), if the decoder was told."""

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
        samples = sum(mask.nbytes + value.nbytes for mask, value in zip(self.masks, self.values, strict=True))
        return samples + (0 if self.vectors is None else self.vectors.nbytes)


@dataclass
class Step:
    """One access unit as the main decoder got it."""

    payload: bytes
    painted: Painted | None = None


class History:
    """Everything the main decoder got since the last IDR."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._bytes = 0
        self.complete = False
        """False before the first IDR and after a bound was passed: a shadow cannot be started then."""

    def restart(self) -> None:
        """An IDR comes next."""
        self._steps.clear()
        self._bytes = 0
        self.complete = True

    def add(self, step: Step) -> None:
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


class Shadow:
    """The second decoder. Build it with the history before the access unit of interest."""

    def __init__(self, codec: Codec, history: History, fill: Literal["same", "different"]) -> None:
        self._core = DecoderCore(codec, seed=1)
        self._store = open_store(self._core)
        self._fill = fill
        self._agreed = 0
        self._buffer: Buffer | None = None
        for step in history:
            self.decode(step.payload)
            if step.painted is not None:
                self.paint(step.painted)

    def decode(self, payload: bytes) -> Buffer | None:
        """Decode one access unit; its buffer, or None if the decoder made none."""
        self._buffer = self._core.decode(payload, 0).buffer
        return self._buffer

    def paint(self, painted: Painted) -> None:
        """Fill the hole of the picture just decoded."""
        if self._buffer is None:
            return
        flip = 0 if self._fill == "same" else 1 << (self._buffer.layout.bit_depth - 1)
        # Flipping the top bit moves every sample by half the range: prediction carries that on undiminished.
        painted.paint(self._buffer.planes, flip)
        if self._store is not None and painted.vectors is not None:
            self._store.copy(self._buffer, painted.vectors)

    def differences(self, main: Buffer) -> Blocks | None:
        """16x16 grid of luma blocks that differ from the main decoder's picture; None if they can't be compared."""
        if self._buffer is None or self._buffer.planes[0].shape != main.planes[0].shape:
            return None
        differing = differing_blocks(self._buffer.planes[0], main.planes[0])
        self._agreed = 0 if differing.any() else self._agreed + 1
        return differing

    def idle_longer_than(self, pictures: int) -> bool:
        """True if both have agreed for that many pictures: starting anew would then cost less than going on."""
        return self._agreed > pictures

    def close(self) -> None:
        self._buffer = None
        self._core.close()
