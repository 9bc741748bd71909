"""Where the decoding of one part of a HEVC slice ends, and where it goes wrong, found out in a decoder of its own.

What the syntax of a slice says hangs on no sample of another picture (9.3: contexts and bins come from the slice's own
data), so a part that begins with fresh contexts can be read anywhere: here beside the stream, with noise to predict
from, so that other vectors show in the samples.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from concealer.bitstream import NalUnit, escape, hevc, join_annexb
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.context import HookedContext, open_context
from concealer.decoder.hook.errors import Blocks
from concealer.decoder.hook.reading_head import ReadingHead
from concealer.decoder.hook.samples import HEVC_IDR_64X64
from concealer.decoder.hook.sentinel import Sentinel
from concealer.picture import Plane
from concealer.standins import STOP
from concealer.standins.hevc import inter_standin, lost_picture_header, slice_header_rbsp

_TRAIL_R = 1
_SEED = 3


@dataclass(frozen=True)
class Reading:
    """What became of a part with `STOP` behind it."""

    undecoded: Blocks | None
    """Blocks of 16x16 of the picture that were not decoded, those of other parts too; None: none."""
    goes_on: bool
    """The decoder wanted to go on right behind its last byte: with the next tile or row."""
    ends: bool
    """The slice ended where its data end."""
    gave_up: bool
    """The decoder came upon an error inside a CTB."""
    luma: npt.NDArray[np.generic]
    """Samples, not filtered; nothing where it was not decoded."""


class SubstreamProbe:
    """Of one stream. Raises `HookUnavailableError` on construction where the hook does not hold."""

    def __init__(self) -> None:
        self._sentinel = Sentinel(_SEED)
        # Loop filters would carry what is wrong to blocks decoded before; errors are told only if they end it all.
        options = {"skip_loop_filter": "all", "err_detect": "explode"}
        self._context = HookedContext(open_context("hevc", 1, options), self._sentinel.write)
        self._head = ReadingHead(self._context.pointer)
        # Its VPS stands for any, and behind an IDR picture everything is decoded.
        self._context.decode(HEVC_IDR_64X64, 0)
        self._count = 0
        self._last: Buffer | None = None
        self._noise: Plane = np.zeros((0, 0), np.uint8)

    def read(self, header: hevc.SliceHeader, address: int, data: bytes, tail: bytes = STOP) -> Reading | None:
        """Decode `data`, a part of the slice of `header` that begins at the CTB `address`. None: it cannot be told.

        tail: what is put behind it. About 1 ms for 8 kB. Raises UnsupportedStandInError.
        """
        if self._last is None or self._last.planes[0].shape != (header.sps.height, header.sps.width):
            self._decode(header, [])
        self._make_noise()
        failed = self._decode(header, [(address, data + tail)])
        if self._last is None:
            return None
        begun, left_over = self._head.begun(), self._head.left_over()
        undecoded = self._sentinel.undecoded(self._last)
        gave_up = failed and (begun or 0) > len(tail)
        return Reading(undecoded, begun == len(tail), left_over == 0, gave_up, self._last.planes[0].copy())

    def _decode(self, header: hevc.SliceHeader, parts: list[tuple[int, bytes]]) -> bool:
        """Decode a picture of such parts, by their first CTB; whether there was an error in it."""
        self._count += 1
        own = _alone(header, self._count)
        nals = [header.sps.nal, header.pps.nal]
        if not any(address == 0 for address, _ in parts):
            nals.append(_first_ctb(own))
        for address, data in parts:
            own.first_slice_segment, own.address = address == 0, address
            nals.append(NalUnit(escape(slice_header_rbsp(own)) + data))
        step = self._context.decode(join_annexb(nals), 0)
        # Pictures that it lacks are made up, and come behind its own.
        self._last = step.buffers[0] if step.buffers else None
        return step.failed

    def close(self) -> None:
        """Free the decoder."""
        self._last = None
        self._context.close()

    def _make_noise(self) -> None:
        """Of the picture decoded last, which the next one refers to."""
        if self._last is None:
            return
        luma = self._last.planes[0]
        if self._noise.shape != luma.shape or self._noise.dtype != luma.dtype:
            rng = np.random.default_rng(_SEED)
            self._noise = rng.integers(0, 1 << self._last.layout.bit_depth, luma.shape, luma.dtype)
        np.copyto(luma, self._noise)


def _first_ctb(own: hevc.SliceHeader) -> NalUnit:
    """A slice of one skipped CTB, so that the picture begins. Raises UnsupportedStandInError."""
    header = lost_picture_header(own, own.poc_lsb, [own.poc_lsb - 1])
    assert header is not None
    return inter_standin(header, 0, 1)


def _alone(header: hevc.SliceHeader, count: int) -> hevc.SliceHeader:
    """A header under which the data say the same, of a picture that refers to the one probed before."""
    own = copy.copy(header)
    own.nal_unit_type, own.temporal_id, own.dependent = _TRAIL_R, 0, False
    own.poc_lsb = count % (1 << own.sps.log2_max_poc_lsb)
    own.short_term_rps_idx, own.short_term_rps = None, hevc.ShortTermRps(((-1, True),), ())
    own.long_term, own.num_long_term_sps = (), 0
    own.list_modification = (None, None)
    own.temporal_mvp = False
    return own
