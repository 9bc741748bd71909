"""Copying: a file without damage goes out packet by packet, which is exact and far cheaper than encoding."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction

import av
from av.video.stream import VideoStream

from pipelines.jobs.facts import Known
from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.times import Stamps, all_have_pictures, mended_times
from pipelines.jobs.writing_out import write_out
from pipelines.writing import Sink, can_hold, stream_label

log = logging.getLogger(__name__)


def copyable(run: Run, track: Known) -> bool:
    """Undamaged, and a plain copy of its packets would be shown as the input is.

    track: of a pass that analysed all of the stream.
    """
    if track.damaged:
        return False
    label = stream_label(run.source.video[track.index])
    if track.index in run.source.headless:
        log.warning("%s begins without whole parameter sets: those of further on are put before it", label)
        return False
    reason = hindrance(run, track)
    if reason is not None:
        log.warning("%s %s: encoded, not copied", label, reason)
    return reason is None


def hindrance(run: Run, track: Known) -> str | None:
    """Why packets of a stream would not be shown as the input's are, None if they would."""
    stream = run.source.video[track.index]
    if track.any_hidden:
        return "has pictures outside its edit list"
    if track.totals.retimed and not all_have_pictures(track):
        return "has wrong times, and packets without a picture of their own"
    if run.source.elementary and run.target_format != run.source.format_name:
        # The copy needs times, which follow from the output order if every packet gave one picture.
        if not all_have_pictures(track):
            return "has no timestamps, and packets without a picture of their own"
    elif run.target_format in ("matroska", "webm") and not _same_shape(stream):
        return "has an aspect ratio of the container's own"
    elif not can_hold(run.target_format, stream):
        return f"does not fit into {run.target_format} as it is"
    return None


def copy(run: Run, analysis: Pass) -> ConcealResult:
    """Write every packet as it is. analysis: the pass that found no damage."""
    elementary = run.source.elementary
    tracks = [track for track in analysis.known.values() if elementary or track.totals.retimed]
    times = {track.index: _times(run, track) for track in tracks}
    run.source.rewind()
    sink = Sink(run.output, run.settings.output_format, run.source, encoded=())
    for track in analysis.known.values():
        sink.leave_out(track.index, track.left_out)
    stopped = write_out(run, sink, _copy_packets(analysis, sink, times))
    return analysis.written(analysis.result("copied"), sink, stopped)


def _copy_packets(analysis: Pass, sink: Sink, times: dict[int, Stamps]) -> Iterator[None]:
    """times: (pts, dts) of each packet of those streams that get others than their own."""
    left = {index: iter(of_stream) for index, of_stream in times.items()}
    for event in analysis.events("copying", set()):
        assert isinstance(event, av.Packet)
        stamp = next(left[event.stream_index], None) if event.stream_index in left else None
        if stamp is not None:
            track = analysis.known[event.stream_index]
            event.time_base = track.time_base
            event.pts, event.dts = stamp
            event.duration = track.interval
        sink.copy(event)
        yield


def _same_shape(stream: VideoStream) -> bool:
    """The container and the bitstream agree about the sample aspect ratio, as far as eyes can tell.

    Packets are copied into Matroska without the container's own ratio.
    """
    container = stream.sample_aspect_ratio or Fraction(1)
    bitstream = stream.codec_context.sample_aspect_ratio or Fraction(1)
    return abs(container / bitstream - 1) < 0.01


def _times(run: Run, track: Known) -> Stamps:
    """Of each packet, in decode order."""
    if run.source.elementary:
        return _elementary_times(track)
    return mended_times(track, run.source.first_delay(track.index)[1])


def _elementary_times(track: Known) -> Stamps:
    """(pts, dts) of each packet of an elementary stream in decode order, in the track's time base."""
    shown_at = [0] * track.payloads
    for position, packet in enumerate(track.tags):
        if 0 <= packet < len(shown_at):
            shown_at[packet] = position
    delay = max((number - position for number, position in enumerate(shown_at)), default=0)
    return [(position * track.interval, (number - delay) * track.interval) for number, position in enumerate(shown_at)]
