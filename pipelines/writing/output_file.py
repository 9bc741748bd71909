"""The file behind an output: what is written there, and whether it can be, found out early."""

from __future__ import annotations

import contextlib
import os
import sys

import av

from pipelines.errors import OutputError, UsageError
from pipelines.reading import ELEMENTARY, STDIN, addresses
from pipelines.writing.draft import Draft

STDOUT = "-"
MOV_FAMILY = {"mp4", "mov", "ipod", "ismv", "3gp", "3g2", "psp", "f4v"}
"""Muxers that write MP4's boxes."""
_ALIASES = {"mkv": "matroska", "ts": "mpegts", "264": "h264", "265": "hevc", "h265": "hevc"}
"""Names that people say for FFmpeg's format names."""
_SUFFIXES = {
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".jsv": "h264",
    ".avc": "h264",
    ".26l": "h264",
    ".jvt": "h264",
}
"""Suffixes that FFmpeg reads but does not know how to write."""


class PipeWriter:
    """Standard output as a file that libavformat neither seeks nor closes."""

    def write(self, data: bytes) -> int:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return len(data)


def format_name(target: str, wanted: str | None) -> str:
    """FFmpeg's name of the format to write. Raises UsageError if it is not known."""
    if wanted is not None:
        name = _ALIASES.get(wanted.lower(), wanted.lower())
        with contextlib.suppress(ValueError):
            return av.format.ContainerFormat(name, "w").name
        raise UsageError(f"unknown output format {wanted!r}: give an FFmpeg muxer name such as mp4, matroska, mpegts")
    if target == STDOUT:
        raise UsageError("writing to standard output needs -f FORMAT")
    protocol = addresses.scheme(target)
    if protocol is not None:
        if protocol not in addresses.OUTPUT_FORMATS:
            raise UsageError(f"{target}: cannot send by {protocol}")
        return addresses.OUTPUT_FORMATS[protocol]
    suffix = os.path.splitext(target)[1].lower()
    known = _SUFFIXES.get(suffix) or ELEMENTARY.get(suffix)
    if known is not None:
        return known
    try:
        # Nothing is created on the disk before the header is written.
        return av.open("file:" + target, "w").format.name
    except (av.FFmpegError, ValueError) as error:
        raise UsageError(f"{target}: no container has the suffix {suffix!r}: give -f FORMAT") from error


def check(target: str, source: str, overwrite: bool) -> None:
    """Raise now what would otherwise be found out after hours: UsageError or OutputError."""
    if target == STDOUT or addresses.scheme(target) is not None:
        return
    path = os.path.realpath(target)
    if os.path.isdir(path):
        raise OutputError(f"{target}: is a directory")
    if source != STDIN and os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
        raise UsageError(f"{target}: input and output are the same file")
    if os.path.isfile(path) and not overwrite:
        raise UsageError(f"{target}: exists; -y overwrites it")
    if not os.path.exists(path) or os.path.isfile(path):
        Draft(target).discard()
    elif not os.access(path, os.W_OK):
        raise OutputError(f"{target}: cannot be written")


def is_special(target: str) -> bool:
    """A device or named pipe: written to directly."""
    path = os.path.realpath(target)
    return os.path.exists(path) and not os.path.isfile(path)
