"""What goes from step to step of a decoder's turn, from what it got to what is left to do."""

from __future__ import annotations

from dataclasses import dataclass

from concealer.bitstream import AccessUnit
from concealer.decoder.history import Step
from concealer.decoder.hook import Decoded
from concealer.decoder.outputs import Record
from concealer.decoder.prepare import Prepared
from concealer.decoder.turn import Key, Turn


@dataclass(frozen=True)
class Work:
    """What went to the decoder for one picture, and what came of it."""

    record: Record
    key: Key
    au: AccessUnit
    """The access unit whose turn it is: `key` itself, or the one before which the picture of `key` is missing."""
    step: Step
    decoded: Decoded
    prepared: Prepared | None = None
    """None for a stand-in of a whole picture."""
    other: bytes | None = None
    """The payload with other junk behind damaged bytes, where there are any."""

    @property
    def received(self) -> AccessUnit | None:
        """The access unit of the picture; None if nothing of it arrived."""
        return self.key if isinstance(self.key, AccessUnit) else None


@dataclass(frozen=True)
class Unfinished:
    """What a repaired picture leaves to do before the next one is decoded; it need not wait for that itself."""

    work: Work
    turn: Turn
