"""MP4 whose boxes are damaged: what cannot be one is shown to libavformat as a `free` box, so that it reads on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_TYPES = {
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx", b"ssix", b"emsg", b"mfra",
    b"uuid", b"meta", b"pdin", b"prft", b"udta", b"PICT", b"pnot", b"junk", b"bloc", b"mpvd", b"sefd", b"pcmC",
}  # fmt: skip
"""Boxes of the file's own level, and what is found there besides."""
_LANDMARKS = (b"moof", b"mdat", b"moov")
"""Where reading goes on."""
_HEADERS = {b"mfhd": b"moof", b"mvhd": b"moov"}
"""Boxes that hold nothing but others, by the one that comes first in them."""
_MOST_INSIDE = 256
_STEP = 1 << 20
_MOST_BOXES = 1 << 20


@dataclass(frozen=True, slots=True)
class Box:
    """One box of the file's own level."""

    start: int
    end: int
    kind: bytes
    header: int = 8
    """Bytes before what it holds."""


def is_boxed(head: bytes) -> bool:
    """Whether a file begins like MP4, or has a box of it within its first bytes."""
    return head[4:8] in _TYPES or any(kind in head for kind in (b"moov", b"moof", b"mdat"))


def read_box(file: BinaryIO, start: int, size: int) -> Box | None:
    """The box that begins at a place of a file of `size` bytes, None if none can. An end beyond the file is its end
    for media data, which may have been cut off, and for nothing else."""
    file.seek(start)
    head = file.read(16)
    if len(head) < 8 or head[4:8] not in _TYPES:
        return None
    length, header = int.from_bytes(head[:4], "big"), 8
    if length == 1 and len(head) == 16:
        length, header = int.from_bytes(head[8:], "big"), 16
    elif length == 0:
        length = size - start
    if length < header or (start + length > size and head[4:8] != b"mdat"):
        return None
    return Box(start, min(start + length, size), head[4:8], header)


class BoxMap:
    """The boxes of a file, and the bytes that must be others for libavformat to follow them all."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.boxes: list[Box] = []
        self.patches: dict[int, bytes] = {}
        """New bytes by their place."""
        self.skipped = 0
        """Bytes that are in no box now, or in one that is destroyed inside."""
        self._file, self._size = file, size
        self._walk()

    def _walk(self) -> None:
        place = 0
        while place + 8 <= self._size and len(self.boxes) < _MOST_BOXES:
            box = read_box(self._file, place, self._size) or self._header(place) or self._unknown(place)
            if box is not None and not self._follows(box):
                box = self._resized(box)
            if box is None:
                place = self._skip(place)
                continue
            if box.kind == b"moof" and not self._is_fragment(box):
                self._patch(box.start + 4, b"free")
                self.skipped += box.end - box.start
            self.boxes.append(box)
            place = box.end

    def _header(self, place: int) -> Box | None:
        """The header of the file or of a fragment, known by what is in it where its own name or size is damaged."""
        self._file.seek(place)
        head = self._file.read(16)
        kind = _HEADERS.get(head[12:16])
        end = place + int.from_bytes(head[:4], "big")
        if kind is None:
            return None
        if place + 16 <= end <= self._size:
            self._patch(place + 4, kind)
            return Box(place, end, kind)
        box = self._resized(Box(place, self._size, kind))
        return box if head[4:8] == kind and box.start in self.patches else None

    def _unknown(self, place: int) -> Box | None:
        """A box of a type that is not known here, if a known one or the end is where it ends."""
        self._file.seek(place)
        head = self._file.read(8)
        end = place + int.from_bytes(head[:4], "big")
        box = Box(place, end, head[4:8])
        proper = head[4:8].isalnum() and place + 8 <= end <= self._size
        return box if proper and (end == self._size or read_box(self._file, end, self._size) is not None) else None

    @property
    def mendable(self) -> bool:
        """Something is to be mended, and there is enough left to read on with."""
        return bool(self.patches) and any(box.kind == b"moov" for box in self.boxes)

    def _follows(self, box: Box) -> bool:
        """Something that can be a box, or the end, is behind it."""
        if self._is_cut(box):
            return False
        return box.end + 8 > self._size or read_box(self._file, box.end, self._size) is not None

    def _resized(self, box: Box) -> Box:
        """The box with another end, if its own is held wrong by a landmark inside it or right behind its fragment, or
        by what is in it."""
        found = self._landmark(box.start + box.header)
        inside = found is not None and found < box.end
        stretched = found is not None and box.kind == b"moof" and self._kind(found) == b"mdat"
        if found is None and box.kind == b"moov" and box.end == self._size and self._inside(box) is not None:
            found = box.end
        elif found is None or not (inside or stretched):
            return box
        self._patch(box.start, (found - box.start).to_bytes(4, "big"))
        return Box(box.start, found, box.kind, box.header)

    def _skip(self, place: int) -> int:
        """Make what is there a `free` box; returns where it ends."""
        found = self._landmark(place + 1)
        end = self._size if found is None else found
        if end - place >= 8:
            self._patch(place, (end - place if end - place < 1 << 32 else 0).to_bytes(4, "big") + b"free")
        self.skipped += end - place
        return end

    def _landmark(self, place: int) -> int | None:
        """Where the next box begins that another one, or the end, follows."""
        start = place
        while start < self._size:
            self._file.seek(start)
            data = self._file.read(_STEP + 8)
            for at in _places(data):
                box = read_box(self._file, start + at, self._size) if start + at >= place else None
                if box is not None and self._follows(box):
                    return box.start
            start += _STEP
        return None

    def _kind(self, place: int) -> bytes:
        self._file.seek(place + 4)
        return self._file.read(4)

    def _is_cut(self, box: Box) -> bool:
        """Its size says that it ends beyond the file: media data that is cut off, or a wrong size."""
        self._file.seek(box.start)
        length = int.from_bytes(self._file.read(4), "big")
        return length > 1 and box.start + length > self._size

    def _is_fragment(self, box: Box) -> bool:
        """A fragment's header is filled by boxes, and tells of a track. One whose name is damaged is given it again."""
        inside = self._inside(box)
        if inside is None:
            return False
        tracks = [one for one in inside if one.kind == b"traf" or self._kind(one.start + 8) == b"tfhd"]
        for track in tracks:
            if track.kind != b"traf":
                self._patch(track.start + 4, b"traf")
        return bool(tracks)

    def _inside(self, box: Box) -> list[Box] | None:
        """The boxes in one, None if they do not fill it."""
        found: list[Box] = []
        place = box.start + box.header
        while place + 8 <= box.end and len(found) < _MOST_INSIDE:
            self._file.seek(place)
            head = self._file.read(8)
            length = int.from_bytes(head[:4], "big")
            if length < 8:
                return None
            found.append(Box(place, place + length, head[4:8]))
            place += length
        return found if place == box.end else None

    def _patch(self, place: int, data: bytes) -> None:
        self.patches[place] = data


def _places(data: bytes) -> Iterator[int]:
    found = {kind: data.find(kind) for kind in _LANDMARKS}
    while any(at >= 0 for at in found.values()):
        kind = min((kind for kind in found if found[kind] >= 0), key=found.__getitem__)
        if found[kind] >= 4:
            yield found[kind] - 4
        found[kind] = data.find(kind, found[kind] + 1)


class PatchedFile:
    """A file as it would be with other bytes at some places; for PyAV."""

    def __init__(self, path: str, patches: dict[int, bytes]) -> None:
        """Raises OSError."""
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close
        self._size = os.fstat(self._file.fileno()).st_size
        self._patches = sorted(patches.items())

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        data = self._file.read(size)
        for place, new in self._patches:
            if place < start + len(data) and place + len(new) > start:
                held = bytearray(data)
                for number, byte in enumerate(new):
                    if 0 <= place + number - start < len(held):
                        held[place + number - start] = byte
                data = bytes(held)
        return data

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
