"""What differs by codec in the memory of a hooked libav decoder: one interface, chosen once when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from concealer.bitstream import AccessUnit, MissingPicture
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.coding import Coding, Ends
from concealer.decoder.hook.errors import Errors
from concealer.decoder.hook.motion_store import MotionStore
from concealer.outlook import ReceivedMotion


class VectorReader(Protocol):
    """Reads the vectors of the picture that was decoded last."""

    def stood_in(self, missing: MissingPicture) -> None:
        """A lost picture has a stand-in; others may refer to it."""

    def read(self, buffer: Buffer, au: AccessUnit) -> ReceivedMotion | None:
        """None if they cannot be had."""

    def pass_over(self, au: AccessUnit) -> None:
        """Nobody asks for the vectors of this one; others may refer to it."""


class CodecHook(Protocol):
    """One for each hooked decoder context."""

    options: Mapping[str, str]
    """Options of the context, beside those that every codec has."""
    bare: Mapping[str, str]
    """Options that switch the decoder's own concealment off."""
    most_threads: int | None
    """Slice threads under which the decoder still tells what it failed in; None: any number."""
    fills_holes: bool
    """The decoder has a concealment of its own."""

    conceals: bool
    """The decoder fills what it fails in by itself. May be set before each access unit, where `fills_holes`."""
    coding: Coding
    """Of what comes next. To be set before each payload."""

    def attach(self, pointer: int, threads: int) -> None:
        """The AVCodecContext at `pointer` is open, with so many threads."""

    def dressed(self, payload: bytes) -> bytes:
        """What the decoder gets for an access unit's payload."""

    def left_over(self) -> int | None:
        """Bytes of the last slice that the decoder left unused, less than 0 if it used some behind the slice's end; 0
        for one that ended where its data end. None if that can't be told."""

    def prepare(self, buffer: Buffer) -> None:
        """A buffer is handed out: the decoder has not written to it yet."""

    def own(self, buffers: list[Buffer]) -> Buffer:
        """The access unit's own picture among the buffers that it made the decoder ask for; at least one."""

    def errors(self, buffers: list[Buffer], ends: Ends | None = None) -> Errors | None:
        """What the decoder failed in; `buffers` as in `own`. None if nothing, or if it can't be told.

        ends: as in `DecoderCore.decode`.
        """

    def open_motion_store(self) -> MotionStore | None:
        """Motion fields that later pictures inherit from, where the codec has such and they can be reached."""

    def open_reader(self, store: MotionStore | None) -> VectorReader | None:
        """A reader of vectors; None where libav is not laid out as expected."""
