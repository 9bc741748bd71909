"""Decoders that are led astray on purpose: where they and the main decoder differ, damage has spread.

A shadow decodes the same payloads. With flipped samples in its holes, every sample predicted from a hole, however
indirectly, differs: tainted. With the same samples it only gets other junk behind a damaged byte: what differs inside
that slice was decoded from junk: broken.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec
from concealer.damage import Damage, DamageMap
from concealer.decoder.extent import differing_blocks, estimate_broken, mark_junk, squared_difference
from concealer.decoder.follower import Follower
from concealer.decoder.history import History, Painted, Step
from concealer.decoder.hook import FRAME, Buffer, Coding
from concealer.outcome import Blocks

_SEED = 1


class Shadow:
    """One such decoder. Build it with the history before the access unit of interest."""

    def __init__(self, codec: Codec, history: History, flipped: bool) -> None:
        self._follower = Follower(codec, _SEED, history, flipped)
        self._agreed = 0
        self._buffer: Buffer | None = None

    def decode(self, payload: bytes, conceal: bool, coding: Coding = FRAME) -> None:
        """Decode one access unit or field, as the main decoder did."""
        self._buffer = self._follower.decode(payload, conceal, coding).buffer

    def paint(self, painted: Painted) -> None:
        """Fill the hole of the picture just decoded."""
        if self._buffer is not None:
            self._follower.take_over_hole(self._buffer, painted)

    def differences(self, main: Buffer, coding: Coding = FRAME) -> Blocks | None:
        """16x16 grid of luma blocks that differ from the main decoder's picture, or from its field of that `coding`;
        None if they can't be compared."""
        if self._buffer is None or self._buffer.planes[0].shape != main.planes[0].shape:
            return None
        rows = slice(coding.parity, None, 2) if coding.is_field else slice(None)
        differing = differing_blocks(self._buffer.planes[0][rows], main.planes[0][rows])
        self._agreed = 0 if differing.any() else self._agreed + 1
        return differing

    def difference(self, main: Buffer) -> npt.NDArray[np.float32] | None:
        """16x16 grid of the mean squared difference from the main decoder's luma; None if they can't be compared."""
        if self._buffer is None or self._buffer.planes[0].shape != main.planes[0].shape:
            return None
        return squared_difference(self._buffer.planes[0], main.planes[0], main.layout.bit_depth)

    def idle_longer_than(self, pictures: int) -> bool:
        """True if both have agreed for that many pictures: starting anew would then cost less than going on."""
        return self._agreed > pictures

    def close(self) -> None:
        """Free the decoder."""
        self._buffer = None
        self._follower.close()


class Shadows:
    """The two shadows of one stream, each started at the first need and dropped at every IDR."""

    def __init__(self, codec: Codec, track_taint: bool, probe_breaks: bool) -> None:
        self._codec: Codec = codec
        self._track_taint = track_taint
        self._probe_breaks = probe_breaks
        self._taint: Shadow | None = None
        self._junk: Shadow | None = None

    @property
    def idle(self) -> bool:
        """Neither runs."""
        return self._taint is None and self._junk is None

    def find_broken(
        self,
        damage: DamageMap,
        au: AccessUnit | None,
        buffer: Buffer,
        step: Step,
        other: bytes | None,
        so_far: History,
    ) -> None:
        """Mark what was decoded from junk behind a damaged byte of `au`.

        step: what the main decoder got. other: its payload with other junk, None if there is none in it. so_far: what
        the main decoder got before it.
        """
        if other is None or au is None:
            if self._junk is not None:
                self._junk.decode(step.payload, step.concealed)
            return
        difference = None
        if self._probe_breaks:
            if self._junk is None and so_far.complete:
                self._junk = Shadow(self._codec, so_far, flipped=False)
            if self._junk is not None:
                self._junk.decode(other, step.concealed)
                difference = self._junk.difference(buffer)
        if difference is None:
            estimate_broken(damage, au)
        else:
            mark_junk(damage, au, difference)

    def follow(self, damage: DamageMap, buffer: Buffer, step: Step, so_far: History) -> None:
        """Learn what the main decoder's picture in `buffer` holds now; mark the blocks that were predicted from damage.

        step: what the main decoder got, with other junk than it, if there is any.
        """
        painted = step.painted
        if self._junk is not None and painted is not None:
            self._junk.paint(painted)
        if not self._track_taint:
            return
        if self._taint is None and painted is not None and so_far.complete:
            self._taint = Shadow(self._codec, so_far, flipped=True)
        if self._taint is None:
            return
        self._taint.decode(step.payload, step.concealed, step.coding)
        differing = self._taint.differences(buffer, step.coding)
        if differing is not None:
            damage.mark(differing & ~damage.hole, Damage.TAINTED, "predicted from damage")
        if painted is not None:
            self._taint.paint(painted)
        if self._taint.idle_longer_than(len(so_far)):
            self._taint.close()
            self._taint = None

    def drop(self) -> None:
        """Free them."""
        for shadow in (self._taint, self._junk):
            if shadow is not None:
                shadow.close()
        self._taint = self._junk = None
