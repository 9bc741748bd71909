"""H.264 under libav: its error resilience fills holes and keeps a status of every macroblock, if it is on."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping

import numpy as np

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.coding import FRAME, Ends
from concealer.decoder.hook.error_status import ErrorStatus
from concealer.decoder.hook.errors import Errors
from concealer.decoder.hook.h264_vectors import H264Vectors
from concealer.decoder.hook.libav import HookUnavailableError, libav
from concealer.decoder.hook.motion_store import MotionStore
from concealer.decoder.hook.sentinel import Sentinel
from concealer.outlook import NOWHERE, ReceivedMotion

log = logging.getLogger(__name__)

_REMEMBERED = 64
_GUESS_AND_DEBLOCK = 3
"""libav's `ec` as it is by default."""


class H264Hook:
    """A `CodecHook`."""

    # Without reorder information in the VUI libav guesses the output delay and drops what comes too late; "strict"
    # makes it take the level's bound instead.
    options: Mapping[str, str] = {"strict": "strict"}
    bare: Mapping[str, str] = {"ec": "0"}
    most_threads: int | None = 1  # libav's error concealment is off under slice threads
    fills_holes = True

    def __init__(self, seed: int) -> None:
        """seed: of the sentinel."""
        self._sentinel = Sentinel(seed)
        self._conceals = True
        self.coding = FRAME

    @property
    def conceals(self) -> bool:
        """Whether libav's error resilience is on. It also replaces up to 50 received macroblocks before an error."""
        return self._conceals

    @conceals.setter
    def conceals(self, wanted: bool) -> None:
        if wanted != self._conceals:
            libav().set_option(self._pointer, "ec", _GUESS_AND_DEBLOCK if wanted else 0)
            self._conceals = wanted

    def attach(self, pointer: int, threads: int) -> None:
        self._pointer = pointer
        self._status = ErrorStatus(pointer)

    def dressed(self, payload: bytes) -> bytes:
        return payload

    def left_over(self) -> int | None:
        """None: the decoder checks that itself, and its status tells."""
        return None

    def prepare(self, buffer: Buffer) -> None:
        if not self._conceals:  # else the status tells
            self._sentinel.write(buffer, self.coding.is_field)

    def own(self, buffers: list[Buffer]) -> Buffer:
        """Pictures that the decoder makes up for a gap in frame_num come before it."""
        return buffers[-1]

    def errors(self, buffers: list[Buffer], ends: Ends | None = None) -> Errors | None:
        own = self.own(buffers)
        if not self._conceals:
            if ends is not None and self._sentinel.all_decoded(own, ends):
                return None
            return self._undecoded(own)
        try:
            return self._status.read(-(-own.width // 16), -(-own.height // 16))
        except HookUnavailableError as error:
            log.debug("error status: %s", error)
            return None

    def _undecoded(self, buffer: Buffer) -> Errors | None:
        undecoded = self._sentinel.undecoded(buffer, self.coding.parity if self.coding.is_field else None)
        if undecoded is None:
            return None
        if self.coding.interlaced == "mbaff":
            # The rows of a pair may be those of its two macroblocks in turns.
            undecoded = (undecoded[::2] | undecoded[1::2]).repeat(2, axis=0)
        return Errors(np.zeros_like(undecoded), undecoded)

    def open_motion_store(self) -> MotionStore | None:
        """None: vectors are only read here."""
        return None

    def open_reader(self, store: MotionStore | None) -> H264Reader | None:
        try:
            return H264Reader(H264Vectors(self._pointer))
        except HookUnavailableError as error:
            log.debug("vectors cannot be reached: %s", error)
            return None


class H264Reader:
    """A `VectorReader`: libav tells references by frame_num."""

    def __init__(self, vectors: H264Vectors) -> None:
        self._vectors = vectors
        self._orders: OrderedDict[int, int] = OrderedDict()

    def read(self, buffer: Buffer, au: AccessUnit) -> ReceivedMotion | None:
        if au.is_idr:
            self._orders.clear()
        found = self._vectors.read(buffer) if au.interlaced == "progressive" and au.kind in ("P", "B") else None
        motion = None
        if found is not None:
            vectors, numbers = found
            toward = np.full(numbers.shape, NOWHERE, np.int64)
            for number, order in self._orders.items():
                toward[numbers == number] = order
            motion = ReceivedMotion(vectors, toward)
        self.pass_over(au)
        return motion

    def pass_over(self, au: AccessUnit) -> None:
        if au.is_idr:
            self._orders.clear()
        if au.is_reference:
            self._remember(au.frame_num, au.order)

    def stood_in(self, missing: MissingPicture) -> None:
        if missing.is_idr:
            self._orders.clear()
        self._remember(missing.frame_num, missing.order)

    def _remember(self, frame_num: int | None, order: int) -> None:
        if frame_num is None:
            return
        self._orders[frame_num] = order
        self._orders.move_to_end(frame_num)
        while len(self._orders) > _REMEMBERED:
            self._orders.popitem(last=False)
