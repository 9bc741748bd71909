"""What is real of the pictures of a stream that is joined in its middle.

A second decoder gets the same payloads on other references: dark noise where the main decoder has grey or whatever it
found. What both agree about hangs on nothing from before the join: intra blocks, and what is predicted from such alone.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from concealer.bitstream import (
    PARAMETER_SETS,
    AccessUnit,
    Codec,
    MissingPicture,
    hevc,
    join_annexb,
    nal_type,
    split_annexb,
)
from concealer.damage import BLOCK, Damage, DamageMap
from concealer.decoder.follower import Follower
from concealer.decoder.history import Painted, Step
from concealer.decoder.hook import Buffer
from concealer.decoder.outputs import Record
from concealer.decoder.roots import NO_REFERENCES, Roots
from concealer.decoder.rules import Rules
from concealer.standins import lost_picture_standin

_SEED = 3
OF_USE = 0.85
"""Share of a picture that must be real, or nearly so, for it to be worth showing, and for the rest to be painted."""
_DARK = 16
"""Of the noise, on an 8-bit scale: noise around grey would be smoothed to the grey that the main decoder has."""
_NEAR = 8
"""Difference of the two decoders, on an 8-bit scale, up to which a sample is nearly real: less than that is left of the
references, as dark noise is about as far from grey as they are from either."""
_NOTHING = 0.02
"""Share of a block's samples that may agree by chance: others are real in part, and just that part may serve."""
_ROOTED = 20
"""Pictures in a row that lack nothing, after which none will."""

Samples = npt.NDArray[np.bool_]
"""(height, width)."""
Differences = npt.NDArray[Any]
"""(height, width) uint8 or uint16."""


class Growth:
    """Beside one main decoder, from the first access unit it got until nothing lacks any more."""

    def __init__(self, codec: Codec) -> None:
        self._follower = Follower(codec, _SEED, (), flipped=True)
        self._begun = False
        self._buffer: Buffer | None = None

    def difference(self, au: AccessUnit | None, step: Step, main: Buffer) -> Differences | None:
        """Of the picture just decoded into `main`: 0 in luma samples that hang on nothing from before the join; None if
        that can't be told.

        step: what the main decoder got, headers and all. au: None for a stand-in of a whole picture.
        """
        if not self._begun and au is not None:
            self._begun = True
            self._begin(au, step)
        self._buffer = self._follower.decode(step.payload, step.concealed).buffer
        own = self._buffer
        if own is None or own.planes[0].shape != main.planes[0].shape:
            return None
        return cv2.absdiff(np.ascontiguousarray(own.planes[0]), np.ascontiguousarray(main.planes[0]))

    def painted(self, painted: Painted | None) -> None:
        """The main decoder's picture was repaired: here its hole holds other samples, so that it can be told."""
        if self._buffer is not None and painted is not None:
            self._follower.take_over_hole(self._buffer, painted)
        self._buffer = None

    def close(self) -> None:
        """Free the decoder."""
        self._buffer = None
        self._follower.close()

    def _begin(self, au: AccessUnit, step: Step) -> None:
        """Give the decoder pictures to predict the first one from, and fill them with noise."""
        noise = np.random.default_rng(_SEED)
        payloads = [step.payload] if not isinstance(au.sps, hevc.Sps) else _references(au, step.payload)
        for payload in payloads:
            decoded = self._follower.decode(payload)
            for buffer in (*decoded.made_up, *([] if decoded.buffer is None else [decoded.buffer])):
                for plane in buffer.planes:
                    plane[:] = noise.integers(0, _DARK << (buffer.layout.bit_depth - 8), plane.shape, plane.dtype)


def to_blocks(samples: Samples) -> npt.NDArray[np.float32]:
    """Share of samples that are set in each 16x16 block."""
    height, width = samples.shape
    whole = np.zeros((-(-height // BLOCK) * BLOCK, -(-width // BLOCK) * BLOCK), np.uint8)
    whole[:height, :width] = samples
    if height % BLOCK:
        whole[height:] = whole[height - 1]
    if width % BLOCK:
        whole[:, width:] = whole[:, width - 1 : width]
    size = whole.shape[1] // BLOCK, whole.shape[0] // BLOCK
    return np.asarray(cv2.resize(whole.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _references(au: AccessUnit, payload: bytes) -> list[bytes]:
    """Stand-ins of all pictures that a HEVC picture may refer to. payload: the picture's, for its parameter sets."""
    header = next((one.header for one in au.slices if isinstance(one.header, hevc.SliceHeader)), None)
    if header is None or au.poc is None:
        return []
    sets = header.short_term_rps
    pocs = sorted(au.poc + delta for delta, _ in (*sets.negative, *sets.positive))
    parameter_sets = [nal for nal in split_annexb(payload) if nal_type("hevc", nal) in PARAMETER_SETS["hevc"]]
    payloads = []
    for place, poc in enumerate(pocs):
        kept = tuple(pocs[:place]) or (poc - 1,)
        nals = lost_picture_standin(au, MissingPicture("hevc", poc, poc, references=kept))
        if nals is None:
            break
        payloads.append(join_annexb([*(parameter_sets if place == 0 else []), *nals]))
    return payloads


class Growing:
    """Marks what is not real of the pictures of one stream."""

    def __init__(self, codec: Codec, rules: Rules) -> None:
        self.roots = Roots()
        """To be told of every access unit."""
        self._codec: Codec = codec
        self._rules = rules
        self._growth: Growth | None = None
        self._begun = False
        self._rooted = 0

    @property
    def at_rest(self) -> bool:
        """Nothing lacks any more, so far as is known."""
        return self._begun and self._growth is None

    def mark(self, record: Record, damage: DamageMap, au: AccessUnit | None, step: Step, main: Buffer) -> None:
        """Of a picture that lacks references, mark what hangs on them as lost, as long as some of it is real."""
        lacks = self.roots.lacks(record.order)
        if not self._begun:
            self._begun = True
            self._growth = Growth(self._codec) if lacks and au is not None else None
        if self._growth is None:
            return
        difference = self._growth.difference(au, step, main)
        self._rooted = 0 if lacks else self._rooted + 1
        if self._rooted > _ROOTED:
            self.close()
        if not lacks or au is None or difference is None:
            return
        far = difference > _NEAR << (main.layout.bit_depth - 8)
        record.real = 1.0 - float(np.count_nonzero(far)) / far.size
        if self.roots.found:
            return  # decoders put the first intra picture in place of what its leading pictures lack: both agree
        if not self._rules.inherits_vectors:  # else even what is predicted from real samples may have moved elsewhere
            damage.forget(Damage.TAINTED, NO_REFERENCES)
            # The loop filter looks across the edges of blocks, and may be led astray in both alike.
            unreal = cv2.dilate((to_blocks(difference != 0) > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
            damage.mark(unreal > 0, Damage.TAINTED, NO_REFERENCES)
        if record.real >= OF_USE:
            damage.mark(to_blocks(far) >= 1.0 - _NOTHING, Damage.LOST, NO_REFERENCES)

    def painted(self, painted: Painted | None) -> None:
        """The picture was repaired."""
        if self._growth is not None:
            self._growth.painted(painted)

    def close(self) -> None:
        """Nothing lacks any more, or the stream is over."""
        if self._growth is not None:
            self._growth.close()
        self._growth = None
