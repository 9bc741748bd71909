"""Parameter sets on trial: pictures decoded with them, and what the decoder failed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream import Codec, NalUnit, h264, join_annexb, nal_type
from concealer.decoder.hook import DecoderCore, HookUnavailableError

_MOST_TRIED = 12
"""Pictures."""
_BLOCK = 16


@dataclass(frozen=True)
class Trial:
    """What came of decoding pictures with some parameter sets."""

    tried: int = 0
    whole: int = 0
    """Pictures without a block that the decoder failed in, all of whose bytes were used."""
    rate: Fraction | None = None
    """Pictures a second, as the sets say."""
    width: int = 0
    """In samples, as shown."""
    height: int = 0

    @property
    def proven(self) -> bool:
        """All but one in ten came out whole; of less than ten, all."""
        return self.tried > 0 and self.whole >= self.tried - self.tried // 10


def tried(codec: Codec, sets: Sequence[NalUnit], pictures: Sequence[Sequence[NalUnit]]) -> Trial:
    """Decode pictures, of which the first can be decoded by itself, with parameter sets."""
    try:
        core = DecoderCore(codec)
    except HookUnavailableError:
        return _plainly(codec, sets, pictures)
    count = whole = 0
    shown = []
    try:
        for number, nals in enumerate(pictures[:_MOST_TRIED]):
            payload = join_annexb([*(sets if not number else ()), *nals])
            found = core.decode(payload, number)
            count += 1
            fine = found.buffer is not None and found.left_over in (None, 0) and (not found.made_up or not number)
            if found.errors is not None and (found.errors.missing.any() or found.errors.broken.any()):
                fine = False
            whole += fine
            shown += found.frames
            if not whole:
                break
        rate = core.frame_rate
        shown += core.flush()
    finally:
        core.close()
    size = (shown[0].width, shown[0].height) if shown else (0, 0)
    return Trial(count, whole, rate, *size)


def _plainly(codec: Codec, sets: Sequence[NalUnit], pictures: Sequence[Sequence[NalUnit]]) -> Trial:
    """Where the decoder's memory cannot be read: whether it decodes without complaint."""
    context = av.CodecContext.create(codec, "r")
    context.options = {"err_detect": "explode"}
    whole, frames = 0, []
    some = pictures[:_MOST_TRIED]
    for number, nals in enumerate(some):
        try:
            frames += context.decode(av.Packet(join_annexb([*(sets if not number else ()), *nals])))
        except av.FFmpegError:
            continue
        whole += 1
    size = (frames[0].width, frames[0].height) if frames else (0, 0)
    return Trial(len(some), whole, getattr(context, "framerate", None) or None, *size)


def starts_well(sets: Sequence[NalUnit], nals: Sequence[NalUnit], columns: int) -> bool:
    """The first slice of an H.264 intra picture decodes without an error as far as a picture of few rows goes."""
    slices = [nal for nal in nals if nal_type("h264", nal) in (h264.NAL_IDR, h264.NAL_SLICE)][:1]
    try:
        core = DecoderCore("h264")
    except HookUnavailableError:
        return False
    try:
        found = core.decode(join_annexb([*sets, *slices]), 0)
    finally:
        core.close()
    if found.buffer is None:
        return False
    return found.errors is None or not (found.errors.broken.any() or found.errors.missing[:1].any())


@dataclass(frozen=True)
class Filled:
    """What an intra picture fills of one that is said to be far taller."""

    rows: int
    """Of macroblocks."""
    luma: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def filled(sets: Sequence[NalUnit], nals: Sequence[NalUnit], columns: int) -> Filled | None:
    """Rows of macroblocks that a whole H.264 intra picture fills where it is said to be far taller; None if it does
    not fill whole rows without an error, as with a wrong width."""
    try:
        core = DecoderCore("h264")
    except HookUnavailableError:
        return None
    try:
        found = core.decode(join_annexb([*sets, *nals]), 0)
    finally:
        core.close()
    if found.buffer is None or found.errors is None or found.errors.broken.any():
        return None
    missing = found.errors.missing
    if missing.shape[1] != columns:
        return None
    there = np.flatnonzero(missing.all(axis=1))
    rows = int(there[0]) if len(there) else missing.shape[0]
    if not rows or missing[:rows].any() or not missing[rows:].all():
        return None
    return Filled(rows, found.buffer.planes[0][: rows * _BLOCK, : columns * _BLOCK].copy())
