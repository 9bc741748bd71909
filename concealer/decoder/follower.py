"""A second decoder of the same stream, brought to where the main one is and kept in step with it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from concealer.bitstream import Codec
from concealer.decoder.history import Painted, Step
from concealer.decoder.hook import FRAME, Buffer, Coding, Decoded, DecoderCore, Field


class Follower:
    """Decodes what the main decoder got since the last IDR once more, so that nothing is paid before it is needed."""

    def __init__(self, codec: Codec, seed: int, history: Iterable[Step], flipped: bool = False) -> None:
        """seed: of its sentinel, another than the main decoder's. history: what the main decoder got.

        flipped: its holes hold other samples than the main decoder's: half the range away, which prediction carries on
        undiminished.
        """
        self.core = DecoderCore(codec, seed=seed)
        self._flipped = flipped
        for step in history:
            decoded = self.core.decode(step.payload, 0, step.concealed, step.coding)
            if step.painted is not None and decoded.buffer is not None:
                self.take_over_hole(decoded.buffer, step.painted)

    def take_over_hole(self, own: Buffer, painted: Painted) -> None:
        """Fill the hole of its picture in `own` as the main decoder's was, and have it move alike."""
        painted.paint(own.planes, 1 << (own.layout.bit_depth - 1) if self._flipped else 0)
        self._take_over_vectors(own, painted.vectors)

    def take_over(self, own: Buffer, main: Buffer, vectors: Field | None) -> None:
        """Make its picture in `own` the main decoder's. vectors: the main decoder's motion field, if it can be read."""
        if [p.shape for p in own.planes] == [p.shape for p in main.planes]:
            for plane, shown in zip(own.planes, main.planes, strict=True):
                np.copyto(plane, shown)
        self._take_over_vectors(own, vectors)

    def _take_over_vectors(self, own: Buffer, vectors: Field | None) -> None:
        if vectors is not None and self.core.motion_store is not None:
            self.core.motion_store.copy(own, vectors)

    def decode(self, payload: bytes, conceal: bool = True, coding: Coding = FRAME) -> Decoded:
        """Decode one access unit or field; `conceal` and `coding` as in `DecoderCore.decode`."""
        return self.core.decode(payload, 0, conceal, coding)

    def close(self) -> None:
        """Free the decoder."""
        self.core.close()
