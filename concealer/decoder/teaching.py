"""Telling a HEVC decoder how the repaired blocks of a picture moved, for the pictures that inherit their vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.bitstream.hevc import Sps
from concealer.decoder.hook import Buffer, Field, MotionStore, received_vectors, write_vectors
from concealer.decoder.lost_slices import first_references
from concealer.picture import Picture

log = logging.getLogger(__name__)

Blocks = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.int16]
MeasureFn = Callable[[Picture, Blocks, Picture, Vectors, Blocks], Vectors | None]
"""measure(picture, hole, reference, received, known): motion of the repaired blocks; see `repair.measured_motion`."""


def teach_vectors(
    measure: MeasureFn | None,
    store: MotionStore | None,
    picture: Picture,
    buffer: Buffer,
    hole: Blocks | None,
    key: AccessUnit | MissingPicture,
    previous: AccessUnit | None,
    references: Iterable[tuple[Picture, Buffer]],
) -> Field | None:
    """The decoder's motion field of the picture just decoded, the vectors of its `hole` replaced by measured ones.

    An intra picture that was lost as a whole has none. key: what was decoded; previous: the access unit before it. None
    if the field is not to be had.
    """
    latest = key if isinstance(key, AccessUnit) else previous
    sps = None if latest is None else latest.sps
    field = store.field(buffer, sps) if store is not None and isinstance(sps, Sps) else None
    if field is None or hole is None or measure is None:
        return field
    if isinstance(key, AccessUnit) and not key.is_reference:
        return field  # nothing inherits vectors from it
    assert isinstance(sps, Sps)
    if isinstance(key, MissingPicture) and not key.references:
        # What refers to nothing before it was an intra picture: from those no vectors are inherited.
        field["pred_flag"] = 0
        return field
    pictures = [one for one, _ in references]
    for which, toward in enumerate(first_references(key, previous)):
        reference = next((one for one in pictures if one.order == toward), None)
        if reference is None:
            continue
        received, known = received_vectors(field, sps, which, hole)
        try:
            motion = measure(picture, hole, reference, received, known)
        except Exception:  # the stream goes on whatever a method does
            log.exception("motion of picture %d could not be measured", picture.order)
            return field
        if motion is not None:
            write_vectors(field, sps, which, motion, hole)
    return field
