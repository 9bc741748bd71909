"""When pictures are shown and sound is heard: by the places of pictures, a rate, and how the two are interleaved."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from statistics import median

from pipelines.salvage.found_sound import FoundSound
from pipelines.salvage.fragments import Anchors
from pipelines.salvage.media import Span
from pipelines.salvage.pictures import Picture
from pipelines.salvage.rates import measured_rate, pace_of, sound_rate_of

_HOLE, _OTHER = 8, 2048
"""Bytes that belong to nothing from which on pictures or sound may be missing; and where there are many such places,
which are of a stream of something else."""
_UNUSUAL = 4
"""Times the usual distance between samples, which may hold something else."""
_MOST_HOLES = 64
_EDGE = 4
"""Pictures next to a hole whose decode times are not sure."""
_ENOUGH = 12
"""Stretches of sound that say how it is interleaved, without those at the edges."""
_REORDERED = 32
"""Pictures among which the one that is shown last is looked for."""
_FIRST = 8
"""Pictures behind a hole of which the one that is shown first is looked for."""
_CHUNK = 3
"""Pictures that a stretch of sound lasts where it is the muxer's rule how long."""
_FAR = 4
"""Times as many pictures as its bytes let expect that a hole can have taken."""
_MOST_KEYS = 8
"""Key pictures that a hole may have taken."""
_REGULAR = 0.6
"""Share of stretches of sound that must be of one length for that to be the muxer's rule."""


@dataclass(frozen=True)
class Part:
    """What lies between two holes."""

    pictures: range
    blocks: range
    """Of sound."""
    hole: int = 0
    """Bytes before it that belong to nothing."""


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


def timeline_of(
    pictures: Sequence[Picture],
    sound: FoundSound | None,
    spans: Sequence[Span],
    anchors: Anchors,
    told: Fraction | None,
    told_by: str,
) -> Timeline:
    """spans: where in the file media can be. anchors: what headers of fragments say. told: pictures a second as the
    bitstream or an index says; None if neither does.
    """
    parts = parts_of(pictures, sound, spans)
    pace = None if sound is None else pace_of(pictures, sound, parts, anchors)
    sound_rate = 0 if sound is None else sound_rate_of(sound, pace, told)
    line = Timeline(*measured_rate(pace, sound_rate, told, told_by), sound_rate, holes=len(parts) - 1)
    _Placing(pictures, sound, line, parts, anchors).run()
    return line


def parts_of(pictures: Sequence[Picture], sound: FoundSound | None, spans: Sequence[Span]) -> list[Part]:
    """The pictures and blocks of sound between holes."""
    blocks = [] if sound is None else sound.blocks
    between = [(one[1], after[0]) for one, after in zip(spans, spans[1:], strict=False)]
    covered = sorted([(p.start, p.end) for p in pictures] + list(blocks) + between)
    gaps, last = [], covered[0][1]
    for start, end in covered:
        if start > last:
            gaps.append((last, start))
        last = max(last, end)
    holes = [(a, b) for a, b in gaps if b - a >= _HOLE]
    if len(holes) > _MOST_HOLES:
        usual = median(end - start for start, end in gaps)
        holes = [(a, b) for a, b in gaps if b - a >= max(_OTHER, _UNUSUAL * usual)]
    starts, sounds = [p.start for p in pictures], [start for start, _ in blocks]
    cuts = [(0, 0, 0), *((bisect_left(starts, b), bisect_left(sounds, b), b - a) for a, b in holes)]
    ends = [*cuts[1:], (len(starts), len(sounds), 0)]
    return [
        Part(range(one[0], after[0]), range(one[1], after[1]), one[2]) for one, after in zip(cuts, ends, strict=True)
    ]


class _Placing:
    """Places of pictures and times of sound, part by part."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        sound: FoundSound | None,
        line: Timeline,
        parts: Sequence[Part],
        anchors: Anchors,
    ) -> None:
        self._pictures, self._sound, self._line, self._parts = pictures, sound, line, parts
        self._anchors = anchors
        self._lost_pictures = self._lost_samples = 0
        """By holes so far."""
        lengths = [] if sound is None else [self._length(block) for block in sound.blocks]
        self._heard = list(accumulate(lengths, initial=0))
        """Samples found before each block."""
        keys = [p.end - p.start for p in pictures if p.key]
        total = sum(p.end - p.start for p in pictures) - sum(keys)
        total += 0 if sound is None else sum(end - start for start, end in sound.blocks)
        self._key_bytes = sum(keys) / max(1, len(keys))
        self._bytes_each = (total or sum(keys)) / max(1, len(pictures) - len(keys) if total else len(keys))
        """Of a picture that is no key picture, and the sound that goes with it."""
        self._group = _group_length(pictures, parts)
        self._starts = [picture.start for picture in pictures]
        self._chunk = self._usual_chunk()
        self._usual: tuple[float, float] | None = None
        """Least and most samples by which sound is behind the picture before it in the file."""
        self._next_sound = 0

    def run(self) -> None:
        """Fill in the timeline."""
        for part in self._parts:
            places = self._placed(part)
            times, lead = self._timed(part, places)
            if self._sound is not None and part.blocks:
                times, places = self._in_step(part, times, places, lead)
                last = self._sound.blocks[part.blocks[-1]]
                self._next_sound = times[-1] + self._length(last)
            self._line.places += places
            self._line.sound_times += times
        self._line.places = _apart(self._line.places)

    def _placed(self, part: Part) -> list[int]:
        """Places of the pictures of a part, behind those of the parts before."""
        places: list[int] = []
        for group in self._groups(part):
            own = self._unwrapped(group)
            known = (self._line.places[-_REORDERED:] + places[-_REORDERED:])[-_REORDERED:]
            if not known:
                places += own
                continue
            top, least = max(known), min(own)
            if group.start == part.pictures.start:
                before = self._pictures[group.start - 1]
                least = min(own[:_FIRST])
                last = max(p.place for p in self._pictures[max(0, group.start - _REORDERED) : group.start])
                lost = self._lost(least - last - 1, part, before)
                told = self._anchors.pictures_lost(part.pictures)
                self._lost_pictures = self._lost_pictures + max(0, lost) if told is None else told
                top += lost
            places += [place + top + 1 - least for place in own]
        return places

    def _groups(self, part: Part) -> list[range]:
        """The pictures of a part from one that is counted anew to the next."""
        pictures = part.pictures
        if not pictures:
            return []
        cuts = [n for n in pictures if self._pictures[n].begins and n > pictures.start]
        return [range(a, b) for a, b in zip([pictures.start, *cuts], [*cuts, pictures.stop], strict=True)]

    def _unwrapped(self, group: range) -> list[int]:
        """Places by their coded part alone, each next to the one before: behind a hole the rest of it is guessed."""
        out: list[int] = []
        for number in group:
            picture = self._pictures[number]
            turn = max(1, picture.turn)
            near = out[-1] if out else picture.place
            out.append(picture.place + turn * round((near - picture.place) / turn))
        return out

    def _lost(self, known: int, part: Part, before: Picture) -> int:
        """How many pictures a hole took, of which `known` are by their numbers, as far as those tell."""
        told = self._anchors.pictures_lost(part.pictures)
        exact = None if told is None else float(told - self._lost_pictures)
        expected = part.hole / self._bytes_each if exact is None else exact
        first = self._pictures[part.pictures[0]]
        if first.begins:
            if told is not None and self._anchors.pictures:
                # What is decoded before it is shown before it: all that is missing of that has its place by now.
                origin = self._anchors.pictures[0][0]
                if origin < len(self._line.places):
                    place = self._line.places[origin] + part.pictures.start - origin + told
                    return max(0, place - max(self._line.places[-_REORDERED:]) - 1)
            if not self._group or exact is not None:
                return max(0, round(expected))
            rest = self._group - (before.place - before.group + 1)
            choices = [rest + turns * self._group for turns in range(64)]
            return min((one for one in choices if one >= 0), key=lambda one: abs(one - expected), default=0)
        # Pictures that are shown before the last one may have been lost, or follow.
        top, own = max(self._line.places[-_REORDERED:]), self._unwrapped(part.pictures)[:_FIRST]
        taken = set(self._line.places[-_REORDERED:])
        turn, found = max(1, first.turn), []
        most = _FAR * expected + _REORDERED
        due = self._next_group(part)
        for keys in range(_MOST_KEYS if self._group else 1):
            # Numbers wrap around, and begin anew at each key picture that was lost: those are larger than others.
            likely = keys + (part.hole - keys * self._key_bytes) / self._bytes_each if exact is None else exact
            for turns in range(-64, 256):
                lost = known + keys * self._group + turns * turn
                if -_FIRST < lost < most and taken.isdisjoint(top + 1 + lost + place - min(own) for place in own):
                    late = due is not None and (top + 1 + lost + due) % self._group != 0
                    found.append((late, abs(lost - likely), lost))
        return min(found, key=lambda one: one[:2])[2] if found else max(0, round(expected))

    def _next_group(self, part: Part) -> int | None:
        """Places from the first picture behind a hole to the next that is counted anew, less the place of the last such
        before the hole: where these come regularly that is a multiple but for what the hole took. None if not."""
        ahead = next((n for n in part.pictures if self._pictures[n].begins), None)
        behind = next((n for n in range(part.pictures.start - 1, -1, -1) if self._pictures[n].begins), None)
        if not self._group or ahead is None or behind is None:
            return None
        own = self._unwrapped(range(part.pictures.start, ahead))
        return max(own) + 1 - min(own[:_FIRST]) - self._line.places[behind]

    def _timed(self, part: Part, places: Sequence[int]) -> tuple[list[int], tuple[float, float] | None]:
        """Times of the sound of a part as if nothing were missing before it, and how it is interleaved then."""
        if self._sound is None or not part.blocks:
            return [], None
        times, now = [], self._next_sound
        for number in part.blocks:
            times.append(now)
            now += self._length(self._sound.blocks[number])
        starts = [self._pictures[number].start for number in part.pictures]
        scale = self._line.sound_rate / self._line.rate
        decode = sorted(places)
        leads, seen = [], -1
        for number, time in zip(part.blocks, times, strict=True):
            before = bisect_right(starts, self._sound.blocks[number][0]) - 1
            if before > seen:
                leads.append((before, float(time - decode[before] * scale)))
                seen = before
        inner = [lead for before, lead in leads if _EDGE <= before < len(starts) - _EDGE]
        used = inner if len(inner) >= _ENOUGH else [lead for _, lead in leads]
        return times, (min(used), max(used)) if used else None

    def _in_step(
        self, part: Part, times: list[int], places: list[int], lead: tuple[float, float] | None
    ) -> tuple[list[int], list[int]]:
        """Sound where it lies to the pictures as before; where it would begin too early, the pictures go back."""
        told = self._anchors.samples_lost(part.blocks, self._heard)
        if told is not None:
            lost, self._lost_samples = max(0, told - self._lost_samples), max(told, self._lost_samples)
            self._usual = self._usual or lead
            return [time + lost for time in times], places
        if lead is None:
            return times, places
        if self._usual is None:
            self._usual = lead
            return times, places
        shift = (sum(self._usual) - sum(lead)) / 2
        assert self._sound is not None
        each = self._sound.samples_each
        scale = float(self._line.sound_rate / self._line.rate)
        if shift < -each / 2 and places:
            more = -int(shift // scale)
            places = [place + more for place in places]
            shift += more * scale
        if self._chunk:
            # Muxers that write so much at a time wrote as much where the hole is.
            rest = -self._at_hole(part) % self._chunk
            lost = min((rest + turn * self._chunk for turn in range(256)), key=lambda one: abs(one - shift))
        else:
            lost = max(0, round(shift / each)) * each
        self._lost_samples += lost
        return [time + lost for time in times], places

    def _at_hole(self, part: Part) -> int:
        """Samples of sound that touch the hole before a part, on either side, without a picture between."""
        first, starts = part.blocks.start, self._starts
        assert self._sound is not None
        blocks = self._sound.blocks
        ahead = bisect_left(starts, blocks[first][0])
        count = 0
        if ahead == part.pictures.start:
            count = sum(self._length(blocks[n]) for n in part.blocks if bisect_left(starts, blocks[n][0]) == ahead)
        before = part.pictures.start
        for number in range(first - 1, -1, -1):
            if bisect_left(starts, blocks[number][0]) != before:
                break
            count += self._length(blocks[number])
        return count

    def _usual_chunk(self) -> int:
        """Samples that stand together between pictures, where that is regular and far more than one picture lasts;
        else 0."""
        if self._sound is None:
            return 0
        runs: Counter[int] = Counter()
        for block in self._sound.blocks:
            runs[bisect_left(self._starts, block[0])] += self._length(block)
        common = Counter(runs.values()).most_common(1)
        if not common or common[0][1] <= _REGULAR * len(runs):
            return 0
        many = common[0][0] * self._line.rate > _CHUNK * self._line.sound_rate
        return common[0][0] if many else 0

    def _length(self, block: Span) -> int:
        assert self._sound is not None
        size = self._sound.block_size
        return (block[1] - block[0]) // size if size else self._sound.samples_each


def _group_length(pictures: Sequence[Picture], parts: Sequence[Part]) -> int:
    """Pictures from one that is counted anew to the next, where that is regular; else 0."""
    lengths: Counter[int] = Counter()
    for part in parts:
        starts = [pictures[n].place for n in part.pictures if pictures[n].begins]
        lengths.update(after - before for before, after in zip(starts, starts[1:], strict=False))
    common = lengths.most_common(1)
    return common[0][0] if common and common[0][1] * 2 > sum(lengths.values()) else 0


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
