"""Opening what `conceal --splice` reads and writes, and its refusals in words."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator

from concealer.bitstream.standin_error import UnsupportedStandInError
from pipelines.byte_stream import ByteStream
from pipelines.errors import ConcealError, UsageError
from pipelines.sink import Sink
from pipelines.source import Source
from pipelines.spliced_stream import SplicedStream, SpliceTotals


def open_streams(source: Source, indices: Collection[int]) -> dict[int, SplicedStream]:
    """A splicer for each video stream. Raises ConcealError if one of them can't be spliced."""
    with refusals(source.label):
        return {
            index: SplicedStream(
                source.video[index],
                source.codec(index),
                source.framed,
                not source.elementary,
                max(1, round(1 / (source.rate(index) * source.time_base(index)))),
            )
            for index in sorted(indices)
        }


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


def total(streams: Iterable[SplicedStream]) -> SpliceTotals:
    """Counts over all streams."""
    totals = SpliceTotals()
    for stream in streams:
        totals.merge(stream.totals)
    return totals
