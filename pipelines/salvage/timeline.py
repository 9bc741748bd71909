"""When pictures are shown and sound is heard: by the places of pictures, a rate, and how the two are interleaved."""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median

from pipelines.salvage.media import Span
from pipelines.salvage.pictures import Picture
from pipelines.salvage.sound import FoundSound

log = logging.getLogger(__name__)

_USUAL = tuple(
    Fraction(n, d)
    for n, d in (
        (30000, 1001), (25, 1), (30, 1), (24000, 1001), (24, 1), (60000, 1001), (60, 1), (50, 1), (15, 1), (12, 1),
        (10, 1), (20, 1), (48, 1), (120, 1), (120000, 1001), (240, 1), (100, 1), (200, 1), (5, 1), (8, 1),
    )
)  # fmt: skip
_ASSUMED = Fraction(30)
_SAME = 0.03
"""Share by which a rate that the bitstream tells may differ from what the sound says and be right."""
_SNAP = 0.012
"""Share by which a measured rate is taken for a usual one."""
_HOLE = 2048
"""Bytes that belong to nothing from which on pictures or sound may be missing."""
_MOST_HOLES = 256
"""More are no holes but a stream of something else."""
_SURE_OF = 3
"""Pictures by which what is estimated to be missing may differ from what numbers of pictures say."""


@dataclass
class Timeline:
    """Times of all there is."""

    rate: Fraction
    """Pictures a second."""
    rate_from: str
    sound_rate: int = 0
    places: list[int] = field(default_factory=list)
    """Of each picture in output order, with places for what holes took."""
    sound_times: list[int] = field(default_factory=list)
    """Of each block of sound, in samples."""
    holes: int = 0
    lost_pictures: int = 0


def timeline_of(
    pictures: Sequence[Picture], sound: FoundSound | None, told: Fraction | None, told_by: str
) -> Timeline:
    """told: pictures a second as the bitstream or an index says; None if neither does."""
    line = Timeline(*_rate(pictures, sound, told, told_by))
    if sound is not None:
        line.sound_rate = _sound_rate(pictures, sound, line)
        if told is None or line.rate_from == "the sound":
            line.rate, line.rate_from = _measured(pictures, sound, line.sound_rate, line)
    holes = _holes(pictures, sound)
    line.holes = len(holes)
    line.places = _places(pictures, sound, holes, line)
    if sound is not None:
        line.sound_times = _sound_times(pictures, sound, holes, line)
    return line


def _stretch(pictures: Sequence[Picture], sound: FoundSound) -> tuple[int, int] | None:
    """Pictures, and samples of sound, that lie between the first and the last stretch of sound in the file."""
    starts = [picture.start for picture in pictures]
    inside = [block for block in sound.blocks if starts[0] < block[0] < starts[-1]]
    if len(inside) < 2 or inside[-1][0] == inside[0][0]:
        return None
    first, last = inside[0][0], inside[-1][0]
    # From the first block behind one picture to the first block behind another.
    count = bisect_left(starts, last) - bisect_left(starts, first)
    before = starts[bisect_left(starts, last) - 1]
    head = next(block for block in inside if block[0] > before)
    samples = _samples(sound, first, head[0])
    return (count, samples) if count > 0 and samples > 0 else None


def _samples(sound: FoundSound, start: int, end: int) -> int:
    if sound.block_size:
        return sum(b - a for a, b in sound.blocks if start <= a < end) // sound.block_size
    return sound.samples_each * sum(start <= a < end for a, _ in sound.blocks)


def _rate(
    pictures: Sequence[Picture], sound: FoundSound | None, told: Fraction | None, told_by: str
) -> tuple[Fraction, str]:
    if told is None:
        return _ASSUMED, "an assumption"
    if sound is None:
        return told, told_by
    stretch = _stretch(pictures, sound)
    if stretch is None:
        return told, told_by
    slack = _SAME + 2 / stretch[0]
    implied = [float(stretch[0] * rate / stretch[1]) for rate in sound.rates]
    if any(abs(one / float(told) - 1) < slack for one in implied):
        return told, told_by
    # Two fields a picture, or a rate that nobody kept: the sound knows better.
    return told, "the sound"


def _sound_rate(pictures: Sequence[Picture], sound: FoundSound, line: Timeline) -> int:
    stretch = _stretch(pictures, sound)
    if stretch is None or len(sound.rates) == 1:
        return sound.rates[0]
    usual = (line.rate,) if line.rate_from not in ("an assumption", "the sound") else _USUAL

    def distance(rate: int) -> float:
        implied = stretch[0] * rate / stretch[1]
        return min(abs(implied / float(one) - 1) for one in usual)

    slack = 1 / stretch[0]
    return min(sound.rates, key=lambda rate: max(distance(rate), slack) + 1e-6 * sound.rates.index(rate))


def _measured(
    pictures: Sequence[Picture], sound: FoundSound, rate: int, line: Timeline
) -> tuple[Fraction, str]:
    stretch = _stretch(pictures, sound)
    if stretch is None:
        return line.rate, line.rate_from if line.rate_from != "the sound" else "the bitstream"
    implied = Fraction(stretch[0] * rate, stretch[1])
    slack = max(_SNAP, 1.5 / stretch[0])
    near = min(_USUAL, key=lambda one: (abs(float(implied / one) - 1) > slack, _USUAL.index(one) if
                                        abs(float(implied / one) - 1) < slack / 3 else 99,
                                        abs(float(implied / one) - 1)))  # fmt: skip
    if abs(float(implied / near) - 1) <= slack:
        return near, "the sound"
    return implied.limit_denominator(1001), "the sound"


def _holes(pictures: Sequence[Picture], sound: FoundSound | None) -> list[Span]:
    """Bytes between what was found that belong to nothing."""
    covered = sorted([(p.start, p.end) for p in pictures] + (list(sound.blocks) if sound is not None else []))
    holes, last = [], covered[0][1]
    for start, end in covered:
        if start - last >= _HOLE:
            holes.append((last, start))
        last = max(last, end)
    return holes if len(holes) <= _MOST_HOLES else []


def _bytes_a_picture(pictures: Sequence[Picture], sound: FoundSound | None) -> float:
    total = sum(p.end - p.start for p in pictures)
    total += 0 if sound is None else sum(end - start for start, end in sound.blocks)
    return total / max(1, len(pictures))


def _places(
    pictures: Sequence[Picture], sound: FoundSound | None, holes: Sequence[Span], line: Timeline
) -> list[int]:
    each = _bytes_a_picture(pictures, sound)
    starts = [picture.start for picture in pictures]
    moved = [0] * len(pictures)
    for start, end in holes:
        behind = bisect_left(starts, end)
        if not 0 < behind < len(pictures):
            continue
        likely = round((end - start) / each)
        top = max(p.place for p in pictures[max(0, behind - 32) : behind])
        known = min(p.place for p in pictures[behind : behind + 8]) - top - 1
        if abs(known - likely) > max(_SURE_OF, likely // 2):
            moved[behind] += likely - known
        line.lost_pictures += max(0, known + moved[behind])
    places, shift = [], 0
    for picture, more in zip(pictures, moved, strict=True):
        shift += more
        places.append(picture.place + shift)
    return _apart(places)


def _apart(places: Sequence[int]) -> list[int]:
    """No two pictures at one place: those that would be go behind."""
    taken: set[int] = set()
    out = []
    for place in places:
        while place in taken:
            place += 1
        taken.add(place)
        out.append(place)
    least = min(out, default=0)
    return [place - least for place in out]


def _sound_times(
    pictures: Sequence[Picture], sound: FoundSound, holes: Sequence[Span], line: Timeline
) -> list[int]:
    """Sound goes on without a break but over holes; behind each it lies to the pictures as before it."""
    lengths = [_length(sound, block) for block in sound.blocks]
    times, now = [], 0
    for length in lengths:
        times.append(now)
        now += length
    starts = [picture.start for picture in pictures]
    decode = sorted(line.places)
    scale = Fraction(line.sound_rate) / line.rate
    leads = [_lead(block, time, starts, decode, scale) for block, time in zip(sound.blocks, times, strict=True)]
    first_of_run = [
        number == 0 or sound.blocks[number - 1][1] != block[0] or bisect_left(starts, block[0])
        != bisect_left(starts, sound.blocks[number - 1][0])
        for number, block in enumerate(sound.blocks)
    ]  # fmt: skip
    cuts = [0, *(bisect_left(sound.blocks, hole) for hole in holes), len(sound.blocks)]
    parts = [(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if a < b]
    usual: tuple[float, float] | None = None
    for begin, end in parts:
        own = [leads[n] for n in range(begin, end) if first_of_run[n] and leads[n] is not None]
        known = [float(lead) for lead in own if lead is not None]
        if usual is not None and known:
            shift = round((usual[0] + usual[1] - min(known) - max(known)) / 2)
            shift = max(shift, times[begin - 1] + lengths[begin - 1] - times[begin]) if begin else shift
            times[begin:] = [time + shift for time in times[begin:]]
            leads[begin:] = [None if lead is None else lead + shift for lead in leads[begin:]]
            known = [lead + shift for lead in known]
        if known:
            usual = (min(known), max(known)) if usual is None else usual
    return times


def _length(sound: FoundSound, block: Span) -> int:
    return (block[1] - block[0]) // sound.block_size if sound.block_size else sound.samples_each


def _lead(block: Span, time: int, starts: Sequence[int], decode: Sequence[int], scale: Fraction) -> float | None:
    """Samples by which a block is later than the picture before it in the file is decoded."""
    before = bisect_right(starts, block[0]) - 1
    return None if before < 0 else float(time - decode[before] * scale)


def middle(values: Sequence[float]) -> float:
    """The median, 0 of none."""
    return median(values) if values else 0.0
