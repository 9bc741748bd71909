"""Inputs that have an end: files, and what comes through a pipe."""

from __future__ import annotations

import os
import select
import sys
import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

import av
from av.container import InputContainer

from pipelines.errors import InputError, Interrupted, one_line
from pipelines.reading.boxes import BoxMap, PatchedFile, is_boxed
from pipelines.reading.connection import Closable, Connection, Wanted
from pipelines.reading.dumps import Converted, converted, is_dump
from pipelines.reading.lost_headers import lost_header
from pipelines.reading.parameter_sets import PrefixedFile
from pipelines.reading.salvaging import Index, find_media, index_of, is_better, is_mp4
from pipelines.reading.transport import PlainPackets, TransportTap, looks_like_ts, packet_stride, stream_kinds
from pipelines.salvage import NothingFoundError, Salvaged

ELEMENTARY = {
    ".264": "h264", ".h264": "h264", ".26l": "h264", ".avc": "h264", ".jsv": "h264", ".jvt": "h264",
    ".265": "hevc", ".h265": "hevc", ".hevc": "hevc", ".hvc": "hevc",
}  # fmt: skip
"""Suffixes of byte streams without a container, and their FFmpeg format name."""
_HEADED = (".mkv", ".webm", ".mk3d", ".flv", ".avi")
"""Suffixes of containers whose first bytes can be made anew."""
_SNIFFED = 256 << 10
"""Bytes of a transport stream within which its streams are looked at."""
_HEAD, _PART = 16, 1 << 20
"""Bytes of a pipe that say whether a recorder of RTP wrote it, and that are taken from it at a time."""
_LONG_HEAD = 65536
"""Bytes of a file that say what it is."""
_FOR_EVER = 10**12
"""Microseconds."""
_MP4_FIRST_BOXES = (b"ftyp", b"styp", b"moov", b"free", b"mdat", b"wide", b"skip")


class _PipeReader:
    """A pipe that can be left: a blocked read in C would not see Ctrl-C before the next byte."""

    def __init__(self, file: BinaryIO, stopped: Callable[[], bool]) -> None:
        self._descriptor = file.fileno()
        self._stopped = stopped
        self._ahead = b""
        while len(self._ahead) < _HEAD and (more := self._next(_HEAD)):
            self._ahead += more
        self.head = self._ahead
        """Its first bytes, fewer if it ended."""

    def read(self, size: int) -> bytes:
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        return ahead or self._next(size)

    def _next(self, size: int) -> bytes:
        while not self._stopped():
            if select.select([self._descriptor], [], [], 0.2)[0]:
                return os.read(self._descriptor, size)
        return b""


def open_pipe(wanted: Wanted) -> Connection:
    """Standard input. Raises InputError, Interrupted."""
    pipe = _PipeReader(cast(BinaryIO, sys.stdin.buffer), wanted.stopped)
    if wanted.input_format is None and is_dump(pipe.head):
        return _open_piped_dump(wanted, pipe)
    tap = TransportTap(pipe.read)
    return Connection(_open_as(wanted, tap, wanted.input_format), tap)


def open_file(wanted: Wanted) -> Connection:
    """A file; a transport stream through a tap. Raises InputError, Interrupted."""
    head = _read_head(wanted)
    if wanted.input_format is None and is_dump(head):
        return _open_dump(wanted, head)
    stride = packet_stride(head)
    if wanted.input_format not in (None, "mpegts") or not (looks_like_ts(head) or stride):
        return _open_past_tap(wanted, head)
    file = open(wanted.name, "rb")  # noqa: SIM115 - the connection's
    kinds = stream_kinds(_packets(file, stride).read(_SNIFFED))
    file.seek(0)
    tap = TransportTap(_packets(file, stride).read, wanted.moved, kinds)
    try:
        return Connection(_open_as(wanted, tap, "mpegts"), tap, file)
    except BaseException:
        file.close()
        raise


def _packets(file: BinaryIO, stride: tuple[int, int] | None) -> BinaryIO | PlainPackets:
    return file if stride is None else PlainPackets(file.read, *stride)


def open_again(wanted: Wanted) -> Connection:
    """A connection of its own to a file that is read already. Raises InputError, Interrupted."""
    head = _read_head(wanted)
    if wanted.input_format is None and is_dump(head):
        return _open_dump(wanted, head)
    return _open_past_tap(wanted, head)


def _open_dump(wanted: Wanted, head: bytes) -> Connection:
    """What a recorder of RTP wrote, made a container once for all processes that read it."""
    made = wanted.converted or converted(wanted.name, head, wanted.description)
    return _open_converted(wanted, made)


def _open_converted(wanted: Wanted, made: Converted) -> Connection:
    container = _open_as(wanted, "file:" + made.path, "nut")
    return Connection(container, gaps=made.gaps, losses=made.losses, converted=made)


def _open_piped_dump(wanted: Wanted, pipe: _PipeReader) -> Connection:
    """The same from a pipe: kept in a file until it ended, as it is read twice."""
    with tempfile.NamedTemporaryFile(prefix="conceal-") as file:
        while part := pipe.read(_PART):
            file.write(part)
        if wanted.stopped():
            raise Interrupted("interrupted")
        file.flush()
        file.seek(0)
        try:
            made = converted(file.name, file.read(_LONG_HEAD), wanted.description)
        except InputError as error:
            raise InputError(str(error).replace(file.name, wanted.label)) from error
    return _open_converted(wanted, made)


def _read_head(wanted: Wanted) -> bytes:
    try:
        if os.path.isdir(wanted.name):
            raise InputError(f"{wanted.label}: is a directory")
        with open(wanted.name, "rb") as file:
            head = file.read(_LONG_HEAD)
    except OSError as error:
        raise InputError(f"{wanted.label}: {one_line(error)}") from error
    if not head:
        raise InputError(f"{wanted.label}: is empty")
    return head


def _open_past_tap(wanted: Wanted, head: bytes) -> Connection:
    input_format = wanted.input_format
    if input_format is None and b"\x00\x00\x01" in head and head[4:8] not in _MP4_FIRST_BOXES:
        input_format = ELEMENTARY.get(os.path.splitext(wanted.name)[1].lower())
    if wanted.parameter_sets and input_format in ELEMENTARY.values():
        return _open_view(wanted, PrefixedFile(wanted.name, wanted.parameter_sets), input_format)
    boxed = is_boxed(head)
    if not is_mp4(wanted, boxed) or input_format in ELEMENTARY.values():
        made = lost_header(head) if input_format is None and _has_suffix(wanted.name, _HEADED) else None
        if made is not None:
            return _open_view(wanted, PrefixedFile(wanted.name, made.data), made.format, made.passed_over)
        return Connection(_open_as(wanted, "file:" + wanted.name, input_format))
    return _open_mp4(wanted, input_format, _boxes(wanted))


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes


def _open_mp4(wanted: Wanted, input_format: str | None, boxes: BoxMap) -> Connection:
    """By its own index, mended where its boxes are damaged; where that will not do, by one made anew."""
    failure: InputError | None = None
    connection: Connection | None = None
    known = Index.WRONG
    if wanted.salvaged is None:
        try:
            connection = _open_boxes(wanted, input_format, boxes)
            known = index_of(wanted, connection.container, boxes)
            if known is Index.WHOLE:
                return connection
        except InputError as error:
            failure = error
    try:
        found = find_media(wanted, boxes)
    except NothingFoundError as error:
        if connection is None:
            raise InputError(f"{failure or wanted.label}; without an index: {error}") from error
        return connection
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    if connection is not None:
        if not is_better(found, known, connection.container):
            return connection
        connection.close()
    return _open_view(wanted, PrefixedFile(wanted.name, found.index), "mov", found.unused, found)


def _open_boxes(wanted: Wanted, input_format: str | None, boxes: BoxMap) -> Connection:
    if not boxes.mendable:
        return Connection(_open_as(wanted, "file:" + wanted.name, input_format))
    return _open_view(wanted, PatchedFile(wanted.name, boxes.patches), input_format, boxes.skipped)


def _open_view(
    wanted: Wanted, file: Closable, input_format: str | None, passed_over: int = 0, salvaged: Salvaged | None = None
) -> Connection:
    """A file that is read through `file`."""
    try:
        container = _open_as(wanted, file, input_format)
        return Connection(container, file=file, passed_over=passed_over, salvaged=salvaged)
    except BaseException:
        file.close()
        raise


def _boxes(wanted: Wanted) -> BoxMap:
    try:
        with open(wanted.name, "rb") as file:
            return BoxMap(file, os.path.getsize(wanted.name))
    except OSError as error:
        raise InputError(f"{wanted.label}: {one_line(error)}") from error


def _far(probe_bytes: int, input_format: str | None) -> dict[str, str]:
    """Options that make libavformat look for streams until that many bytes."""
    options = {"probesize": str(probe_bytes), "analyzeduration": str(_FOR_EVER)}
    return options | ({"scan_all_pmts": "1"} if input_format == "mpegts" else {})


def _open_as(wanted: Wanted, file: object, input_format: str | None) -> InputContainer:
    level = av.logging.get_level()
    try:
        with av.logging.Capture(local=True) as messages:
            av.logging.set_level(av.logging.ERROR)
            options = _far(wanted.probe_bytes, input_format) if wanted.probe_bytes else {}
            return av.open(file, "r", format=input_format, options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError, OSError) as error:
        if wanted.stopped():
            raise Interrupted("interrupted") from error
        # libavformat's own last word ("moov atom not found") says more than its error code.
        detail = next((text.strip() for _, _, text in reversed(messages) if text.strip()), "")
        reason = one_line(error) + (f" ({' '.join(detail.split())})" if detail else "")
        raise InputError(f"{wanted.label}: cannot read: {reason}") from error
    finally:
        av.logging.set_level(level)
