"""Whether pictures have what they are predicted from, where a stream is joined in its middle."""

from __future__ import annotations

from concealer.bitstream import AccessUnit, Recovery

NO_REFERENCES = "no intra picture before it"
"""Cause on the damage map of a picture that lacks what it is predicted from, because decoding began after that."""


class Roots:
    """Follows a stream from where decoding began to the first picture that needs nothing from before.

    That is an intra picture, or the end of an intra refresh.
    """

    def __init__(self) -> None:
        self._order: int | None = None
        """In output order, of the first picture that lacks nothing."""
        self._recovery = Recovery()

    def arrives(self, au: AccessUnit) -> None:
        """The next access unit in decode order."""
        if self._order is None and (au.is_irap or au.kind == "I" or self._recovery.is_complete(au)):
            self._order = au.order

    def lacks(self, order: int) -> bool:
        """Whether the picture at this place in output order lacks what it is predicted from."""
        return self._order is None or order < self._order
