"""A decoder that is given what leaves, and so holds the references every decoder of the spliced stream has."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from concealer.bitstream import PARAMETER_SETS, Codec, NalUnit, base_layer, join_annexb, nal_type
from concealer.decoder.hook import BareCore, Buffer
from concealer.picture import Plane
from concealer.splice.open_unit import OpenUnit

_REFERENCES = 6
"""Pictures kept to look for motion in."""
MOST_WAITING = 300
"""Access units that may wait for somebody to ask; more would only make the wait long when one does."""
_IDR = {"h264": (5,), "hevc": (19, 20)}
"""nal_unit_type of slices of IDR pictures."""


@dataclass(frozen=True)
class _Passed:
    """An access unit on its way into the decoder."""

    nals: Sequence[NalUnit]
    order: int
    is_reference: bool
    restart: bool


class Mirror:
    """Decodes the spliced stream, and pictures that ask what a prediction from its references looks like.

    It need not decode what nobody asks about: access units that are only passed by wait, and those before the next IDR
    picture are never decoded.

    Raises HookUnavailableError where picture buffers can't be had.
    """

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit]) -> None:
        self._codec = codec
        self._core = BareCore(codec)  # what a probe leaves out is not to be concealed
        self._headers = list(parameter_sets)
        self._references: deque[tuple[int, Buffer]] = deque(maxlen=_REFERENCES)
        self._behind: list[_Passed] = []
        """Access units not decoded yet."""

    @property
    def waiting(self) -> int:
        """How many access units wait to be decoded, should anybody ask; at most `MOST_WAITING`."""
        return len(self._behind)

    def announce(self, parameter_sets: Sequence[NalUnit]) -> None:
        """Parameter sets that are not in the stream."""
        if parameter_sets:
            self.catch_up()
            self._headers += parameter_sets

    def pass_by(self, unit: OpenUnit) -> None:
        """Take in an access unit whose picture nobody looks at."""
        passed = _Passed([nal for nal in unit.nals if nal is not None], unit.order, unit.is_reference, unit.restart)
        sets = [nal for nal in passed.nals if self._is_parameter_set(nal)]
        if any(self._is_idr(nal) for nal in passed.nals):
            self._headers += [nal for past in self._behind for nal in past.nals if self._is_parameter_set(nal)]
            self._behind.clear()
            self._references.clear()
        if sets or not unit.is_disposable:
            self._behind.append(passed)
        if len(self._behind) > MOST_WAITING:
            self.catch_up()

    def follow(self, nals: Sequence[NalUnit], order: int, is_reference: bool, restart: bool) -> tuple[Plane, ...]:
        """Decode an access unit; views of its picture at coded size, valid until the next call, () if it has none.

        `order`: its place in output order; `restart`: no later one refers to any before it.
        """
        self.catch_up()
        return self._take(_Passed(nals, order, is_reference, restart))

    def probe(self, parts: Sequence[Sequence[NalUnit]]) -> tuple[Plane, ...]:
        """Decode slices (and parameter sets of their own) as a picture that no other refers to; as `follow`.

        parts: one, the frame, or two, its fields. Only samples of the slices mean anything. H.264: the slices must bear
        nal_ref_idc 0.
        """
        self.catch_up()
        found = [self._decode(slices) for slices in parts]
        return () if found[0] is None else found[0].planes

    def latest(self) -> tuple[Plane, ...] | None:
        """The reference picture decoded last."""
        self.catch_up()
        return self._references[-1][1].planes if self._references else None

    def at(self, order: int) -> tuple[Plane, ...] | None:
        """The reference picture at `order` in output order."""
        self.catch_up()
        return next((buffer.planes for place, buffer in reversed(self._references) if place == order), None)

    def around(self, order: int) -> tuple[tuple[Plane, ...], tuple[Plane, ...]] | None:
        """The nearest reference pictures before and after `order` in output order; None if there aren't both."""
        self.catch_up()
        before = max((r for r in self._references if r[0] < order), key=_order, default=None)
        after = min((r for r in self._references if r[0] > order), key=_order, default=None)
        return None if before is None or after is None else (before[1].planes, after[1].planes)

    def close(self) -> None:
        """Free the decoder."""
        self._references.clear()
        self._core.close()

    def catch_up(self) -> None:
        """Decode what waits, while nobody waits for it."""
        behind, self._behind = self._behind, []
        for passed in behind:
            self._take(passed)

    def _take(self, passed: _Passed) -> tuple[Plane, ...]:
        if passed.restart:
            self._references.clear()
        buffer = self._decode(passed.nals)
        if buffer is None:
            return ()
        if passed.is_reference:
            self._references.append((passed.order, buffer))
        return buffer.planes

    def _is_parameter_set(self, nal: NalUnit) -> bool:
        return nal_type(self._codec, nal) in PARAMETER_SETS[self._codec]

    def _is_idr(self, nal: NalUnit) -> bool:
        return nal_type(self._codec, nal) in _IDR[self._codec]

    def _decode(self, nals: Sequence[NalUnit]) -> Buffer | None:
        headers, self._headers = self._headers, []
        return self._core.decode(join_annexb(base_layer(self._codec, [*headers, *nals])))


def _order(reference: tuple[int, Buffer]) -> int:
    return reference[0]
