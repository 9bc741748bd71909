"""Parameter sets that come beside a stream, in its session description, and not in it."""

from __future__ import annotations

import base64
import binascii
import os
import re

from concealer.bitstream import START_CODE
from pipelines.errors import InputError, one_line

_SPROP = re.compile(r"sprop-(?:parameter-sets|vps|sps|pps)=([A-Za-z0-9+/=,]+)")


def of_description(path: str) -> bytes:
    """The parameter sets that an SDP file names (RFC 6184 8.1, RFC 7798 7.1), with start codes.

    Raises InputError if it cannot be read or names none.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(1 << 20)
    except OSError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    try:
        sets = [base64.b64decode(one) for found in _SPROP.findall(text) for one in found.split(",") if one]
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{path}: parameter sets are not in base64: {one_line(error)}") from error
    if not sets:
        raise InputError(f"{path}: names no parameter sets (sprop-parameter-sets, or sprop-vps, -sps and -pps)")
    return b"".join(START_CODE + one for one in sets)


class PrefixedFile:
    """A file with bytes before its first; for PyAV."""

    def __init__(self, path: str, prefix: bytes) -> None:
        """Raises OSError."""
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close
        self._prefix = prefix
        self._size = len(prefix) + os.fstat(self._file.fileno()).st_size
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        size = self._size if size < 0 else size
        data = self._prefix[self._place : self._place + size]
        self._file.seek(max(0, self._place - len(self._prefix)))
        data += self._file.read(size - len(data))
        self._place += len(data)
        return data

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, start + place)
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        self._file.close()
