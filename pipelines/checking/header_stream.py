"""One video stream by its headers alone: which slices, pictures and stretches of time are missing or corrupt."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec, NalUnit, Slice, StreamParser
from concealer.damage import BLOCK
from concealer.decoder import Placer, Roots, rules_of
from pipelines.checking.tally import Hurt, Tally
from pipelines.checking.verdict import StreamCheck
from pipelines.gaps import GapPolicy, Gaps
from pipelines.reading import TimeMender

_MOST_HELD = 16
"""Pictures that may come in another order than they are shown, by the standards."""
_LEAST_BYTES = 12
"""A slice cut shorter holds no block."""
_MOST_PADDING = 64
"""Zeros behind a slice that are none of it, as some muxers leave there; of more it is not known what they were."""


@dataclass(slots=True)
class _Picture:
    """As `pipelines.gaps.Placed`."""

    index: int
    order: int
    pts: int | None
    scene: int
    blocks: int
    hurt: Hurt | None = None
    synthesised: bool = False
    lacks_references: bool = False


class HeaderStream:
    """Takes the payloads of one stream. What it cannot know is what a decoder alone would show."""

    def __init__(
        self, codec: Codec, extradata: bytes | None, time_base: Fraction, interval: int, *, framed: bool, timed: bool
    ) -> None:
        """interval: ticks from picture to picture at the nominal rate. framed: a payload is an access unit.
        timed: the container has times; else pictures follow each other at the interval.
        """
        self._codec: Codec = codec
        self._framed = framed
        self._begin(extradata)
        self._tick = time_base.numerator / time_base.denominator
        self._tally = Tally(codec, interval * self._tick)
        self._interval = interval
        self._mender = TimeMender(interval) if timed else None
        self._gaps = Gaps(GapPolicy(), self._tick, "") if timed else None
        self._held: list[tuple[int, int, _Picture]] = []
        """In decode order, until their turn in output order has come."""
        self._untimed: deque[_Picture] = deque()
        """In output order, until their time is known."""
        self._index = self._scene = self._shown = 0
        self._spoilt = self._spoilt_before = False
        """What follows may be predicted from damage; the same before the latest IRAP picture."""
        self._reached = 0

    def _begin(self, extradata: bytes | None) -> None:
        self._parser = StreamParser(self._codec, extradata, container_framed=self._framed)
        self._placer = Placer(rules_of(self._codec))
        self._roots = Roots()

    def renew(self, extradata: bytes) -> None:
        """The container's header changes: what comes is a stream of its own, on the same time line."""
        self._drain()
        self._begin(extradata)

    @property
    def start(self) -> float | None:
        """Time of the first picture, in seconds."""
        return self._tally.start

    def push(
        self, data: bytes, pts: int | None, dts: int | None, gaps: Sequence[int] = (), truncated: bool = False
    ) -> None:
        """Take in one payload; times in ticks, the others as of `StreamParser.push`."""
        if self._mender is not None:
            self._mender.arrived(pts, dts)
        for au in self._parser.push(data, pts=pts, dts=dts, gaps=gaps, truncated=truncated):
            self._unit(au)

    def flush(self) -> None:
        """The stream ended."""
        self._drain()
        if self._mender is not None:
            self._release(self._mender.flush())

    def _drain(self) -> None:
        for au in self._parser.flush():
            self._unit(au)
        while self._held:
            self._time(heapq.heappop(self._held)[2])

    def finish(self, start: float | None) -> StreamCheck:
        """What was found. start: of the file's first picture, in seconds."""
        check = self._tally.finish(start)
        check.tainted = self._reached
        check.retimed = self._mender.mended if self._mender is not None else 0
        return check

    def _unit(self, au: AccessUnit) -> None:
        """The next access unit in decode order."""
        placer = self._placer
        placer.place(au)
        if au.missing_before:
            placer.settle(au, ())
        if au.rasl_skipped:  # nobody shows it
            return
        blocks = -(-au.width // BLOCK) * -(-au.height // BLOCK)
        if not blocks:  # without parameter sets it is no picture to anybody
            return
        for missing in au.missing_before:
            self._spoilt = True
            if missing.shown:
                self._hold(missing.order, placer.time_of(missing), blocks, Hurt(blocks, 0, 0, True, ("picture lost",)))
        self._scene += au.is_irap
        self._roots.arrives(au)
        hurt = _hurt(au, blocks)
        order = au.order
        if hurt is not None and hurt.whole:
            order = placer.order_of(au)
        lacks = self._roots.lacks(order)
        self._tally.check.without_references += lacks
        self._tally.check.misplaced += au.moved
        self._tally.check.unreadable_sets += au.unreadable_sets
        self._spread(au, hurt)
        self._hold(order, au.pts, blocks, hurt, lacks)

    def _spread(self, au: AccessUnit, hurt: Hurt | None) -> None:
        """Follow how far damage can reach: to the next IRAP picture, but for pictures that lead it."""
        if au.is_irap and hurt is None:
            self._spoilt_before, self._spoilt = self._spoilt, False
        elif hurt is None:
            self._reached += self._spoilt_before if au.is_rasl else self._spoilt
        elif au.is_reference or hurt.whole:
            self._spoilt = True

    def _hold(self, order: int, pts: int | None, blocks: int, hurt: Hurt | None, lacks: bool = False) -> None:
        whole = hurt is not None and hurt.whole
        picture = _Picture(self._index, order, pts, self._scene, blocks, hurt, whole, lacks)
        heapq.heappush(self._held, (order, self._index, picture))
        self._index += 1
        if len(self._held) > _MOST_HELD:
            self._time(heapq.heappop(self._held)[2])

    def _time(self, picture: _Picture) -> None:
        """The next picture in output order."""
        if self._mender is None:
            self._tally.add(self._shown * self._interval * self._tick, picture.blocks, picture.hurt)
            self._shown += 1
            return
        self._untimed.append(picture)
        self._release(self._mender.push(picture.pts, not picture.synthesised))

    def _release(self, times: Sequence[int]) -> None:
        for time in times:
            picture = self._untimed.popleft()
            following = list(self._untimed)
            missing = self._gaps.before(picture, time, following)[0] if self._gaps is not None else ()
            for at in missing:
                lost = Hurt(picture.blocks, 0, 0, True, ("picture lost",))
                self._tally.add(at * self._tick, picture.blocks, lost)
            self._tally.add(time * self._tick, picture.blocks, picture.hurt)


def _hurt(au: AccessUnit, blocks: int) -> Hurt | None:
    """What the headers tell of an access unit's damage."""
    coverage, slices = au.coverage, au.slices
    unreadable = sum(one.header is None for one in slices)
    cut = sum(one.nal.damaged_at is not None for one in slices)
    # Masks without a block are one and the same.
    if slices and not (unreadable or cut or coverage.broken) and coverage.lost is coverage.uncertain:
        return None
    if cut and not unreadable and all(_is_padded(one.nal) for one in slices) and not coverage.lost.any():
        return None
    if not any(_is_usable(one) for one in slices):
        return Hurt(blocks, 0, 0, True, ("picture lost",))
    lost = _count(coverage.lost, au)
    broken = _count((coverage.broken_blocks | coverage.uncertain) & ~coverage.lost, au)
    if not (lost or broken or unreadable or cut):
        return None
    if not lost and not broken:  # where slices stand is not known
        broken = max(1, blocks * (unreadable + cut) // len(slices))
    bytes_lost = cut or (broken and not unreadable)
    found = ((lost, "slice lost"), (unreadable, "slice header broken"), (bytes_lost, "bytes lost"))
    return Hurt(lost, broken, causes=tuple(cause for count, cause in found if count))


def _is_padded(nal: NalUnit) -> bool:
    """Whether a unit is whole, but for zeros behind it."""
    if nal.damaged_at is None:
        return True
    rest = nal.data[nal.damaged_at :]
    return 0 < len(rest) <= _MOST_PADDING and not rest.strip(b"\0")


def _is_usable(one: Slice) -> bool:
    return one.header is not None and (one.nal.damaged_at is None or one.nal.damaged_at >= _LEAST_BYTES)


def _count(units: npt.NDArray[np.bool_], au: AccessUnit) -> int:
    """Blocks of 16x16 in the macroblocks or CTBs that are set; those at the edges may be cut."""
    scale = max(1, au.unit // BLOCK)
    rows, cols = -(-au.height // BLOCK), -(-au.width // BLOCK)
    return int(np.count_nonzero(units.repeat(scale, axis=0)[:rows].repeat(scale, axis=1)[:, :cols]))
