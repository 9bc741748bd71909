"""Where the motion of lost slices comes from: predicted before they are written, or measured once they are repaired."""

from __future__ import annotations

from functools import partial

from concealer.bitstream import AccessUnit
from concealer.decoder.hook import MotionStore
from concealer.decoder.painting import Painter
from concealer.decoder.recent import Recent
from concealer.decoder.rules import FieldFn, Rules
from concealer.outcome import Motion, Vectors


class Predicting:
    """Of one stream."""

    def __init__(
        self, motion: Motion | None, rules: Rules, painter: Painter, store: MotionStore | None, recent: Recent
    ) -> None:
        """motion: None takes blocks for still, or leaves it to the measuring. store: where measured motion goes."""
        self._motion = motion
        self._rules = rules
        self._measures = painter.measures and store is not None
        self._recent = recent

    def measures(self, au: AccessUnit) -> bool:
        """Whether the motion of the lost blocks of `au` is measured once they are repaired, instead of predicted."""
        if not self._measures:
            return False
        return self._motion is None or not au.is_reference or self._rules.follows_its_reference(au)

    def field(self, au: AccessUnit) -> FieldFn | None:
        """The motion that stand-in slices of `au` are written with; None: they repeat their reference."""
        if self._motion is None or self.measures(au):
            return None
        return partial(self._predict, self._motion, au.order)

    def _predict(self, motion: Motion, order: int, toward: int, top: int, bottom: int) -> Vectors | None:
        return motion(order, toward, self._recent.pictures, top, bottom)
