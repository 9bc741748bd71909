"""A decoder that is given what leaves, and so holds the references every decoder of the spliced stream has."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

import av
import av.error

from concealer.bitstream.nal import Codec, NalUnit, join_annexb
from concealer.decoder.buffers import Buffer, BufferHook
from concealer.decoder.core import open_context
from concealer.picture import Plane

log = logging.getLogger(__name__)

_REFERENCES = 6
"""Pictures kept to look for motion in."""


class Mirror:
    """Decodes the spliced stream, and pictures that ask what a prediction from its references looks like.

    Raises HookUnavailableError where picture buffers can't be had.
    """

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit]) -> None:
        self._codec = codec
        self._context = open_context(codec, 1)
        if codec == "h264":
            # What a probe leaves out is not to be concealed.
            self._context.options = {**self._context.options, "ec": "0"}
        self._hook = BufferHook(self._context, None)
        self._headers = list(parameter_sets)
        self._references: deque[tuple[int, Buffer]] = deque(maxlen=_REFERENCES)

    def announce(self, parameter_sets: Sequence[NalUnit]) -> None:
        """Parameter sets that are not in the stream."""
        self._headers += parameter_sets

    def follow(self, nals: Sequence[NalUnit], order: int, is_reference: bool, restart: bool) -> tuple[Plane, ...]:
        """Decode an access unit; views of its picture at coded size, valid until the next call, () if it has none.

        `order`: its place in output order; `restart`: no later one refers to any before it.
        """
        if restart:
            self._references.clear()
        buffer = self._decode(nals)
        if buffer is None:
            return ()
        if is_reference:
            self._references.append((order, buffer))
        return buffer.planes

    def probe(self, slices: Sequence[NalUnit]) -> tuple[Plane, ...]:
        """Decode slices (and parameter sets of their own) as a picture that no other refers to; as `follow`.

        Only samples of the slices mean anything. H.264: the slices must bear nal_ref_idc 0.
        """
        buffer = self._decode(slices)
        return () if buffer is None else buffer.planes

    def latest(self) -> tuple[Plane, ...] | None:
        """The reference picture decoded last."""
        return self._references[-1][1].planes if self._references else None

    def at(self, order: int) -> tuple[Plane, ...] | None:
        """The reference picture at `order` in output order."""
        return next((buffer.planes for place, buffer in reversed(self._references) if place == order), None)

    def around(self, order: int) -> tuple[tuple[Plane, ...], tuple[Plane, ...]] | None:
        """The nearest reference pictures before and after `order` in output order; None if there aren't both."""
        before = max((r for r in self._references if r[0] < order), key=_order, default=None)
        after = min((r for r in self._references if r[0] > order), key=_order, default=None)
        return None if before is None or after is None else (before[1].planes, after[1].planes)

    def close(self) -> None:
        """Free the decoder."""
        self._references.clear()
        self._hook.remove()

    def _decode(self, nals: Sequence[NalUnit]) -> Buffer | None:
        packet = av.Packet(join_annexb([*self._headers, *nals]))
        self._headers = []
        try:
            self._context.decode(packet)
        except av.error.FFmpegError as error:
            log.debug("mirror: %s", error)
        buffers = self._hook.take()
        if not buffers:
            return None
        # Gap pictures that H.264 inserts come before the picture; missing references that HEVC makes up, after it.
        return buffers[-1] if self._codec == "h264" else buffers[0]


def _order(reference: tuple[int, Buffer]) -> int:
    return reference[0]
