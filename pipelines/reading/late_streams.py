"""Streams that appear in mid-file, where nobody knew of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipelines.reading.connection import LateStreamsError
from pipelines.reading.source import Source

Result = TypeVar("Result")


def with_late_streams(source: Source, work: Callable[[], Result]) -> Result:
    """Do what reads the source from its start, and do it anew where a stream appeared that nobody knew of."""
    while True:
        try:
            return work()
        except LateStreamsError:
            source.rewind()
