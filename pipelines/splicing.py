"""What `conceal --splice` reads and writes, and its refusals in words."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from concealer.decoder import ObserveFn
from concealer.standins import UnsupportedStandInError
from pipelines.errors import ConcealError, UsageError
from pipelines.reading.source import Source
from pipelines.spliced_stream import SplicedStream, SpliceTotals
from pipelines.writing.byte_stream import ByteStream
from pipelines.writing.sink import Sink


class Streams:
    """The video streams of one file that are spliced."""

    def __init__(self, source: Source, indices: Collection[int]) -> None:
        """Raises ConcealError if one of them can't be spliced."""
        self.by_index: dict[int, SplicedStream] = {}
        with contextlib.ExitStack() as undo, refusals(source.label):
            undo.callback(self.close)
            for index in sorted(indices):
                interval = max(1, round(1 / (source.rate(index) * source.time_base(index))))
                stream = source.video[index]
                self.by_index[index] = SplicedStream(
                    stream,
                    source.codec(index),
                    source.framed,
                    not source.elementary,
                    interval,
                    float(1 / source.rate(index)),
                )
            undo.pop_all()

    @property
    def observers(self) -> dict[int, ObserveFn]:
        """The decoders' observers, by stream."""
        return {index: stream.observe for index, stream in self.by_index.items()}

    @property
    def changed(self) -> bool:
        """Anything was taken out or put in."""
        return any(stream.changed for stream in self.by_index.values())

    @property
    def totals(self) -> SpliceTotals:
        """Counts over all of them."""
        totals = SpliceTotals()
        for stream in self.by_index.values():
            totals.merge(stream.totals)
        return totals

    @property
    def changes(self) -> Iterator[dict[str, Any]]:
        """What was done to each changed access unit, for the report."""
        for index, stream in self.by_index.items():
            for change in stream.changes:
                yield {"stream": index, **change}

    def close(self) -> None:
        """Free what they hold."""
        for stream in self.by_index.values():
            stream.close()


def open_sink(target: str, target_format: str, source: Source) -> Sink | ByteStream:
    """The output. Raises UsageError where a stream without timestamps should get a container."""
    if not source.elementary:
        return Sink(target, target_format, source, encoded=())
    if target_format != source.format_name:
        raise UsageError(f"{target}: {source.label} has no timestamps: with --splice it stays {source.format_name}")
    return ByteStream(target)


@contextlib.contextmanager
def refusals(label: str) -> Iterator[None]:
    """Turn what stands against splicing into one line that offers the alternative."""
    try:
        yield
    except UnsupportedStandInError as error:
        raise ConcealError(f"{label}: cannot be spliced: {error}; without --splice it is re-encoded") from error
