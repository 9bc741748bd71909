"""Where pictures are shown: places in output order and times, for those that tell them wrong or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from concealer.bitstream import AccessUnit, MissingPicture, h264, recovery_count
from concealer.decoder.rules import Rules
from concealer.decoder.slots import Slots
from concealer.decoder.timeline import Timeline

_LIKELIER = 3
"""Lost pictures fewer that a lost IDR picture must explain it with where frame_num goes round without one."""

_OUTAGE = 25
"""Access units in a row that may be lost; for more, time was not recorded, or there was no reception at all."""


class Placer:
    """Gives every access unit, and the pictures missing before it, its place in output order."""

    def __init__(self, rules: Rules, fill: int = 0) -> None:
        """fill: name lost pictures that nobody refers to as well, as far as times tell of them, up to so many lost."""
        self._rules = rules
        self._fill = fill
        self._timeline = Timeline()
        self._leap = 0
        """What orders are moved by since counting began anew unnoticed."""
        self._greatest = 0
        self._goes_round = False
        self._slots = Slots()

    def place(self, au: AccessUnit) -> None:
        """Set `au.order` and `au.missing_before`; learn its time.

        Where pictures are missing before it that count from an IDR, believe its time rather than what it counts: a lost
        IDR picture begins to count frame_num and POC anew, which looks like many lost pictures and a leap.
        """
        au.order += self._leap
        if not au.missing_before and not au.is_idr:  # as of most
            self._goes_round |= au.frame_num == 0
            self._greatest = max(self._greatest, au.order)
            if au.poc is not None:
                self._timeline.learn(au.order, au.pts)
            return
        if (au.room_before or 0) > _OUTAGE and begins_anew(au):
            # What was not recorded was not lost: it begins where a recording can be cut.
            au.missing_before = []
        missing = [replace(one, order=one.order + self._leap) for one in au.missing_before]
        place = self._timeline.behind_all(au.pts) if missing and self._rules.counts_pictures else None
        room = 0
        if place is not None and place[0] != au.order:
            order, room, step = place
            if room:
                self._leap += order - au.order
                au.order = order
                # frame_num counts the reference pictures since the IDR picture, that one among them.
                missing = missing[-max(1, min(room, au.frame_num or 1)) :]
                missing = [replace(m, order=order - step * (len(missing) - i)) for i, m in enumerate(missing)]
                missing = [replace(m, is_idr=not m.frame_num) for m in missing]
        if not room and (place is None or place[0] != au.order) and lost_since_idr(au, missing, self._goes_round):
            # Time says nothing, as in a stream without timestamps.
            missing, order = placed_behind_idr(au, missing, self._greatest, self._timeline.step)
            self._leap += order - au.order
            au.order = order
        if au.is_idr and self._rules.counts_pictures:
            # Pictures lost before it that are shown last leave no trace in its count.
            place = self._timeline.behind_all(au.pts)
            if place is not None and place[0] > au.order:
                self._leap += place[0] - au.order
                au.order = place[0]
        self._goes_round |= au.frame_num == 0 and not au.is_idr and not missing
        self._greatest = max(self._greatest, au.order)
        au.missing_before = missing
        if au.poc is not None:
            self._timeline.learn(au.order, au.pts)

    def settle(self, au: AccessUnit, waiting: Sequence[AccessUnit]) -> None:
        """Place the pictures missing before `au` once more, now that its turn has come.

        waiting: the access units that follow, as far as they are here; each was placed.
        """
        if not au.missing_before and not au.room_before:
            self._slots.take(au.order)
            return
        if not any(one.is_idr for one in au.missing_before):
            top = self._slots.top
            others = self._slots.fill(au, waiting, self._timeline.step, self._rules.counts_pictures)
            if (au.room_before or 0) <= self._fill:
                au.missing_before = with_others(au, others, top)
        for missing in au.missing_before:
            missing.shown = au.room_before != 0 or not self._timeline.is_taken(missing.order)

    def time_of(self, missing: MissingPicture) -> int | None:
        """Presentation time for a picture of which nothing arrived; None if too little is known."""
        return self._timeline.estimate(missing.order)

    def order_of(self, au: AccessUnit) -> int:
        """Place in output order of an access unit without a usable slice, by its time where that tells."""
        order = self._timeline.order_at(au.pts)
        return au.order if order is None else order


def with_others(au: AccessUnit, places: Sequence[int], top: int) -> list[MissingPicture]:
    """The pictures missing before `au` in decode order, with those at `places` that nobody refers to.

    top: the last place in output order that was taken before them.
    """
    header = au.slices[0].header if au.slices else None
    known = au.missing_before
    if header is None or au.poc is None:
        return known
    kept: tuple[int, ...] = ()
    frame_num = None
    if isinstance(header, h264.SliceHeader):
        if header.sps.gaps_in_frame_num_allowed or au.is_idr:
            return known
        frame_num = au.frame_num
    else:
        if au.is_idr or au.is_rasl:
            return known
        kept = tuple(au.poc + delta for delta, _ in (*header.short_term_rps.negative, *header.short_term_rps.positive))
    shift = au.poc - au.order
    made = [
        MissingPicture(au.codec, place + shift, place, frame_num, is_reference=False, references=kept)
        for place in places
    ]
    early = [one for one in made if one.order < top] if known else []
    for one in early:
        one.frame_num = known[0].frame_num
        one.references = tuple(poc for poc in kept if poc not in {other.poc for other in known})
    behind = [one for one in made if one not in early]
    ordered = early
    for place, one in enumerate(known):
        # Behind each reference picture come those that are shown before it.
        with_it = [other for other in behind if other.order < one.order or place == len(known) - 1]
        behind = [other for other in behind if other not in with_it]
        for other in with_it if place < len(known) - 1 else ():
            other.frame_num = known[place + 1].frame_num
            later = {after.poc for after in known[place + 1 :]}
            other.references = tuple(poc for poc in kept if poc not in later)
        ordered = [*ordered, one, *with_it]
    return [*ordered, *behind]


def begins_anew(au: AccessUnit) -> bool:
    """Whether decoding can begin at `au`: an IRAP picture, an intra picture or a recovery point."""
    return au.is_irap or au.kind == "I" or recovery_count(au.codec, au.base_nals) is not None


def lost_since_idr(au: AccessUnit, missing: Sequence[MissingPicture], goes_round: bool) -> bool:
    """Whether an IDR picture and what followed it explain better than `missing`, the gap in frame_num before `au`, why
    `au` counts as it does: with fewer lost pictures. frame_num starts anew there (7.4.3).

    goes_round: in this stream it was seen to come to 0 without an IDR picture.
    """
    margin = _LIKELIER if goes_round else 0
    return au.frame_num is not None and 0 < au.frame_num < len(missing) - margin


def placed_behind_idr(
    au: AccessUnit, missing: Sequence[MissingPicture], greatest: int, step: int
) -> tuple[list[MissingPicture], int]:
    """(missing, order) of `au`, if an IDR picture was lost behind the one at `greatest`, the last in output order.

    step: from one picture to the next in output order.
    """
    count = au.frame_num or 1
    start = greatest + step
    order = start + _since_idr(au, step)
    places = [max(start, order - step * (count - number)) if number else start for number in range(count)]
    shift = au.poc - order if au.poc is not None else 0
    behind = zip(missing[-count:], places, strict=True)
    return [replace(one, order=place, poc=place + shift, is_idr=place == start) for one, place in behind], order


def _since_idr(au: AccessUnit, step: int) -> int:
    """POC of `au` counted from that of the IDR picture, if its least significant bits are all there was so far."""
    header = au.slices[0].header if au.slices else None
    if isinstance(header, h264.SliceHeader) and header.sps.poc_type == 0:
        return max(header.poc_lsb, step)
    # Types 1 and 2 count with frame_num.
    return max(step * (au.frame_num or 1) - (not au.is_reference), 1)
