"""The vectors a scout's picture was decoded with, and which pictures they point to."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Protocol

import numpy as np

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.bitstream.hevc import Sps
from concealer.bitstream.hevc import slice_header as hevc
from concealer.decoder.hook import Buffer, DecoderCore, H264Vectors, HookUnavailableError, MotionStore
from concealer.decoder.lost_slices import inter_header
from concealer.outlook import NOWHERE, ReceivedMotion

log = logging.getLogger(__name__)

_CELL = 8
_REMEMBERED = 64
_MOST_REFERENCES = 16


class VectorReader(Protocol):
    """Reads the vectors of the picture that was decoded last."""

    def stood_in(self, missing: MissingPicture) -> None:
        """A lost picture has a stand-in; others may refer to it."""

    def read(self, buffer: Buffer, au: AccessUnit) -> ReceivedMotion | None:
        """None if they cannot be had."""

    def pass_over(self, au: AccessUnit) -> None:
        """Nobody asks for the vectors of this one; others may refer to it."""


def open_reader(core: DecoderCore, store: MotionStore | None) -> VectorReader | None:
    """The reader of a decoder; None where libav is not laid out as expected. store: a HEVC decoder's."""
    if store is not None:
        return _HevcReader(store)
    if core.codec != "h264":
        return None
    try:
        return _H264Reader(core)
    except HookUnavailableError as error:
        log.debug("vectors cannot be reached: %s", error)
        return None


class _HevcReader:
    def __init__(self, store: MotionStore) -> None:
        self._store = store

    def stood_in(self, missing: MissingPicture) -> None:
        """References are told by POC, whatever stands there."""

    def pass_over(self, au: AccessUnit) -> None:
        """The same."""

    def read(self, buffer: Buffer, au: AccessUnit) -> ReceivedMotion | None:
        header = inter_header(au)
        field = self._store.field(buffer, au.sps) if header is not None and isinstance(au.sps, Sps) else None
        if field is None or header is None:
            return None
        assert isinstance(au.sps, Sps)
        step = max(1, _CELL >> (au.sps.log2_min_cb - 1))
        blocks = field[::step, ::step]
        toward = []
        for which in range(2):
            index = blocks["ref_idx"][:, :, which].astype(np.intp)
            used = ((blocks["pred_flag"] >> which & 1) > 0) & (index >= 0) & (index < _MOST_REFERENCES)
            toward.append(_orders(header, au.order, which)[np.where(used, index, _MOST_REFERENCES)])
        return ReceivedMotion(np.moveaxis(blocks["mv"], 2, 0).copy(), np.stack(toward))


def _orders(header: hevc.SliceHeader, order: int, which: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Output order of each entry of a reference list; `NOWHERE` behind its end."""
    table = np.full(_MOST_REFERENCES + 1, NOWHERE, np.int64)
    for index, delta in enumerate(hevc.reference_deltas(header, which)[:_MOST_REFERENCES]):
        if delta is not None:
            table[index] = order + delta
    return table


class _H264Reader:
    def __init__(self, core: DecoderCore) -> None:
        self._vectors = H264Vectors(core)
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
