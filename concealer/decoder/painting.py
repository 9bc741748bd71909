"""Having holes repaired, and telling decoders how the repaired blocks moved."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from concealer.bitstream import AccessUnit, MissingPicture, hevc
from concealer.damage import DamageMap
from concealer.decoder.extent import half_written
from concealer.decoder.hook import Field, MotionStore, inter_header, received_vectors, reset_vectors, write_vectors
from concealer.decoder.rules import Rules
from concealer.decoder.turn import Turn
from concealer.outcome import KnownVectors, Measure, Repair, RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture

log = logging.getLogger(__name__)


class Painter:
    """Calls a repair and a measure; the stream goes on whatever they do."""

    def __init__(self, rules: Rules, repair: Repair | None, measure: Measure | None) -> None:
        self._rules = rules
        self._repair = repair
        self._measure = measure

    @property
    def measures(self) -> bool:
        """Motion of repaired blocks is measured."""
        return self._measure is not None

    def paint(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None
    ) -> RepairOutcome | None:
        """Repair the hole of `damage` in place; None if nobody did."""
        if self._repair is None:
            return None
        same_size = [r for r in references if (r.width, r.height) == (picture.width, picture.height)]
        try:
            if outlook is not None:
                return self._repair(picture, damage, same_size, outlook)
            return self._repair(picture, damage, same_size)
        except Exception:
            log.exception("repair failed, picture %d stays as decoded", picture.order)
            return None

    def teach(self, store: MotionStore | None, turn: Turn, measured: bool = True) -> Field | None:
        """The decoder's motion field of the picture, the vectors of its hole replaced by measured ones.

        For the pictures that inherit its vectors. An intra picture that was lost as a whole has none. measured: False
        leaves the field as it is. None if it is not to be had.
        """
        key = turn.key
        latest = key if isinstance(key, AccessUnit) else turn.previous
        sps = None if latest is None else latest.sps
        if store is None or not isinstance(sps, hevc.Sps):
            return None
        field = store.field(turn.buffer, sps)
        if field is not None and turn.errors is not None and isinstance(key, AccessUnit):
            # What the decoder keeps for blocks it never wrote is an older picture's.
            unwritten = half_written(turn.errors.missing, key, turn.previous)
            reset_vectors(field, sps, unwritten, inter_header(key) is not None)
        if field is None or turn.hole is None or self._measure is None or not measured:
            return field
        if isinstance(key, AccessUnit) and not key.is_reference:
            return field  # nothing inherits vectors from it
        if isinstance(key, MissingPicture) and not key.references:
            # What refers to nothing before it was an intra picture: from those no vectors are inherited.
            field["pred_flag"] = 0
            return field
        self._write_measured(field, sps, turn, self._measure)
        return field

    def _write_measured(self, field: Field, sps: hevc.Sps, turn: Turn, measure: Measure) -> None:
        hole = turn.damage.rather_wrong
        for which, toward in enumerate(self._rules.first_references(turn.key, turn.previous)):
            reference = next((one for one in turn.reference_pictures if one.order == toward), None)
            if reference is None:
                continue
            received, known = received_vectors(field, sps, which, hole)
            try:
                motion = measure(turn.picture, hole, reference, received, known)
            except Exception:
                log.exception("motion of picture %d could not be measured", turn.picture.order)
                return
            if motion is not None:
                write_vectors(field, sps, which, motion, hole)


def known_motion(field: Field | None, turn: Turn) -> tuple[KnownVectors, ...]:
    """Vectors of a damaged picture to reference 0 of each list, by the decoder's motion field."""
    latest = turn.key if isinstance(turn.key, AccessUnit) else turn.previous
    sps = None if latest is None else latest.sps
    if field is None or turn.hole is None or not isinstance(sps, hevc.Sps):
        return ()
    nowhere = np.zeros(turn.damage.state.shape, np.bool_)
    found = [received_vectors(field, sps, which, nowhere) for which in range(2)]
    return tuple((vectors.copy(), known) for vectors, known in found)
