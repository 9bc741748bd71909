"""What is shown of a stream that is joined in its middle, until its pictures have what they are predicted from."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from concealer.decoder import DecodedPicture

JoinPolicy = Literal["conceal", "hold", "drop"]
JOIN_POLICIES: tuple[str, ...] = get_args(JoinPolicy)
"""conceal: the pictures as they come, on what is guessed where references are missing; hold: the last picture that
lacked nothing, nothing if there was none; drop: nothing."""


class Joining:
    """Decides picture by picture, in output order. Nothing is made up before there is a picture that lacks nothing."""

    def __init__(self, policy: JoinPolicy = "conceal") -> None:
        self.policy: JoinPolicy = policy
        """May change at any time."""
        self.held = self.dropped = 0
        """Pictures replaced by an earlier one, and left out."""
        self._clean: DecodedPicture | None = None
        self._seen = False
        self._back = False
        """From an outage: what it showed stays until there is a picture that lacks nothing."""

    def begin(self, held: DecodedPicture | None = None) -> None:
        """What comes does not follow what came; the last good picture stays, or `held`, whatever the policy."""
        self._seen = False
        if held is not None:
            self._clean, self._back = held, True

    def forget(self) -> None:
        """The last good picture belongs to what is over."""
        self._clean, self._seen, self._back = None, False, False

    def shown(self, picture: DecodedPicture) -> DecodedPicture | None:
        """The picture to show in the place of `picture`; None: none."""
        self._seen |= not picture.synthesised
        # What seems lost before anything is whole was, as a rule, sent before we listened.
        policy: JoinPolicy = "hold" if self._back else self.policy
        if not self._seen or (picture.lacks_references and (picture.synthesised or policy != "conceal")):
            return self._instead(picture, policy)
        self._back = False
        if self.policy != "hold":
            self._clean = None
        elif not picture.lacks_references:
            self._clean = picture
        return picture

    def _instead(self, picture: DecodedPicture, policy: JoinPolicy) -> DecodedPicture | None:
        if policy != "hold" or self._clean is None:
            self.dropped += 1
            return None
        self.held += 1
        return replace(self._clean, pts=picture.pts, duration=picture.duration, damage=picture.damage, synthesised=True)
