"""Headers of fragments that are left: where each of their runs of samples lies, and when it is decoded."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.salvage.found_sound import FoundSound
from pipelines.salvage.media import Media, Span
from pipelines.salvage.pictures import Picture

_LONGEST = 1 << 24
_BASE, _DESCRIPTION, _DURATION, _SIZE = 0x1, 0x2, 0x8, 0x10
"""Flags of tfhd: which fields it has (ISO/IEC 14496-12 8.8.7)."""
_OFFSET, _FIRST_FLAGS, _EACH_DURATION, _EACH_SIZE, _EACH_MORE = 0x1, 0x4, 0x100, 0x200, (0x400, 0x800)
"""Flags of trun (8.8.8)."""


@dataclass(frozen=True)
class Run:
    """Samples of one track in one fragment."""

    place: int
    """Of the first of them, in the file."""
    time: int
    """When it is decoded, in ticks of the track."""
    duration: int
    """Of the first sample, 0 where only the lost index tells."""
    end: int = 0
    """Of the last of them, in the file; 0 where that is not told."""
    count: int = 1


@dataclass
class Anchors:
    """When some pictures and blocks of sound are decoded, told by headers of fragments."""

    pictures: list[tuple[int, int]] = field(default_factory=list)
    """(number of a picture, its place in decode order with all that are missing), rising."""
    blocks: list[tuple[int, int]] = field(default_factory=list)
    """(number of a block, samples before it with all that are missing), rising."""
    pairs: list[tuple[int, int]] = field(default_factory=list)
    """Of fragments that hold both: pictures and samples of sound before their own."""

    def pictures_lost(self, numbers: range) -> int | None:
        """Pictures that are missing before the first that is told of among these; None if none is."""
        return _lost(self.pictures, numbers, {})

    def samples_lost(self, numbers: range, before: Sequence[int]) -> int | None:
        """Samples of sound that are missing likewise; before: samples found before each block."""
        return _lost(self.blocks, numbers, dict(enumerate(before)))


def _lost(told: Sequence[tuple[int, int]], numbers: range, found: dict[int, int]) -> int | None:
    at = bisect_left(told, (numbers.start, -1))
    if at == len(told) or told[at][0] >= numbers.stop:
        return None
    number, place = told[at]
    first, origin = told[0]
    return (place - origin) - (found.get(number, number) - found.get(first, first))


def anchors_of(media: Media, pictures: Sequence[Picture], sound: FoundSound | None) -> Anchors:
    """What the headers of fragments outside the spans of media tell of what was found."""
    anchors = Anchors()
    starts = [(picture.start, picture.end) for picture in pictures]
    heard = [] if sound is None else list(sound.blocks)
    video: list[tuple[int, Run]] = []
    audio: list[tuple[int, Run]] = []
    for run in runs_of(media):
        for places, found in ((starts, video), (heard, audio)):
            number = bisect_left(places, (run.place, 0))
            if number < len(places) and places[number][0] == run.place:
                found.append((number, run))
    anchors.pictures = _told(starts, video, 1)
    if sound is not None:
        anchors.blocks = _told(heard, audio, sound.samples_each)
        anchors.pairs = _pairs(anchors, video, audio)
    return anchors


def _pairs(
    anchors: Anchors, video: Sequence[tuple[int, Run]], audio: Sequence[tuple[int, Run]]
) -> list[tuple[int, int]]:
    pictures, blocks = dict(anchors.pictures), dict(anchors.blocks)
    behind = [run.place for _, run in audio]
    found = []
    for number, run in video:
        at = bisect_left(behind, run.place)
        if at < len(audio) and number in pictures and audio[at][0] in blocks:
            found.append((pictures[number], blocks[audio[at][0]]))
    return found


def _told(places: Sequence[Span], runs: Sequence[tuple[int, Run]], each: int) -> list[tuple[int, int]]:
    """The first samples of runs, and their last ones, each with how many units of `each` are before it."""
    step = _step(runs)
    if not step:
        return []
    told = {number: round(run.time * each / step) for number, run in runs}
    ends = {end: number for number, (_, end) in enumerate(places)}
    for number, run in runs:
        last = ends.get(run.end)
        if last is not None and last > number:
            told[last] = told[number] + (run.count - 1) * each
    return sorted(told.items())


def _step(runs: Sequence[tuple[int, Run]]) -> float:
    """Ticks from one sample to the next: as the runs tell, or by how many there are between two of them."""
    known = Counter(run.duration for _, run in runs if run.duration)
    if known:
        return float(known.most_common(1)[0][0])
    pairs = zip(runs, runs[1:], strict=False)
    counted = Counter((b.time - a.time) / (m - n) for (n, a), (m, b) in pairs if m > n and b.time > a.time)
    return counted.most_common(1)[0][0] if counted else 0.0


def runs_of(media: Media) -> Iterator[Run]:
    """The runs that headers of fragments describe, as far as those can be read."""
    ends = [0, *(end for _, end in media.spans)]
    begins = [*(start for start, _ in media.spans), media.size]
    for start, end in zip(ends, begins, strict=True):
        place = media.find(b"moof", start, end)
        while place >= 0:
            length = int.from_bytes(media.data[place - 4 : place], "big") if place >= 4 else 0
            if 16 <= length <= _LONGEST and place - 4 + length <= end:
                body = bytes(media.data[place + 4 : place - 4 + length])
                for kind, part in _boxes(body):
                    if kind == b"traf":
                        yield from _runs(part, place - 4)
            place = media.find(b"moof", place + 4, end)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if length < 8 or place + length > len(data):
            return
        yield data[place + 4 : place + 8], data[place + 8 : place + length]
        place += length


def _runs(traf: bytes, moof: int) -> Iterator[Run]:
    parts: dict[bytes, bytes] = {}
    for kind, body in _boxes(traf):
        parts.setdefault(kind, body)
    head, time, run = (parts.get(kind, b"") for kind in (b"tfhd", b"tfdt", b"trun"))
    if len(head) < 8 or len(time) < 8 or len(run) < 12:
        return
    flags, at = int.from_bytes(head[1:4], "big"), 8
    base = int.from_bytes(head[at : at + 8], "big") if flags & _BASE else moof
    at += 8 * bool(flags & _BASE) + 4 * bool(flags & _DESCRIPTION)
    duration = int.from_bytes(head[at : at + 4], "big") if flags & _DURATION else 0
    at += 4 * bool(flags & _DURATION)
    size = int.from_bytes(head[at : at + 4], "big") if flags & _SIZE else 0
    decoded = int.from_bytes(time[4:12] if time[0] else time[4:8], "big")
    flags, count = int.from_bytes(run[1:4], "big"), int.from_bytes(run[4:8], "big")
    if not flags & _OFFSET:
        return
    place = base + int.from_bytes(run[8:12], "big", signed=True)
    at = 12 + 4 * bool(flags & _FIRST_FLAGS)
    widths = [bool(flags & flag) * 4 for flag in (_EACH_DURATION, _EACH_SIZE, *_EACH_MORE)]
    if widths[0] and len(run) >= at + 4:
        duration = int.from_bytes(run[at : at + 4], "big")
    row = sum(widths)
    sizes = [run[at + n * row + widths[0] :][:4] for n in range(count)] if widths[1] and count < len(run) else []
    total = sum(int.from_bytes(one, "big") for one in sizes) if sizes else size * count
    yield Run(place, decoded, duration, place + total if total else 0, count)
