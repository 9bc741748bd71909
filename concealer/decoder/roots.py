"""Whether pictures have what they are predicted from, where a stream is joined in its middle."""

from __future__ import annotations

from concealer.bitstream import AccessUnit, Recovery, hevc

NO_REFERENCES = "no intra picture before it"
"""Cause on the damage map of a picture that lacks what it is predicted from, because decoding began after that."""


class Roots:
    """Follows a stream from where decoding began to the first picture that needs nothing from before.

    That is an intra picture, or the end of an intra refresh.
    """

    def __init__(self) -> None:
        self._order: int | None = None
        """In output order, of the first picture that lacks nothing."""
        self._restarted = False
        """Whatever comes now has all it needs, even if it is shown before that picture."""
        self._begun = False
        self._leading: set[int] = set()
        """In output order, of the RASL pictures of the first IRAP picture, if that was not the first of all: they are
        decoded, and refer to what lies before it."""
        self._irap = 0
        self._recovery = Recovery()

    def arrives(self, au: AccessUnit) -> None:
        """The next access unit in decode order."""
        # What leads a HEVC picture of this kind and is decoded at all needs nothing from before it (RADL). Leading
        # pictures of an IDR picture of H.264 need nothing either, by the standard, but there are cameras that begin
        # files with an IDR picture whose leading pictures do.
        self._irap += au.is_irap
        if self._begun and self._irap == 1 and au.is_rasl:
            self._leading.add(au.order)
        self._begun = True
        if au.is_irap and (self._order is not None or isinstance(au.sps, hevc.Sps)):
            self._restarted = True
        if self._order is None and (au.is_irap or au.kind == "I" or self._recovery.is_complete(au)):
            self._order = au.order

    def passes(self, au: AccessUnit) -> bool:
        """Whether `au`, the next access unit, lacks nothing and changes nothing here: it need not arrive then."""
        if self._order is None or au.is_irap or au.is_rasl:
            return False
        return self._restarted or au.order >= self._order

    @property
    def found(self) -> bool:
        """The first picture that lacks nothing was there."""
        return self._order is not None

    def lacks(self, order: int) -> bool:
        """Whether the picture at this place in output order lacks what it is predicted from."""
        if order in self._leading:
            return True
        return not self._restarted and (self._order is None or order < self._order)
