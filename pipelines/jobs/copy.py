"""Copying: a file without damage goes out packet by packet, which is exact and far cheaper than encoding."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction

import av
from av.video.stream import VideoStream

from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.writing_out import write_out
from pipelines.track import Track
from pipelines.writing import Sink, can_hold, stream_label

log = logging.getLogger(__name__)


def copyable(run: Run, track: Track) -> bool:
    """Undamaged, and a plain copy of its packets would be shown as the input is.

    track: of a pass that analysed all of the stream.
    """
    if track.damaged:
        return False
    stream = run.source.video[track.index]
    reason = _hindrance(run, track, stream)
    if reason is not None:
        log.warning("%s %s: encoded, not copied", stream_label(stream), reason)
    return reason is None


def _hindrance(run: Run, track: Track, stream: VideoStream) -> str | None:
    if track.any_hidden:
        return "has pictures outside its edit list"
    if run.source.elementary and run.target_format != run.source.format_name:
        # The copy needs times, which follow from the output order if every packet gave one picture.
        if sorted(track.output_order) != list(range(track.payloads)):
            return "has no timestamps and field pictures"
    elif run.target_format in ("matroska", "webm") and not _same_shape(stream):
        return "has an aspect ratio of the container's own"
    elif not can_hold(run.target_format, stream):
        return f"does not fit into {run.target_format} as it is"
    return None


def copy(run: Run, analysis: Pass) -> ConcealResult:
    """Write every packet as it is. analysis: the pass that found no damage."""
    result = analysis.result("copied")
    times = _elementary_times(next(iter(analysis.tracks.values()))) if run.source.elementary else []
    run.source.rewind()
    sink = Sink(run.output, run.settings.output_format, run.source, encoded=())
    stopped = write_out(run, sink, _copy_packets(analysis, sink, times))
    return analysis.written(result, sink, stopped)


def _copy_packets(analysis: Pass, sink: Sink, times: list[tuple[int, int]]) -> Iterator[None]:
    interval = next(iter(analysis.tracks.values())).interval
    for number, event in enumerate(analysis.events("copying", set())):
        assert isinstance(event, av.Packet)
        if times:
            event.time_base = analysis.tracks[event.stream_index].time_base
            event.pts, event.dts = times[number]
            event.duration = interval
        sink.copy(event)
        yield


def _same_shape(stream: VideoStream) -> bool:
    """The container and the bitstream agree about the sample aspect ratio, as far as eyes can tell.

    Packets are copied into Matroska without the container's own ratio.
    """
    container = stream.sample_aspect_ratio or Fraction(1)
    bitstream = stream.codec_context.sample_aspect_ratio or Fraction(1)
    return abs(container / bitstream - 1) < 0.01


def _elementary_times(track: Track) -> list[tuple[int, int]]:
    """(pts, dts) of each packet of an elementary stream in decode order, in the track's time base."""
    shown_at = [0] * track.payloads
    for position, packet in enumerate(track.output_order):
        if 0 <= packet < len(shown_at):
            shown_at[packet] = position
    delay = max((number - position for number, position in enumerate(shown_at)), default=0)
    return [(position * track.interval, (number - delay) * track.interval) for number, position in enumerate(shown_at)]
