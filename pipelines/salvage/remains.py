"""What is left of a broken index, or stands in that of a healthy sibling: parameter sets, sound, rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.stream import Stream
from av.video.stream import VideoStream

from concealer.bitstream import Codec, NalUnit, parse_extradata
from pipelines.errors import InputError, one_line
from pipelines.salvage.media import Media

_BOXES: dict[bytes, Codec] = {b"avcC": "h264", b"hvcC": "hevc"}
_LONGEST = 1 << 16
_SOUND = (b"mp4a", b"sowt", b"twos", b"lpcm", b"in24", b"Opus", b"samr", b"ac-3", b"ec-3", b".mp3", b"ipcm")
"""Sample entries of sound (ISO/IEC 14496-12 12.2)."""
_SPECIFIC = 0x05
"""Tag of DecoderSpecificInfo (ISO/IEC 14496-1 7.2.6.7)."""
_BEFORE = {0x03: 3, 0x04: 13}
"""Bytes of the descriptors around it before what they hold, by tag."""


@dataclass(frozen=True)
class SoundEntry:
    """What an index says of a stream of sound."""

    kind: str
    """Its four letters."""
    channels: int
    rate: int
    bits: int = 16
    config: bytes = b""
    """AudioSpecificConfig, or the codec's own box."""


@dataclass
class Remains:
    """What an index tells of streams."""

    sets: dict[Codec, list[tuple[NalUnit, ...]]] = field(default_factory=dict)
    sound: list[SoundEntry] = field(default_factory=list)
    rate: Fraction | None = None
    """Pictures a second."""


def remains_of(media: Media) -> Remains:
    """What is found outside the spans of media, and in what is left of boxes anywhere else."""
    found = Remains()
    outside = _outside(media)
    for start, end in outside:
        for name, codec in _BOXES.items():
            for place in _places(media, name, start, end):
                units = _header(media, place, codec)
                if units and units not in found.sets.setdefault(codec, []):
                    found.sets[codec].append(units)
        for name in _SOUND:
            for place in _places(media, name, start, end):
                entry = _sound(media, place, name)
                if entry is not None and entry not in found.sound:
                    found.sound.append(entry)
        found.rate = found.rate or _rate(media, start, end)
    return found


def _outside(media: Media) -> list[tuple[int, int]]:
    """What is no media, joined with what surrounds it: a box may reach into either."""
    places = [0, *(place for span in media.spans for place in span), media.size]
    gaps = list(zip(places[::2], places[1::2], strict=True))
    return [(start, end) for start, end in gaps if end - start > 8]


def _places(media: Media, name: bytes, start: int, end: int) -> Iterator[int]:
    place = media.find(name, start, end)
    while place >= 0:
        yield place
        place = media.find(name, place + 1, end)


def _header(media: Media, place: int, codec: Codec) -> tuple[NalUnit, ...]:
    length = int.from_bytes(media.data[place - 4 : place], "big") if place >= 4 else 0
    if not 15 <= length <= _LONGEST:
        length = _LONGEST
    framing = parse_extradata(codec, bytes(media.data[place + 4 : place - 4 + length]))
    return tuple(framing.parameter_sets) if framing.length_size == 4 else ()


def _sound(media: Media, place: int, name: bytes) -> SoundEntry | None:
    """AudioSampleEntry (ISO/IEC 14496-12 12.2.3)."""
    length = int.from_bytes(media.data[place - 4 : place], "big") if place >= 4 else 0
    body = bytes(media.data[place + 4 : place - 4 + length])
    if not 36 <= length <= _LONGEST or len(body) < 28:
        return None
    channels, bits = int.from_bytes(body[16:18], "big"), int.from_bytes(body[18:20], "big")
    rate = int.from_bytes(body[24:26], "big")
    if not 1 <= channels <= 8 or rate < 4000:
        return None
    config = _specific(body) if name == b"mp4a" else b""
    return SoundEntry(name.decode("latin-1"), channels, rate, bits, config)


def _specific(body: bytes) -> bytes:
    """The AudioSpecificConfig in an esds box, down through its descriptors (ISO/IEC 14496-1 7.2.6)."""
    found = body.find(b"esds")
    place = found + 8
    while 8 <= place < len(body):
        tag, size, place = body[place], 0, place + 1
        while place < len(body):
            size, place = size << 7 | body[place] & 127, place + 1
            if not body[place - 1] & 128:
                break
        if tag == _SPECIFIC:
            return body[place : place + size] if 2 <= size <= 64 else b""
        if tag not in _BEFORE:
            break
        place += _BEFORE[tag]
    return b""


def _rate(media: Media, start: int, end: int) -> Fraction | None:
    """Of the video track of an index that is whole enough: units a second by ticks a sample (mdhd, stts)."""
    place = media.find(b"vide", start, end)
    while place >= 0:
        header = media.data[max(start, place - 96) : place]
        at = bytes(header).rfind(b"mdhd")
        table = media.find(b"stts", place, min(end, place + _LONGEST))
        if at >= 0 and table >= 0:
            body = bytes(header[at + 4 : at + 24])
            scale = int.from_bytes(body[20:24] if body[:1] == b"\x01" else body[12:16], "big")
            entries = int.from_bytes(media.data[table + 8 : table + 12], "big")
            counts = bytes(media.data[table + 12 : table + 12 + 8 * min(entries, 512)])
            pairs = [
                (int.from_bytes(counts[i : i + 4], "big"), int.from_bytes(counts[i + 4 : i + 8], "big"))
                for i in range(0, len(counts) - 7, 8)
            ]
            samples, ticks = sum(c for c, _ in pairs), sum(c * d for c, d in pairs)
            if scale and ticks and samples and 1 <= scale * samples / ticks <= 1000:
                common = max(pairs)[1]
                steady = abs(common * samples / ticks - 1) < 0.01
                return Fraction(scale, common) if steady else Fraction(scale * samples, ticks)
        place = media.find(b"vide", place + 1, end)
    return None


def sibling(path: str) -> Remains:
    """What a healthy file of the same camera says. Raises InputError."""
    found = Remains()
    try:
        with av.open("file:" + path, metadata_errors="replace") as container:
            _streams(found, container.streams)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: the sibling cannot be read: {one_line(error)}") from error
    if not found.sets:
        raise InputError(f"{path}: the sibling holds no H.264 or HEVC video with length-prefixed units")
    return found


def _streams(found: Remains, streams: Iterable[Stream]) -> None:
    for stream in streams:
        context = stream.codec_context
        if context is None:
            continue
        name = context.codec.canonical_name
        if name in ("h264", "hevc"):
            codec: Codec = "h264" if name == "h264" else "hevc"
            framing = parse_extradata(codec, context.extradata)
            if framing.length_size == 4 and framing.parameter_sets:
                found.sets.setdefault(codec, []).append(tuple(framing.parameter_sets))
                if isinstance(stream, VideoStream):
                    found.rate = found.rate or stream.average_rate
        elif isinstance(context, AudioCodecContext):
            kind = {"aac": "mp4a", "pcm_s16le": "sowt", "pcm_s16be": "twos", "opus": "Opus", "amr_nb": "samr"}.get(name)
            if kind is not None:
                config = bytes(context.extradata or b"")
                found.sound.append(SoundEntry(kind, context.channels, context.sample_rate, 16, config))
