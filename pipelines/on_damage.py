"""What is shown in the place of a picture that damage has touched, or that lacks what it is predicted from."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from concealer.decoder import OF_USE, DecodedPicture

OnDamage = Literal["conceal", "hold", "drop"]
ON_DAMAGE: tuple[str, ...] = get_args(OnDamage)
"""conceal: the picture as it was repaired, nothing before the first one of use; hold: the last good picture, nothing if
there was none; drop: nothing."""

_PATIENCE, _LEAST_REAL = 60, 0.6
"""Pictures after which a stream joined in its middle is shown with no more than so much of them real: an intra refresh
should be round by then, and by some encoders pictures never heal wholly."""


class DamagePolicy:
    """Decides picture by picture, in output order. Nothing is made up before there is a picture that lacks nothing."""

    def __init__(self, on_damage: OnDamage = "conceal", min_confidence: float = 1.0, *, of_file: bool = False) -> None:
        """of_file: all that comes is there already, so "conceal" leaves out no more than players do: nothing behind
        the first whole picture, and nothing after 60 of no use."""
        self.on_damage: OnDamage = on_damage
        """May change at any time."""
        self.min_confidence = min_confidence
        """0 to 1: pictures of at least this confidence are good; 1: only those that no damage touches. What lacks
        references never is. "conceal" shows every one. May change at any time."""
        self._of_file = of_file
        self.held = self.dropped = 0
        """Pictures replaced by an earlier one, and left out."""
        self._good: DecodedPicture | None = None
        self._back = False
        """From an outage: what it showed stays until there is a good picture."""
        self._begin()

    def _begin(self) -> None:
        self._seen = False
        """A picture came that is not made up."""
        self._useful = False
        """One came that is worth showing."""
        self._waited = 0

    def begin(self, held: DecodedPicture | None = None) -> None:
        """What comes does not follow what came; the last good picture stays, or `held`, whatever the policy."""
        self._begin()
        if held is not None:
            self._good, self._back = held, True

    def forget(self) -> None:
        """The last good picture belongs to what is over."""
        self._good, self._back = None, False
        self._begin()

    def shown(self, picture: DecodedPicture) -> DecodedPicture | None:
        """The picture to show in the place of `picture`; None: none."""
        self._seen |= not picture.synthesised
        self._useful |= not picture.lacks_references or self._is_of_use(picture)
        if not self._seen or not self._is_good(picture):
            return self._instead(picture, "hold" if self._back else self.on_damage)
        self._back = False
        self._good = picture if self.on_damage == "hold" else None
        return picture

    def _is_of_use(self, picture: DecodedPicture) -> bool:
        self._waited += 1
        if not picture.in_loop:  # of these nothing is known
            return True
        if self._of_file and (picture.leading or self._waited >= _PATIENCE):
            return True
        return picture.real >= (OF_USE if self._waited < _PATIENCE else _LEAST_REAL)

    def _is_good(self, picture: DecodedPicture) -> bool:
        if self.on_damage == "conceal":
            # What seems lost before anything is whole was, as a rule, sent before we listened.
            return self._useful and not (picture.lacks_references and (picture.synthesised or self._back))
        return not picture.lacks_references and picture.confidence >= self.min_confidence

    def _instead(self, picture: DecodedPicture, on_damage: OnDamage) -> DecodedPicture | None:
        if on_damage != "hold" or self._good is None:
            self.dropped += 1
            return None
        self.held += 1
        return replace(picture, frame=self._good.frame, repeated=True)
