"""Pictures that never arrived: what a decoder gets instead."""

from __future__ import annotations

import numpy as np

from concealer.bitstream import AccessUnit, MissingPicture, join_annexb
from concealer.decoder.hook import Buffer, Decoded, DecoderCore, PlainCore
from concealer.standins import lost_idr_standin, lost_picture_standin


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
    idr = lost_idr_standin(previous, missing) if core.hooked else None
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
