"""HEVC under libav: it conceals nothing and says little, so a sentinel tells what it never wrote."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from concealer.bitstream import START_CODE_PREFIX, AccessUnit, MissingPicture, hevc
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.coding import FRAME, Ends
from concealer.decoder.hook.errors import Errors
from concealer.decoder.hook.libav import HookUnavailableError
from concealer.decoder.hook.motion_store import MotionStore, open_store
from concealer.decoder.hook.reading_head import TAIL, ReadingHead
from concealer.decoder.hook.sentinel import Sentinel
from concealer.outlook import NOWHERE, ReceivedMotion

log = logging.getLogger(__name__)

_FIRST_OTHER = 32
"""Least nal_unit_type that is no slice."""
_CELL = 8
_MOST_REFERENCES = 16


class HevcHook:
    """A `CodecHook`."""

    options: Mapping[str, str] = {}
    bare: Mapping[str, str] = {}
    most_threads: int | None = None
    fills_holes = False
    conceals = False
    coding = FRAME

    def __init__(self, seed: int) -> None:
        """seed: of the sentinel."""
        self._sentinel = Sentinel(seed)

    def attach(self, pointer: int, threads: int) -> None:
        self._pointer, self._threads = pointer, threads
        self._head: ReadingHead | None = None
        self._tailed = False
        if threads == 1:  # each thread has a position of its own
            try:
                self._head = ReadingHead(pointer)
            except HookUnavailableError as error:
                log.debug("the decoder's position cannot be read: %s", error)

    def dressed(self, payload: bytes) -> bytes:
        last = payload.rfind(START_CODE_PREFIX) + len(START_CODE_PREFIX)
        self._tailed = self._head is not None and last < len(payload) and payload[last] >> 1 & 63 < _FIRST_OTHER
        return payload + TAIL if self._tailed else payload

    def left_over(self) -> int | None:
        return self._head.left_over() if self._head is not None and self._tailed else None

    def prepare(self, buffer: Buffer) -> None:
        self._sentinel.write(buffer)

    def own(self, buffers: list[Buffer]) -> Buffer:
        """References that the decoder makes up come after the picture that lacks them."""
        return buffers[0]

    def errors(self, buffers: list[Buffer], ends: Ends | None = None) -> Errors | None:
        own = self.own(buffers)
        # Several threads may fail in one row and go on in the next.
        if ends is not None and self._threads == 1 and self._sentinel.all_decoded(own, ends):
            return None
        undecoded = self._sentinel.undecoded(own)
        return None if undecoded is None else Errors(undecoded, np.zeros_like(undecoded))

    def open_motion_store(self) -> MotionStore | None:
        return open_store(self._pointer)

    def open_reader(self, store: MotionStore | None) -> HevcReader | None:
        return None if store is None else HevcReader(store)


class HevcReader:
    """A `VectorReader`: references are told by POC."""

    def __init__(self, store: MotionStore) -> None:
        self._store = store

    def stood_in(self, missing: MissingPicture) -> None:
        """A POC is the same whatever stands there."""

    def pass_over(self, au: AccessUnit) -> None:
        """The same."""

    def read(self, buffer: Buffer, au: AccessUnit) -> ReceivedMotion | None:
        header = inter_header(au)
        if header is None or not isinstance(au.sps, hevc.Sps):
            return None
        field = self._store.field(buffer, au.sps)
        if field is None:
            return None
        step = max(1, _CELL >> (au.sps.log2_min_cb - 1))
        blocks = field[::step, ::step]
        toward = []
        for which in range(2):
            index = blocks["ref_idx"][:, :, which].astype(np.intp)
            used = ((blocks["pred_flag"] >> which & 1) > 0) & (index >= 0) & (index < _MOST_REFERENCES)
            toward.append(_orders(header, au.order, which)[np.where(used, index, _MOST_REFERENCES)])
        return ReceivedMotion(np.moveaxis(blocks["mv"], 2, 0).copy(), np.stack(toward))


def inter_header(au: AccessUnit) -> hevc.SliceHeader | None:
    """Header of the picture's first P or B slice; None if none arrived."""
    headers = (piece.header for piece in au.slices)
    return next((h for h in headers if isinstance(h, hevc.SliceHeader) and h.slice_type != hevc.I), None)


def _orders(header: hevc.SliceHeader, order: int, which: int) -> npt.NDArray[np.int64]:
    """Output order of each entry of a reference list; `NOWHERE` behind its end."""
    table = np.full(_MOST_REFERENCES + 1, NOWHERE, np.int64)
    for index, delta in enumerate(hevc.reference_deltas(header, which)[:_MOST_REFERENCES]):
        if delta is not None:
            table[index] = order + delta
    return table
