"""How long damage lasts: from a damaged picture that others refer to until nothing can hang on it."""

from __future__ import annotations

from concealer.bitstream import AccessUnit, Recovery, recovery_count

_INTRA = 2
"""Intra pictures that announce nothing after which damage is held to be over. Pictures behind the first may refer to
those before it, though encoders rarely do that where they think an intra picture worth its bits."""


class Aftermath:
    """Follows one stream in decode order."""

    def __init__(self) -> None:
        self._lasts = False
        self._end: int | None = None
        """In output order, of the first picture that does not hang on it."""
        self._recovery = Recovery()
        self._intra = 0

    def arrives(self, au: AccessUnit) -> None:
        """The next access unit, before its own damage is known."""
        if not self._lasts:
            return
        if au.is_idr:
            self._lasts = False
        elif self._end is None and self._is_end(au):
            self._end = au.order

    def _is_end(self, au: AccessUnit) -> bool:
        recovered = self._recovery.is_complete(au)
        if au.is_irap or recovered:
            return True
        if au.kind == "I":
            self._intra += 1
            return self._intra == _INTRA or recovery_count(au.codec, au.base_nals) == 0
        return False

    def begins(self, order: int) -> None:
        """The picture at this place in output order is damaged, and others refer to it."""
        if self._lasts and self._end is not None and order < self._end:
            return  # it is shown before the end, and what comes behind the end does not refer to it
        self._lasts, self._end, self._recovery, self._intra = True, None, Recovery(), 0

    def touches(self, order: int) -> bool:
        """Whether the picture at this place in output order may be predicted from damage."""
        return self._lasts and (self._end is None or order < self._end)
