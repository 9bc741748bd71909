"""A lost H.264 IDR picture of which only the counting tells: frame_num and POC start anew behind it (7.4.3, 8.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from concealer.bitstream import h264
from concealer.bitstream.access_unit import AccessUnit, MissingPicture


def lost_since_idr(au: AccessUnit, missing: Sequence[MissingPicture]) -> bool:
    """Whether an IDR picture and what followed it explain better than `missing`, the gap in frame_num before `au`, why
    `au` counts as it does: with fewer lost pictures."""
    return au.frame_num is not None and 0 < au.frame_num < len(missing)


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
    return [replace(one, order=place, poc=place + shift) for one, place in behind], order


def _since_idr(au: AccessUnit, step: int) -> int:
    """POC of `au` counted from that of the IDR picture, if its least significant bits are all there was so far."""
    header = au.slices[0].header if au.slices else None
    if isinstance(header, h264.SliceHeader) and header.sps.poc_type == 0:
        return max(header.poc_lsb, step)
    # Types 1 and 2 count with frame_num.
    return max(step * (au.frame_num or 1) - (not au.is_reference), 1)
