"""When a file of MP4 is to be read by an index made anew: it has none, or one that knows little of what is there."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from av.container import InputContainer
from av.video.stream import VideoStream

from concealer.bitstream import split_length_prefixed
from pipelines.errors import InputError, one_line
from pipelines.reading.boxes import Box, BoxMap
from pipelines.reading.connection import Connection, Wanted
from pipelines.salvage import NothingFoundError, Salvaged, salvage

log = logging.getLogger(__name__)

_SUFFIXES = {".mp4", ".mov", ".m4v", ".3gp", ".3g2", ".qt", ".f4v", ".mp4v", ".lrv", ".insv", ".360"}
_NO_MEDIA = {b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"mfra", b"free", b"skip", b"uuid", b"udta", b"meta", b"wide"}
_LEAST_LEFT, _LEAST_SHARE = 1 << 16, 0.1
"""Bytes of media, and their share of all, that an index must be silent about before it is made anew."""
_MOST_UNKNOWN = 0.5
"""The same of a file of sound alone, which may hold much else."""
_LOOKED_AT = 24
"""Samples that an index is tried on."""
_CODECS = ("h264", "hevc")


def is_mp4(wanted: Wanted, boxed: bool) -> bool:
    """The file is one of those that can be given an index. boxed: it begins like one."""
    if wanted.input_format is not None:
        return wanted.input_format in ("mov", "mp4", "3gp", "m4a", "3g2", "mj2")
    return boxed or os.path.splitext(wanted.name)[1].lower() in _SUFFIXES


def has_whole_index(wanted: Wanted, connection: Connection, boxes: BoxMap) -> bool:
    """Whether what libavformat knows of the file's samples can be true and is nearly all there is."""
    container = connection.container
    video = [s for s in container.streams.video if s.codec_context is not None]
    own = [s for s in video if s.codec_context.codec.canonical_name in _CODECS]
    if not own:
        # Other codecs are not looked for; a file of sound alone has an index that knows of all.
        return bool(video) or (bool(container.streams) and _share_unknown(container, boxes) < _MOST_UNKNOWN)
    if any(box.kind == b"moof" for box in boxes.boxes):
        return not _orphans(boxes.boxes)
    if not _fits(wanted, own[0]):
        return False
    return _share_unknown(container, boxes) < _LEAST_SHARE


def _share_unknown(container: InputContainer, boxes: BoxMap) -> float:
    """Share of the media data that is in no sample."""
    media = sum(box.end - box.start - box.header for box in boxes.boxes if box.kind == b"mdat")
    known = sum(entry.size for stream in container.streams for entry in stream.index_entries)
    return max(0, media - known) / media if media - known > _LEAST_LEFT else 0.0


def _orphans(boxes: Sequence[Box]) -> list[Box]:
    """Media data of fragments whose header is lost."""
    alone, described = [], True
    for box in boxes:
        if box.kind == b"mdat":
            if not described and box.end - box.start > _LEAST_LEFT:
                alone.append(box)
            described = False
        elif box.kind in (b"moof", b"moov"):
            described = True
    return alone


def _fits(wanted: Wanted, stream: VideoStream) -> bool:
    """Most of some samples of video, taken from all over the index, are what they are said to be."""
    size = os.path.getsize(wanted.name)
    entries, header = stream.index_entries, stream.codec_context.extradata
    count = len(entries)
    if not count:
        return False
    if not header or header[:1] != b"\x01":
        return True
    wrong = seen = 0
    with open(wanted.name, "rb") as file:
        for number in range(0, count, max(1, count // _LOOKED_AT)):
            entry = entries[number]
            place, length = entry.pos, entry.size
            if place + length > size:
                continue
            file.seek(place)
            data = file.read(length)
            if not any(data):
                continue
            seen += 1
            nals, bad = split_length_prefixed(data, 4)
            wrong += bad or not nals or bool(nals[0].data[0] & 0x80)
    return wrong <= seen // 2


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


def find_media(wanted: Wanted, boxes: BoxMap) -> Salvaged | None:
    """What is found of media in the file; None if there is nothing. Raises InputError."""
    if wanted.salvaged is not None:
        return wanted.salvaged
    try:
        return salvage(wanted.name, spans_of(boxes, os.path.getsize(wanted.name)), wanted.like)
    except NothingFoundError as error:
        log.debug("%s: salvage: %s", wanted.label, error)
        return None
    except OSError as error:
        raise InputError(f"{wanted.label}: {one_line(error)}") from error
