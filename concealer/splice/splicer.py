"""Access units in decode order with their repaired pictures in, access units that every decoder shows out."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from concealer.bitstream import AccessUnit, Codec, NalUnit, h264, hevc
from concealer.damage import BLOCK
from concealer.decoder import Settled
from concealer.picture import Plane
from concealer.splice.lost_headers import WholePicture, open_lost_headers
from concealer.splice.open_unit import OpenUnit, Run
from concealer.splice.pieces import Pieces, merge
from concealer.splice.remote import open_carrier_for
from concealer.splice.unit import SplicedUnit, Written
from concealer.standins import UnsupportedStandInError

_MARGIN = 32
"""Luma rows that go with a unit above and below its runs, 16 of each field: motion reaches over the border."""
_ALIGNED = 64


class Splicer:
    """Puts stand-in slices that carry the repaired samples into the gaps of one stream.

    Received slices stay as they are unless they arrived corrupt. Pictures lost as a whole become access units of their
    own. All methods raise UnsupportedStandInError where the stream does not allow it.
    """

    def __init__(
        self,
        codec: Codec,
        parameter_sets: Sequence[NalUnit] = (),
        *,
        seconds: float = 1 / 25,
        own_process: bool = False,
        quick: bool = False,
    ) -> None:
        """
        parameter_sets: those of the container's header.
        seconds: from one picture to the next, to keep within what the stream's level allows.
        own_process: write slices in a process beside.
        quick: access units are waited for: their slices get no more residual than there is time for. They are written
        here then, whatever `own_process` says.
        """
        self._hurry = False
        self._carrier = open_carrier_for(codec, parameter_sets, seconds, own_process and not quick, quick)
        self._pieces = Pieces()
        self._lost_headers = open_lost_headers(codec, self._pieces)
        self._hollow: list[Settled] = []
        self._announced: tuple[NalUnit, ...] = ()
        self._leaving: deque[tuple[SplicedUnit, OpenUnit]] = deque()

    def settled(self, picture: Settled) -> list[SplicedUnit]:
        """Take in one picture; returns what is ready to leave, in decode order: maybe other pictures."""
        if picture.missing is not None:
            claimed = next((h for h in self._hollow if h.index == picture.index), None)
            if claimed is not None:
                self._hollow.remove(claimed)
            return self._lost(picture, claimed.au if claimed else None)
        assert picture.au is not None
        if not any(slice_.header is not None for slice_ in picture.au.slices):
            self._hollow.append(picture)
            return []
        return [*self._give_up_hollow(), *self._received(picture, picture.au)]

    def begin(self, waited: float = 0.0, *, hurry: bool = False) -> None:
        """An access unit comes in, and has waited for so many seconds.

        hurry: there is no time: what is missing is written as a repetition of the reference, coarsely where there is
        none. That shows less than the repair, but keeps up.
        """
        self._hurry = hurry
        self._carrier.begin(waited)

    def announce(self, parameter_sets: Sequence[NalUnit]) -> None:
        """The container's header changes before the next picture."""
        self._announced = tuple(parameter_sets)

    def flush(self) -> list[SplicedUnit]:
        """The stream ended: what is left."""
        return [*self._give_up_hollow(), *self._ready(self._carrier.rest())]

    def catch_up(self) -> None:
        """Do what the next damaged picture would else have to wait for, once what is ready has left."""
        self._carrier.catch_up()

    def close(self) -> None:
        """Free what it holds."""
        self._carrier.close()

    def _give_up_hollow(self) -> list[SplicedUnit]:
        """Access units without a usable slice that no later one showed to be reference pictures: repetitions."""
        ready: list[SplicedUnit] = []
        hollow, self._hollow = self._hollow, []
        for picture in hollow:
            assert picture.au is not None
            whole = self._lost_headers.other(picture.order)
            if whole is None:
                left = replace(_spliced(picture), unmended=True)
                ready += self._leave(left, OpenUnit([*picture.au.nals], picture.order, False, False))
            else:
                ready += self._whole(picture, picture.au, whole, repeat=True)
        return ready

    def _received(self, picture: Settled, au: AccessUnit) -> list[SplicedUnit]:
        self._lost_headers.passed(au)
        unit = OpenUnit([*au.nals], au.order, au.is_reference, au.is_irap, au.is_disposable, au.sps)
        damaged = _is_damaged(picture, au)
        if not (damaged and _fits(picture, au)):
            self._pieces.passed(au)
            return self._leave(replace(_spliced(picture), unmended=damaged), unit)
        if not au.coverage.reliable:
            raise UnsupportedStandInError("slice groups or slices in arbitrary order")
        assert picture.damage is not None
        if isinstance(au.pps, hevc.Pps) and au.pps.tiles:
            raise UnsupportedStandInError("tiles")
        pieces = self._pieces.of(au, picture.damage)
        unit.nals = merge(au, pieces)
        rows: list[int] = []
        for number, piece in enumerate(pieces):
            for first, end in piece.plan.runs:
                address, last = first * piece.blocks, end * piece.blocks
                arrived = piece.plan.arrived(first, end)
                run = Run(piece.header, address, last, piece.kind, arrived, self._hurry)
                slice_ = piece.plan.shortened.get(first)
                # A second field may refer to the first, which can't be had without the field itself.
                if slice_ is not None and slice_.header is not None and not (number and au.is_reference):
                    rest = NalUnit(slice_.nal.data[: slice_.nal.damaged_at], slice_.nal.offset)
                    run = replace(run, header=copy.copy(slice_.header), rest=rest)
                unit.runs.append(run)
                rows += [first // au.cols * piece.rows, ((end - 1) // au.cols + 1) * piece.rows]
        if rows:
            unit.top, unit.planes = _copied(picture, min(rows) * au.unit, max(rows) * au.unit)
        unit.motion = picture.motion
        return self._leave(_spliced(picture, [s.nal for piece in pieces for s in piece.plan.removed]), unit)

    def _lost(self, picture: Settled, au: AccessUnit | None) -> list[SplicedUnit]:
        """A reference picture that never arrived, or arrived without a usable slice (`au`)."""
        assert picture.missing is not None
        if picture.damage is None:
            if au is None:
                return []
            return self._leave(_spliced(picture), OpenUnit([*au.nals], picture.order, True, False))
        return self._whole(picture, au, self._lost_headers.reference(picture.missing))

    def _whole(
        self, picture: Settled, au: AccessUnit | None, whole: WholePicture, repeat: bool = False
    ) -> list[SplicedUnit]:
        """An access unit all of whose slices are ours."""
        header = whole.header
        removed = [] if au is None else [slice_.nal for slice_ in au.slices]
        gone = {id(nal) for nal in removed}
        kept = [] if au is None else [nal for nal in au.nals if id(nal) not in gone]
        places = [None] * len(whole.runs)
        unit = OpenUnit([*kept, *places], picture.order, whole.is_reference, header.is_idr, sps=header.sps)
        repeat |= self._hurry
        unit.runs = [replace(run, repeat=repeat) for run in whole.runs]
        if not repeat or any(run.kind == "I" for run in unit.runs):  # which have nothing to repeat
            if not _has_size(picture, header.sps):
                raise UnsupportedStandInError("a lost picture of another size than those before it")
            unit.top, unit.planes = _copied(picture, 0, picture.planes[0].shape[0])
            unit.motion = picture.motion
        return self._leave(replace(_spliced(picture, removed), au=au), unit)

    def _leave(self, spliced: SplicedUnit, unit: OpenUnit) -> list[SplicedUnit]:
        unit.parameter_sets, self._announced = self._announced, ()
        self._leaving.append((spliced, unit))
        return self._ready(self._carrier.give(unit))

    def _ready(self, answers: Sequence[list[Written]]) -> list[SplicedUnit]:
        ready = []
        for written in answers:
            spliced, unit = self._leaving.popleft()
            ready.append(replace(spliced, nals=unit.filled(written), written=written))
        return ready


def _spliced(picture: Settled, removed: Sequence[NalUnit] = ()) -> SplicedUnit:
    """What becomes of a picture's access unit, its NAL units left out as yet."""
    return SplicedUnit(picture.index, picture.order, picture.pts, picture.au, [], list(removed))


def _copied(picture: Settled, first: int, end: int) -> tuple[int, tuple[Plane, ...]]:
    """(top, planes) of a unit for luma rows [first, end): the decoder's memory is lent for the time of the call."""
    top, bottom = max(0, first - _MARGIN) // _ALIGNED * _ALIGNED, end + _MARGIN
    height = picture.planes[0].shape[0]
    shifts = [height // plane.shape[0] // 2 for plane in picture.planes]
    cut = (plane[top >> shift : bottom >> shift] for plane, shift in zip(picture.planes, shifts, strict=True))
    return top, tuple(np.array(plane) for plane in cut)


def _has_size(picture: Settled, sps: h264.Sps | hevc.Sps) -> bool:
    """Whether a picture was decoded at the size that the parameter set tells."""
    if not picture.planes:
        return False
    rows, cols = (sps.height_mbs, sps.width_mbs) if isinstance(sps, h264.Sps) else (
        -(-sps.height // BLOCK), -(-sps.width // BLOCK))  # fmt: skip
    height, width = picture.planes[0].shape
    return (-(-height // BLOCK), -(-width // BLOCK)) == (rows, cols)


def _is_damaged(picture: Settled, au: AccessUnit) -> bool:
    hole = picture.damage is not None and picture.damage.any_hole
    return hole or any(slice_.header is None or slice_.nal.damaged_at is not None for slice_ in au.slices)


def _fits(picture: Settled, au: AccessUnit) -> bool:
    """False where there is no picture, or one of another size: the decoder lacks what the stream begins with."""
    if picture.damage is None or not picture.planes:
        return False
    return picture.damage.state.shape == (-(-au.height // BLOCK), -(-au.width // BLOCK))
