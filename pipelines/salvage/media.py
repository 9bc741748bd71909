"""The bytes of a damaged file, and where in it media can be."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Sequence
from types import TracebackType

from pipelines.errors import Interrupted

Span = tuple[int, int]
"""Start and end of bytes in a file."""

_BLOCK = 1 << 16


class Media:
    """A file's bytes, mapped."""

    def __init__(self, path: str, spans: Sequence[Span], stopped: Callable[[], bool] = lambda: False) -> None:
        """spans: where media can be, in order. stopped: asked now and then. Raises OSError, ValueError for an empty
        file.
        """
        self._stopped = stopped
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close
        try:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        except BaseException:
            self._file.close()
            raise
        self.data = memoryview(self._map)
        self.size = os.fstat(self._file.fileno()).st_size
        self.spans = [(start, min(end, self.size)) for start, end in spans if start < min(end, self.size)]

    def go_on(self) -> None:
        """Raise Interrupted if it is stopped."""
        if self._stopped():
            raise Interrupted("interrupted")

    def past_zeros(self, start: int, end: int) -> int:
        """Where the first block of bytes begins that are not all zeros."""
        while start < end and not self.data[start : min(start + _BLOCK, end)].tobytes().strip(b"\x00"):
            start += _BLOCK
        return min(start, end)

    def find(self, text: bytes, start: int = 0, end: int | None = None) -> int:
        """Place of the first occurrence, -1 if there is none."""
        return self._map.find(text, start, self.size if end is None else end)

    def close(self) -> None:
        self.data.release()
        self._map.close()
        self._file.close()

    def __enter__(self) -> Media:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
