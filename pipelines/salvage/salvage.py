"""A damaged file's media found again, and an index made for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from pipelines.errors import one_line
from pipelines.salvage.found_sound import FoundSound
from pipelines.salvage.fragments import anchors_of
from pipelines.salvage.index import Sample, Track, index_of, sound_entry, video_entry
from pipelines.salvage.media import Media, Span
from pipelines.salvage.parameter_sets import timed
from pipelines.salvage.remains import Remains, remains_of, sibling
from pipelines.salvage.sound import find_sound, with_rate
from pipelines.salvage.timeline import Timeline, timeline_of
from pipelines.salvage.usual import PICTURES
from pipelines.salvage.video import FoundVideo, NothingFoundError, find_video

log = logging.getLogger(__name__)

_VIDEO_TICKS = 90000
_MOST_RATE = 1 << 16
"""Samples a second that a sample entry can tell (ISO/IEC 14496-12 12.2.3); chance may find more."""
_SAME = 0.01
"""Share by which rates may differ and be the same."""


@dataclass(frozen=True)
class Salvaged:
    """What was found in a file without index, and the index to read it by."""

    index: bytes = field(repr=False)
    """To stand before the file."""
    codec: str
    pictures: int
    sound: str
    """What sound it is; "" if there is none."""
    sound_seconds: float
    parameter_sets: str
    """Where they come from."""
    rate: str
    """Pictures a second."""
    rate_from: str
    size: tuple[int, int]
    holes: int
    """Stretches of bytes that belong to nothing."""
    unused: int
    """Bytes of them, and of whatever else is no picture and no sound that is known."""
    assumed: tuple[str, ...]
    """What nothing proves."""

    def as_dict(self) -> dict[str, object]:
        """All but the index, in JSON's types."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "index"}
        return told | {"sound_seconds": round(self.sound_seconds, 3)}

    def text(self) -> str:
        """In a few words."""
        sound = f", {self.sound_seconds:.1f} s of sound ({self.sound})" if self.sound else ", no sound"
        text = f"index rebuilt: {self.pictures} picture{'s' if self.pictures != 1 else ''}{sound}"
        text += f", parameter sets from {self.parameter_sets}, {self.rate} pictures a second from {self.rate_from}"
        return text + (f", assumed: {', '.join(self.assumed)}" if self.assumed else "")


def salvage(
    path: str, spans: Sequence[Span], like: str | None = None, stopped: Callable[[], bool] = lambda: False
) -> Salvaged:
    """Find the media in spans of a file. like: a healthy file of the same camera.

    Raises NothingFoundError, Interrupted, InputError where the sibling is none, OSError.
    """
    known = sibling(like) if like is not None else None
    try:
        with Media(path, spans, stopped) as media:
            return _salvaged(media, known)
    except ValueError as error:
        raise NothingFoundError(one_line(error)) from error


def _salvaged(media: Media, like: Remains | None) -> Salvaged:
    remains = remains_of(media)
    video = find_video(media, remains, like)
    entries = remains.sound + (like.sound if like is not None else [])
    told, told_by = remains.rate or video.rate, "the index" if remains.rate else "the bitstream"
    if told is None and like is not None:
        told, told_by = like.rate, "the sibling"
    sound = find_sound(media, _gaps(media, video), entries, [one.start for one in video.pictures], told)
    anchors = anchors_of(media, video.pictures, sound)
    line = timeline_of(video.pictures, sound, media.spans, anchors, told, told_by)
    if sound is not None and not 0 < line.sound_rate < _MOST_RATE:
        log.debug("%s at %d Hz: no sound", sound.kind, line.sound_rate)
        sound = None
        line = timeline_of(video.pictures, None, media.spans, anchors_of(media, video.pictures, None), told, told_by)
    if sound is not None:
        sound = with_rate(sound, line.sound_rate)
    video = replace(video, sets=timed(video.sets, line.rate))
    tracks = [_video_track(video, line)] + ([_sound_track(sound, line)] if sound is not None else [])
    return _told(media, video, sound, line, index_of(tracks, media.size))


def _gaps(media: Media, video: FoundVideo) -> list[Span]:
    """What pictures leave of the spans of media."""
    gaps: list[Span] = []
    pictures = iter(video.pictures)
    picture = next(pictures, None)
    for start, end in media.spans:
        place = start
        while picture is not None and picture.start < end:
            gaps.append((place, picture.start))
            place = picture.end
            picture = next(pictures, None)
        gaps.append((place, end))
    return [(start, end) for start, end in gaps if end > start]


def _video_track(video: FoundVideo, line: Timeline) -> Track:
    ticks, step = _ticks(line.rate)
    decode = sorted(line.places)
    delay = max(0, *(at - place for at, place in zip(decode, line.places, strict=True)))
    samples = [
        Sample(p.start, p.end - p.start, at * step, step, (place + delay - at) * step, p.key)
        for p, at, place in zip(video.pictures, decode, line.places, strict=True)
    ]
    entry = video_entry(video.codec, video.sets.units, video.width, video.height)
    return Track(True, entry, ticks, samples, video.width, video.height, delay * step)


def _ticks(rate: Fraction) -> tuple[int, int]:
    """Ticks a second and a picture."""
    for factor in (512, 100, 1):
        if rate.numerator * factor <= 1 << 20:
            return rate.numerator * factor, rate.denominator * factor
    return _VIDEO_TICKS, max(1, round(_VIDEO_TICKS / rate))


def _sound_track(sound: FoundSound, line: Timeline) -> Track:
    each, block = sound.samples_each, sound.block_size
    samples = [
        Sample(start, end - start, time, each, count=(end - start) // block if block else 1)
        for (start, end), time in zip(sound.blocks, line.sound_times, strict=True)
    ]
    entry = sound_entry(sound.kind, sound.channels, sound.bits, line.sound_rate, sound.config)
    return Track(False, entry, line.sound_rate, samples, skipped=sound.trimmed)


def _is_half(rate: Fraction) -> bool:
    """No usual rate, but half of one: there may be twice the sound."""
    return all(abs(rate / one - 1) > _SAME for one in PICTURES) and any(
        abs(2 * rate / one - 1) < _SAME for one in PICTURES
    )


def _told(media: Media, video: FoundVideo, sound: FoundSound | None, line: Timeline, index: bytes) -> Salvaged:
    used = sum(p.end - p.start for p in video.pictures)
    used += 0 if sound is None else sum(end - start for start, end in sound.blocks)
    names = {"mp4a": "AAC", "samr": "AMR", "sowt": "PCM", "twos": "PCM", "in24": "PCM", "Opus": "Opus"}
    names |= {".mp3": "MP3", "ac-3": "AC-3", "ec-3": "E-AC-3"}
    described = ""
    if sound is not None:
        channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
        described = f"{names[sound.kind]}, {line.sound_rate} Hz, {channels}"
    assumed = video.sets.assumed + (("rate",) if line.rate_from == "an assumption" else ())
    assumed += ("one track of sound",) if line.rate_from == "the sound" and _is_half(line.rate) else ()
    assumed += ("where some packets of Opus end",) if sound is not None and sound.likely else ()
    return Salvaged(
        index,
        video.codec,
        len(video.pictures),
        described,
        0.0 if sound is None else sound.length / line.sound_rate,
        video.sets.origin,
        f"{float(line.rate):.5g}",
        line.rate_from,
        (video.width, video.height),
        line.holes,
        sum(end - start for start, end in media.spans) - used,
        assumed,
    )
