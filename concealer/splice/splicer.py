"""Access units in decode order with their repaired pictures in, access units that every decoder shows out."""

from __future__ import annotations

from collections.abc import Sequence

from concealer.bitstream.access_unit import AccessUnit, Slice
from concealer.bitstream.nal import Codec, NalUnit
from concealer.bitstream.standin_error import UnsupportedStandInError
from concealer.damage import BLOCK
from concealer.decoder.settled import Settled
from concealer.splice.h264_writer import H264Writer
from concealer.splice.plan import Plan, make_plan
from concealer.splice.unit import SplicedUnit, Target, Written


class Splicer:
    """Puts stand-in slices that carry the repaired samples into the gaps of one stream.

    Received slices stay as they are unless they arrived corrupt. Pictures lost as a whole become access units of their
    own. `settled` raises UnsupportedStandInError where the stream does not allow it.
    """

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit] = ()) -> None:
        """`parameter_sets`: those of the container's header. Raises UnsupportedStandInError for a codec that cannot be spliced."""
        if codec != "h264":
            raise UnsupportedStandInError("HEVC cannot be spliced yet")
        self._writer = H264Writer(parameter_sets)
        self._hollow: list[Settled] = []

    def settled(self, picture: Settled) -> list[SplicedUnit]:
        """Take in one picture; returns what is now known to leave, in decode order."""
        if picture.missing is not None:
            claimed = next((h for h in self._hollow if h.index == picture.index), None)
            if claimed is not None:
                self._hollow.remove(claimed)
            return self._lost(picture, claimed.au if claimed else None)
        assert picture.au is not None
        if not any(slice_.header is not None for slice_ in picture.au.slices):
            self._hollow.append(picture)
            return []
        return [*self.flush(picture), self._received(picture, picture.au)]

    def flush(self, following: Settled | None = None) -> list[SplicedUnit]:
        """Access units without a usable slice that no later one showed to be reference pictures."""
        hollow, self._hollow = self._hollow, []
        return [self._repeated(picture) for picture in hollow]

    def _received(self, picture: Settled, au: AccessUnit) -> SplicedUnit:
        if not _is_damaged(picture, au):
            self._writer.passed(au.nals, au)
            return SplicedUnit(picture.index, picture.order, picture.pts, au, au.nals)
        target = _target(picture, au)
        if target is None:
            self._writer.passed(au.nals, au)
            return SplicedUnit(picture.index, picture.order, picture.pts, au, au.nals)
        if not au.coverage.reliable:
            raise UnsupportedStandInError("slice groups or slices in arbitrary order")
        if au.interlaced != "progressive":
            raise UnsupportedStandInError("interlaced pictures")
        plan = make_plan(au, target.damage)
        written = self._writer.write(au, plan, target)
        nals = merge(au, plan, written)
        self._writer.passed(nals, au)
        removed = [slice_.nal for slice_ in plan.removed]
        return SplicedUnit(picture.index, picture.order, picture.pts, au, nals, removed, written)

    def _lost(self, picture: Settled, au: AccessUnit | None) -> list[SplicedUnit]:
        """A whole picture that never arrived, or arrived without a usable slice (`au`)."""
        assert picture.missing is not None
        if picture.damage is None:
            return [] if au is None else [SplicedUnit(picture.index, picture.order, picture.pts, au, au.nals)]
        written = self._writer.write_picture(picture.missing, Target(picture.planes, picture.damage))
        return [_whole(picture, au, written)]

    def _repeated(self, picture: Settled) -> SplicedUnit:
        assert picture.au is not None
        written = self._writer.repeat(picture.order)
        return _whole(picture, picture.au, written)


def _whole(picture: Settled, au: AccessUnit | None, written: Sequence[Written]) -> SplicedUnit:
    """An access unit all of whose slices are ours."""
    ours = [one.nal for one in written]
    if au is None:
        return SplicedUnit(picture.index, picture.order, picture.pts, None, ours, [], list(written))
    removed = [slice_.nal for slice_ in au.slices]
    gone = {id(nal) for nal in removed}
    nals = [nal for nal in au.nals if id(nal) not in gone]
    return SplicedUnit(picture.index, picture.order, picture.pts, au, [*nals, *ours], removed, list(written))


def _is_damaged(picture: Settled, au: AccessUnit) -> bool:
    hole = picture.damage is not None and picture.damage.any_hole
    return hole or any(slice_.header is None or slice_.nal.damaged_at is not None for slice_ in au.slices)


def _target(picture: Settled, au: AccessUnit) -> Target | None:
    """None where there is no picture, or one of another size: the decoder lacks what the stream begins with."""
    if picture.damage is None or not picture.planes:
        return None
    if picture.damage.state.shape != (-(-au.height // BLOCK), -(-au.width // BLOCK)):
        return None
    return Target(picture.planes, picture.damage)


def merge(au: AccessUnit, plan: Plan, written: Sequence[Written]) -> list[NalUnit]:
    """The access unit's NAL units without the removed slices, and ours at their places by address."""
    by_nal: dict[int, Slice] = {id(slice_.nal): slice_ for slice_ in au.slices}
    gone = {id(slice_.nal) for slice_ in plan.removed}
    waiting = list(written)
    nals: list[NalUnit] = []
    last = 0
    for nal in au.nals:
        slice_ = by_nal.get(id(nal))
        if slice_ is not None:
            while slice_.first is not None and waiting and waiting[0].first < slice_.first:
                nals.append(waiting.pop(0).nal)
            last = len(nals) + (id(nal) not in gone)
        elif _is_part_of_slice(au, nal) and gone:
            continue
        if id(nal) not in gone:
            nals.append(nal)
    nals[last:last] = [one.nal for one in waiting]
    return nals


def _is_part_of_slice(au: AccessUnit, nal: NalUnit) -> bool:
    """Data partitions B and C, which mean nothing without their A."""
    return au.codec == "h264" and nal.data[0] & 31 in (3, 4)
