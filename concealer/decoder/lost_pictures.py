"""Pictures that never arrived: what a decoder gets instead, and H.264 IDR pictures of which only the counting tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from concealer.bitstream import AccessUnit, MissingPicture, h264, join_annexb
from concealer.decoder.hook import Buffer, Decoded, DecoderCore, PlainCore
from concealer.standins import lost_idr_standin, lost_picture_standin

_LIKELIER = 3
"""Lost pictures fewer that a lost IDR picture must explain it with where frame_num goes round without one."""


def lost_since_idr(au: AccessUnit, missing: Sequence[MissingPicture], goes_round: bool) -> bool:
    """Whether an IDR picture and what followed it explain better than `missing`, the gap in frame_num before `au`, why
    `au` counts as it does: with fewer lost pictures. frame_num starts anew there (7.4.3).

    goes_round: in this stream it was seen to come to 0 without an IDR picture.
    """
    margin = _LIKELIER if goes_round else 0
    return au.frame_num is not None and 0 < au.frame_num < len(missing) - margin


def placed_behind_idr(
    au: AccessUnit, missing: Sequence[MissingPicture], greatest: int, step: int
) -> tuple[list[MissingPicture], int]:
    """(missing, order) of `au`, if an IDR picture was lost behind the one at `greatest`, the last in output order.

    step: from one picture to the next in output order.
    """
    count = au.frame_num or 1
    start = greatest + step
    order = start + _since_idr(au, step)
    places = [max(start, order - step * (count - number)) if number else start for number in range(count)]
    shift = au.poc - order if au.poc is not None else 0
    behind = zip(missing[-count:], places, strict=True)
    return [replace(one, order=place, poc=place + shift, is_idr=place == start) for one, place in behind], order


def _since_idr(au: AccessUnit, step: int) -> int:
    """POC of `au` counted from that of the IDR picture, if its least significant bits are all there was so far."""
    header = au.slices[0].header if au.slices else None
    if isinstance(header, h264.SliceHeader) and header.sps.poc_type == 0:
        return max(header.poc_lsb, step)
    # Types 1 and 2 count with frame_num.
    return max(step * (au.frame_num or 1) - (not au.is_reference), 1)


def decode_stand_in(
    core: DecoderCore | PlainCore,
    previous: AccessUnit | None,
    missing: MissingPicture,
    latest: Buffer | None,
    tag: int,
) -> tuple[bytes, Decoded] | None:
    """(payload, decoded) of what stands for a lost picture; None if nothing can.

    previous: the access unit before it. latest: the picture decoded last; its samples are what an IDR picture shows, as
    all others show a reference.
    """
    if previous is None:
        return None
    idr = lost_idr_standin(previous, missing) if isinstance(core, DecoderCore) else None
    nals = idr or lost_picture_standin(previous, missing)
    if not nals:
        return None
    payload = join_annexb(nals)
    decoded = core.decode(payload, tag)
    own = decoded.buffer
    if idr and own is not None and latest is not None:
        for plane, shown in zip(own.planes, latest.planes, strict=False):
            if plane.shape == shown.shape:
                np.copyto(plane, shown)
    return payload, decoded
