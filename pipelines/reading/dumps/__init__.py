"""What recorders of RTP write: pcap, pcapng, rtpdump, Janus' MJR."""

from __future__ import annotations

import os
from functools import lru_cache

from pipelines.errors import InputError, one_line
from pipelines.reading.dumps.captures import capture_of
from pipelines.reading.dumps.converting import Converted, convert
from pipelines.reading.dumps.description import Session

__all__ = ["Converted", "converted", "is_dump", "is_recording"]


_HEAD = 65536


def is_dump(head: bytes) -> bool:
    """By the first bytes of a file."""
    return capture_of(head) is not None


def is_recording(path: str) -> bool:
    """Whether a file is one of them; False where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return is_dump(file.read(_HEAD))
    except OSError:
        return False


def converted(path: str, head: bytes, description: str | None) -> Converted:
    """The recording as a container. description: of an SDP file. Raises InputError."""
    try:
        known = os.stat(path)
        return _converted(path, head, description, known.st_size, known.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: {one_line(error)}") from error


@lru_cache(maxsize=1)
def _converted(path: str, head: bytes, description: str | None, *known: int) -> Converted:
    """known: what changes with the file. It is asked for anew at every pass over the input."""
    session = Session()
    if description is not None:
        try:
            with open(description, encoding="utf-8", errors="replace") as file:
                session.read(file.read(1 << 20))
        except OSError as error:
            raise InputError(f"{description}: {one_line(error)}") from error
    capture = capture_of(head)
    assert capture is not None
    return convert(path, capture, session)
