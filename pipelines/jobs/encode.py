"""Encoding: repaired pictures go through an encoder, all other streams are copied beside them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator

import av
from av.container import OutputContainer

from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.writing_out import write_out
from pipelines.presenting import ShownPicture
from pipelines.reading import VideoPayload
from pipelines.track import Track
from pipelines.writing import PictureEncoder, Silences, Sink

log = logging.getLogger(__name__)


def encode(run: Run, streams: Collection[int]) -> ConcealResult:
    """Repair and encode `streams`, by index."""
    with Pass(run, streams, repair=True, track_taint=run.settings.report is not None) as passed:
        sink = Sink(run.output, run.settings.output_format, run.source, streams)
        stopped = write_out(run, sink, _encode_pictures(passed, sink))
        damaged = any(track.damaged for track in passed.tracks.values())
        return passed.written(passed.result("repaired" if damaged else "encoded"), sink, stopped)


def _encode_pictures(passed: Pass, sink: Sink) -> Iterator[None]:
    encoders: dict[int, PictureEncoder] = {}
    silences = Silences(passed.run.source.container) if passed.run.settings.outage is not None else None
    for event in passed.timed_events("repairing", passed.tracks.keys()):
        if isinstance(event, VideoPayload):
            track = passed.tracks[event.stream]
            _encode(passed, sink, encoders, track, track.feed(event))
        elif event is not None and (silences is None or silences.passed(event)):
            sink.copy(event)
        for track in passed.tracks.values():
            _encode(passed, sink, encoders, track, track.silent())
        for packet in silences.due() if silences is not None else ():
            sink.copy(packet)
        yield
    for track in passed.tracks.values():
        _encode(passed, sink, encoders, track, track.flush())
    passed.need_pictures()
    for encoder in encoders.values():
        sink.write(encoder.flush())


def _encode(
    passed: Pass, sink: Sink, encoders: dict[int, PictureEncoder], track: Track, pictures: Iterator[ShownPicture]
) -> None:
    for shown in passed.told(track, pictures):
        if shown.pts is None or not sink.accepts(track.index):
            continue
        if track.index not in encoders:
            if shown.picture.layered:
                log.warning("stream #%d: layers above the base layer (stereo, scalable) are left out", track.index)
            encoders[track.index] = _add_encoder(passed.run, sink, track, shown.picture.frame)
        duration = shown.picture.duration or track.interval
        sink.write(encoders[track.index].encode(shown.picture.frame, shown.pts, duration))


def _add_encoder(run: Run, sink: Sink, track: Track, first: av.VideoFrame) -> PictureEncoder:
    def make(container: OutputContainer) -> PictureEncoder:
        return PictureEncoder(
            run.settings.encoder,
            run.source.video[track.index],
            first,
            container,
            time_base=track.time_base,
            rate=track.rate,
            sample=run.source.sample(track.index),
            chroma_location=run.source.chroma_location(track.index),
        )

    return sink.add_encoder(track.index, make)
