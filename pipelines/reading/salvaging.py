"""When a file of MP4 is to be read by an index made anew: it has none, or one that knows little of what is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum, auto

from av.container import InputContainer
from av.video.stream import VideoStream

from concealer.bitstream import parse_extradata, split_length_prefixed
from pipelines.errors import InputError, one_line
from pipelines.reading import streams
from pipelines.reading.boxes import Box, BoxMap
from pipelines.reading.connection import Wanted
from pipelines.reading.later_sets import header_sets
from pipelines.salvage import Salvaged, salvage

_SUFFIXES = {".mp4", ".mov", ".m4v", ".3gp", ".3g2", ".qt", ".f4v", ".mp4v", ".lrv", ".insv", ".360"}
_NO_MEDIA = {b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"mfra", b"free", b"skip", b"uuid", b"udta", b"meta", b"wide"}
_LEAST_LEFT, _LEAST_SHARE = 1 << 16, 0.1
"""Bytes of media, and their share of all, that an index must be silent about before it is made anew."""
_MOST_UNKNOWN = 0.5
"""The same of a file of sound alone, which may hold much else."""
_LOOKED_AT = 24
"""Samples that an index is tried on."""
_MOST_WRONG = 0.8
"""Share of them that may be damaged in an index that is right."""
_LAST = 64
"""Samples at the end of a stream's index among which the last in the file is."""
_CODECS = ("h264", "hevc")


def is_mp4(wanted: Wanted, boxed: bool) -> bool:
    """The file is one of those that can be given an index. boxed: it begins like one."""
    if wanted.input_format is not None:
        return wanted.input_format in ("mov", "mp4", "3gp", "m4a", "3g2", "mj2")
    return boxed or os.path.splitext(wanted.name)[1].lower() in _SUFFIXES


class Index(Enum):
    """What libavformat knows of a file's samples."""

    WHOLE = auto()
    """It can be true, and there is little else."""
    SHORT = auto()
    """Fragments have lost their headers, or much lies behind the last sample: as a crash leaves what is updated now and
    then. What lies before or between samples was cut out, and is nobody's loss."""
    WRONG = auto()
    """Nearly nothing is where it says, it knows of nothing, or its parameter sets are damaged."""


def index_of(wanted: Wanted, container: InputContainer, boxes: BoxMap) -> Index:
    """Judge the index of an open file."""
    video = [s for s in container.streams.video if s.codec_context is not None]
    own = [s for s in video if s.codec_context.codec.canonical_name in _CODECS]
    if not own:
        # Other codecs are not looked for; a file of sound alone has an index that knows of all.
        heard = bool(container.streams) and _unknown_behind(container, boxes) < _MOST_UNKNOWN
        return Index.WHOLE if video or (heard and not _nameless(container)) else Index.WRONG
    if any(box.kind == b"moof" for box in boxes.boxes):
        return Index.SHORT if _orphans(boxes.boxes) else Index.WHOLE
    if not _fits(wanted, own[0]) or not _is_described(own[0]):
        return Index.WRONG
    return Index.SHORT if _unknown_behind(container, boxes) > _LEAST_SHARE else Index.WHOLE


def _nameless(container: InputContainer) -> bool:
    """Most of what the index knows is of streams without a codec, which may be pictures under a damaged name."""
    known = {False: 0, True: 0}
    for stream in container.streams:
        entries = stream.index_entries
        known[stream.codec_context is None] += sum(entry.size for entry in entries)
    return known[True] > known[False]


def _unknown_behind(container: InputContainer, boxes: BoxMap) -> float:
    """Share of the media data that lies behind all samples."""
    media = [(box.start + box.header, box.end) for box in boxes.boxes if box.kind == b"mdat"]
    last = 0
    for stream in container.streams:
        entries = stream.index_entries
        count = len(entries)
        # Samples of a stream are in order but for what few muxers do; the last chunk tells.
        tail = (entries[number] for number in range(max(0, count - _LAST), count))
        last = max([last, *(entry.pos + entry.size for entry in tail)])
    left = sum(max(0, end - max(start, last)) for start, end in media)
    return left / sum(end - start for start, end in media) if left > _LEAST_LEFT else 0.0


def _orphans(boxes: Sequence[Box]) -> list[Box]:
    """Media data of fragments whose header is lost."""
    alone, described = [], True
    for box in boxes:
        if box.kind == b"mdat":
            if not described and box.end - box.start > _LEAST_LEFT // 2:
                alone.append(box)
            described = False
        elif box.kind in (b"moof", b"moov"):
            described = True
    return alone


def _fits(wanted: Wanted, stream: VideoStream) -> bool:
    """Some of a few samples of video, taken from all over the index, are what they are said to be."""
    size = os.path.getsize(wanted.name)
    entries, header = stream.index_entries, stream.codec_context.extradata
    count = len(entries)
    if not count:
        return False
    codec = streams.video_codec(stream)
    width = parse_extradata(codec, header).length_size
    if not width:
        return True
    wrong = seen = 0
    with open(wanted.name, "rb") as file:
        for number in range(0, count, max(1, count // _LOOKED_AT)):
            entry = entries[number]
            if entry.pos + entry.size > size:
                continue
            file.seek(entry.pos)
            data = file.read(entry.size)
            if not any(data):
                continue
            seen += 1
            nals, bad = split_length_prefixed(data, width)
            wrong += bad or not nals or bool(nals[0].data[0] & 0x80)
    return wrong <= _MOST_WRONG * seen


def _is_described(stream: VideoStream) -> bool:
    """Its parameter sets are whole, in the index or, as libavformat found, between its samples."""
    return stream.codec_context.pix_fmt is not None or header_sets(stream).whole


def is_better(found: Salvaged, known: Index, container: InputContainer) -> bool:
    """Whether an index made anew shows more than the file's own, and loses nothing of it."""
    sound = len(container.streams.audio)
    if known is Index.SHORT and (len(container.streams.video) > 1 or sound > 1 or container.streams.subtitles):
        return False
    if known is Index.SHORT and sound and not found.sound:
        return False
    count = max((len(stream.index_entries) for stream in container.streams.video), default=0)
    return found.pictures > count if known is Index.SHORT else 2 * found.pictures >= count


def spans_of(boxes: BoxMap, size: int) -> list[tuple[int, int]]:
    """What of a file is in no box that holds no media."""
    spans, place = [], 0
    for box in boxes.boxes:
        if box.kind in _NO_MEDIA:
            spans.append((place, box.start))
            place = box.end
        elif box.kind == b"mdat":
            spans += [(place, box.start), (box.start + box.header, box.end)]
            place = box.end
    return [(start, end) for start, end in [*spans, (place, size)] if end - start > 8]


def find_media(wanted: Wanted, boxes: BoxMap) -> Salvaged:
    """What is found of media in the file. Raises NothingFoundError, Interrupted, InputError."""
    if wanted.salvaged is not None:
        return wanted.salvaged
    try:
        return salvage(wanted.name, spans_of(boxes, os.path.getsize(wanted.name)), wanted.like, wanted.stopped)
    except OSError as error:
        raise InputError(f"{wanted.label}: {one_line(error)}") from error
