"""One file checked, in one of two ways."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from pipelines.checking.by_decoding import check_by_decoding
from pipelines.checking.by_headers import check_by_headers
from pipelines.checking.candidates import Candidate
from pipelines.checking.endings import cut_off
from pipelines.checking.verdict import FileCheck
from pipelines.errors import ConcealError, InputError, Interrupted, NoVideoError, one_line
from pipelines.reading import ELEMENTARY, is_live
from pipelines.reading.boxes import is_boxed
from pipelines.reading.transport import looks_like_ts, packet_stride

_SUFFIXES = {
    *ELEMENTARY, ".mp4", ".m4v", ".mov", ".mkv", ".ts", ".m2ts", ".mts", ".m2t", ".flv", ".f4v", ".avi", ".mxf", ".3gp",
    ".webm", ".mpg", ".mpeg", ".vob", ".asf", ".wmv",
}  # fmt: skip
"""Of files that are video even where nothing can be read of them."""
_MAGIC = (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x06\x0e\x2b\x34")


def check_file(candidate: Candidate, *, fast: bool = False, stopped: Callable[[], bool] = lambda: False) -> FileCheck:
    """Look for damage in one file; fast: by headers and transport, without decoding.

    Never raises but Interrupted: what cannot be checked is told in the result, whose status is then "failed", or
    "passed over" for a file of a folder that is no H.264 or HEVC video.
    """
    began = time.monotonic()
    check = FileCheck(candidate.path, "headers" if fast else "decoded")
    try:
        if candidate.fault is not None:
            raise InputError(f"{candidate.path}: {candidate.fault}")
        if is_live(candidate.path):
            raise NoVideoError(f"{candidate.path}: is no file of video")
        (check_by_headers if fast else check_by_decoding)(check, stopped)
        if check.reason is None:
            check.reason = cut_off(candidate.path)
        check.judge()
    except Interrupted:
        raise
    except ConcealError as error:
        absent = isinstance(error, NoVideoError) or not (candidate.fault or is_video_file(candidate.path))
        _fail(check, str(error).removeprefix(f"{candidate.path}: "), not candidate.named and absent)
    except Exception as error:  # one file must not end the check of others
        _fail(check, f"failed: {one_line(error)} ({type(error).__name__})", False)
    check.seconds = time.monotonic() - began
    return check


def _fail(check: FileCheck, reason: str, pass_over: bool) -> None:
    check.status, check.reason = "passed over" if pass_over else "failed", reason
    check.streams.clear()


def is_video_file(path: str) -> bool:
    """Whether a file that cannot be read is taken for video, by its name or its first bytes."""
    if os.path.splitext(path)[1].lower() in _SUFFIXES:
        return True
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    ts = looks_like_ts(head) or packet_stride(head) is not None
    return ts or head.startswith(_MAGIC) or (is_boxed(head) and head[4:8] in (b"ftyp", b"styp", b"moov"))
