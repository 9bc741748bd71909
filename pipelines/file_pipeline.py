"""From a damaged file to a whole one: analyse, repair, encode, mux; or copy what was never damaged.

A file is read twice where it can be. The first pass only decodes and stops at the first damage of every video
stream, so that it costs little on a damaged file; an undamaged file is then copied packet by packet, which is
both exact and far cheaper than encoding. A pipe is read once: its video is always encoded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import av
from av.video.stream import VideoStream

from concealer.decoder import MOST_AHEAD, ObserveFn
from concealer.repair import Method, Repairer
from pipelines import splicing
from pipelines.errors import ConcealError, InputError, Interrupted, UsageError
from pipelines.generative import check_engine, generative_or_none, open_in_background
from pipelines.progress import Meter, OnProgress
from pipelines.reading import Source, VideoPayload
from pipelines.report import Report, Totals
from pipelines.spliced_stream import SpliceTotals
from pipelines.track import ShownPicture, Track
from pipelines.writing import output_file
from pipelines.writing.byte_stream import ByteStream
from pipelines.writing.encoder import EncoderSettings, PictureEncoder
from pipelines.writing.sink import Sink, can_hold, check_codec, stream_label

log = logging.getLogger(__name__)

_LIVE_DEADLINE_MS = 20.0
"""What repair of one picture may cost where pictures keep coming."""

_LOOKAHEAD = 2
"""Access units to look ahead where that delays nobody."""

Action = Literal["repaired", "spliced", "encoded", "copied", "analysed"]


@dataclass(frozen=True)
class Settings:
    """How to treat a file."""

    encoder: EncoderSettings = EncoderSettings()
    method: Method = "auto"
    """Repair by the method that fits best, or always by one."""
    engine: str = "auto"
    """What runs the generative method's network: "auto" or a backend of `engines`."""
    output_format: str | None = None
    """FFmpeg's muxer name; None = by the output's suffix."""
    input_format: str | None = None
    """FFmpeg's demuxer name; None = by content."""
    overwrite: bool = False
    """Replace an output that exists."""
    always_encode: bool = False
    """Encode video without damage too."""
    splice: bool = False
    """Encode nothing: put slices that carry the repair into the gaps of the stream."""
    dry_run: bool = False
    """Analyse only: no output."""
    lookahead: int | None = None
    """Access units to look ahead in repair; None = 2 for a file or pipe, 0 for a live input."""
    reconnect: bool = False
    """Open a live input again when it ends or falls silent."""
    keep_partial: bool = False
    """When stopped, complete the output with what was done so far."""
    report: str | None = None
    """Path of a JSON report (docs/report.md)."""
    threads: int = 1
    """Slice threads of the HEVC decoder; encoders choose their own."""


@dataclass
class ConcealResult:
    """What was done to a file."""

    input: str
    output: str | None
    action: Action
    """"repaired": damage was found and repaired; "spliced": the same without encoding; "encoded": none found,
    encoded all the same; "copied": none found, every packet copied; "analysed": dry run."""
    totals: Totals
    """Over all repaired video streams."""
    streams: dict[int, Totals] = field(default_factory=dict)
    """The same for each video stream, by its index."""
    dropped: list[str] = field(default_factory=list)
    """Streams that the output's container could not hold."""
    ended_early: str | None = None
    """Why reading stopped before the input's end, if it did."""
    splice: SpliceTotals | None = None
    """What splicing took out and put in, over all spliced streams."""
    interrupted: bool = False
    """Stopped by the user: the output holds what was done until then."""
    seconds: float = 0.0

    @property
    def pictures(self) -> int:
        """Pictures that came out, one for every access unit that went in or is known to be missing."""
        return self.totals.pictures

    @property
    def damaged_pictures(self) -> int:
        """Pictures with lost or broken blocks."""
        return self.totals.damaged

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        return {"schema": "concealer-result/1", **asdict(self), "seconds": round(self.seconds, 3)}


def conceal_file(
    source: str | Path,
    target: str | Path | None = None,
    settings: Settings | None = None,
    *,
    on_progress: OnProgress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ConcealResult:
    """Repair the H.264 and HEVC video of `source` and write it, with all other streams, to `target`.

    "-" is standard input or output. `stopped` is asked at every packet: once it is true the run ends, with
    Interrupted unless `settings.keep_partial`. Raises a subclass of `pipelines.errors.ConcealError`; the
    target then does not exist, or is what it was before.
    """
    settings = settings or Settings()
    return _Run(str(source), None if target is None else str(target), settings, on_progress, stopped).run()


class _Run:
    def __init__(
        self,
        source: str,
        target: str | None,
        settings: Settings,
        on_progress: OnProgress | None,
        stopped: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._target = target
        self._listener = on_progress
        self._stopped = stopped
        self._began = time.monotonic()
        self._target_format = ""
        self._check(source)
        self._source = Source(source, settings.input_format, stopped, reconnect=settings.reconnect)
        # Stopping is how receiving ends.
        self._keep = settings.keep_partial or self._source.live
        self._report: Report | None = None
        self._tracks: dict[int, Track] = {}

    def _check(self, source: str) -> None:
        self._settings.encoder.check()
        check_engine(self._settings.engine)
        ahead = self._settings.lookahead
        if ahead is not None and not 0 <= ahead <= MOST_AHEAD:
            raise UsageError(f"look-ahead must be 0 to {MOST_AHEAD} access units, got {ahead}")
        report = self._settings.report
        if report is not None and os.path.realpath(report) in (
            os.path.realpath(name) for name in (source, self._target or "") if name not in ("", "-")
        ):
            raise UsageError(f"{report}: the report would replace the input or the output")
        if self._target is None:
            if not self._settings.dry_run:
                raise UsageError("no output given; --dry-run analyses only")
            return
        self._target_format = output_file.format_name(self._target, self._settings.output_format)
        output_file.check(self._target, source, self._settings.overwrite)

    def run(self) -> ConcealResult:
        try:
            if self._settings.dry_run:
                self._analyse(to_the_end=True)
                result = self._result("analysed")
                self._finish_report(result)
                return result
            if self._settings.splice:
                return self._splice(set(self._source.video))
            encode = set(self._source.video)
            for index in encode:
                check_codec(self._target_format, self._settings.encoder.encoder(self._source.codec(index)))
            if self._source.seekable and not self._settings.always_encode:
                self._analyse(to_the_end=False)
                encode = {index for index, track in self._tracks.items() if not self._copyable(track)}
                if not encode:
                    return self._copy()
                self._restart()
            return self._repair(encode)
        finally:
            if self._report is not None:
                self._report.abort()
            for track in self._tracks.values():
                track.close()
            self._source.close()

    def _restart(self) -> None:
        for track in self._tracks.values():
            track.close()
        if self._report is not None:
            self._report.abort()
            self._report = None
        self._source.rewind()

    def _make_tracks(
        self, encode: set[int], repair: bool, track_taint: bool, observers: Mapping[int, ObserveFn] | None = None
    ) -> None:
        repairers = self._make_repairers(encode) if repair else {}
        self._tracks = {
            index: Track(
                self._source,
                index,
                repairers.get(index),
                track_taint,
                self._settings.threads,
                self._lookahead,
                None if observers is None else observers[index],
            )
            for index in sorted(encode)
        }
        if self._settings.report is not None:
            head = {
                "input": self._source.label,
                "output": self._target,
                "lookahead": self._lookahead if repair else 0,
                "streams": self._describe_tracks(),
            }
            self._report = Report(self._settings.report, head)

    def _make_repairers(self, encode: set[int]) -> dict[int, Repairer]:
        method, engine = self._settings.method, self._settings.engine
        if self._source.live and method == "auto":
            repairers = {index: Repairer(method, _LIVE_DEADLINE_MS) for index in encode}
            for repairer in repairers.values():
                # What comes in meanwhile would be lost while a network compiles.
                open_in_background(engine, partial(setattr, repairer, "generative"))
            return repairers
        network = generative_or_none(method, engine) if encode else None
        deadline = _LIVE_DEADLINE_MS if self._source.live else None
        return {index: Repairer(method, deadline, network() if network else None) for index in encode}

    @property
    def _lookahead(self) -> int:
        if self._settings.lookahead is not None:
            return self._settings.lookahead
        return 0 if self._source.live else _LOOKAHEAD

    def _describe_tracks(self) -> dict[str, Any]:
        return {
            str(index): {"codec": self._source.codec(index), "time_base": str(track.time_base)}
            for index, track in self._tracks.items()
        }

    def _events(self, phase: str, decode: set[int]) -> Iterator[VideoPayload | av.Packet]:
        """The input's packets, with progress told and `stopped` asked at each."""
        meter = Meter(phase, self._listener)
        for event in self._source.events(decode):
            if self._stopped():
                return
            yield event
            totals = [track.totals for track in self._tracks.values()]
            pictures, damaged = sum(t.pictures for t in totals), sum(t.damaged for t in totals)
            meter.tell(pictures, damaged, self._source.progress)

    def _analyse(self, to_the_end: bool) -> None:
        """Decode without repair; unless `to_the_end`, leave once every stream is known to be damaged."""
        self._make_tracks(set(self._source.video), repair=False, track_taint=to_the_end)
        open_streams = set(self._tracks)
        for event in self._events("analysing", open_streams):
            if isinstance(event, VideoPayload) and event.stream in open_streams:
                track = self._tracks[event.stream]
                self._note(track, track.feed(event))
                if not to_the_end and (track.damaged or track.any_hidden):
                    open_streams.discard(event.stream)
                    if not open_streams:
                        return
        if self._stopped() and not self._source.live:
            raise Interrupted("interrupted")
        for index in open_streams:
            self._note(self._tracks[index], self._tracks[index].flush())
        self._need_pictures()

    def _note(self, track: Track, pictures: Iterator[ShownPicture]) -> None:
        for shown in pictures:
            if self._report is not None:
                self._report.add(track.index, shown.picture, shown.pts, track.time_base)

    def _need_pictures(self) -> None:
        if not any(track.totals.pictures for track in self._tracks.values()):
            raise InputError(f"{self._source.label}: not one picture could be decoded")

    def _copyable(self, track: Track) -> bool:
        """Undamaged, and a plain copy of its packets would be shown as the input is."""
        if track.damaged:
            return False
        target_format = self._target_format
        stream = self._source.video[track.index]
        reason = None
        if track.any_hidden:
            reason = "has pictures outside its edit list"
        elif self._source.elementary and target_format != self._source.format_name:
            # The copy needs times, which follow from the output order if every packet gave one picture.
            if sorted(track.output_order) != list(range(track.payloads)):
                reason = "has no timestamps and field pictures"
        elif target_format in ("matroska", "webm") and not _same_shape(stream):
            reason = "has an aspect ratio of the container's own"
        elif not can_hold(target_format, stream):
            reason = f"does not fit into {target_format} as it is"
        if reason is not None:
            log.warning("%s %s: encoded, not copied", stream_label(stream), reason)
        return reason is None

    def _copy(self) -> ConcealResult:
        result = self._result("copied")
        times = _elementary_times(next(iter(self._tracks.values()))) if self._source.elementary else []
        self._source.rewind()
        assert self._target is not None
        sink = Sink(self._target, self._settings.output_format, self._source, encoded=())
        return self._finish(sink, self._copy_packets(sink, times), result)

    def _copy_packets(self, sink: Sink, times: list[tuple[int, int]]) -> Iterator[None]:
        interval = next(iter(self._tracks.values())).interval
        for number, event in enumerate(self._events("copying", set())):
            assert isinstance(event, av.Packet)
            if times:
                event.time_base = self._tracks[event.stream_index].time_base
                event.pts, event.dts = times[number]
                event.duration = interval
            sink.copy(event)
            yield

    def _repair(self, encode: set[int]) -> ConcealResult:
        self._make_tracks(encode, repair=True, track_taint=self._settings.report is not None)
        assert self._target is not None
        sink = Sink(self._target, self._settings.output_format, self._source, encode)
        return self._finish(sink, self._encode_pictures(sink, encode))

    def _splice(self, streams: set[int]) -> ConcealResult:
        with contextlib.closing(splicing.Streams(self._source, streams)) as spliced:
            self._make_tracks(streams, True, self._settings.report is not None, spliced.observers)
            if not all(track.hooked for track in self._tracks.values()):
                raise ConcealError("--splice needs the decoder hook, which does not hold on this system")
            assert self._target is not None
            sink = splicing.open_sink(self._target, self._target_format, self._source)
            return self._finish(sink, self._spliced_packets(sink, spliced), spliced=spliced)

    def _spliced_packets(self, sink: Sink | ByteStream, spliced: splicing.Streams) -> Iterator[None]:
        with splicing.refusals(self._source.label):
            for event in self._events("splicing", set(spliced.by_index)):
                if isinstance(event, VideoPayload):
                    track, stream = self._tracks[event.stream], spliced.by_index[event.stream]
                    stream.add(event)
                    self._note(track, track.feed(event))
                    for packet in stream.take():
                        sink.copy(packet)
                else:
                    sink.copy(event)
                yield
            for index, stream in spliced.by_index.items():
                self._note(self._tracks[index], self._tracks[index].flush())
                for packet in stream.flush():
                    sink.copy(packet)
        self._need_pictures()

    def _encode_pictures(self, sink: Sink, encode: set[int]) -> Iterator[None]:
        encoders: dict[int, PictureEncoder] = {}
        for event in self._events("repairing", encode):
            if isinstance(event, VideoPayload):
                track = self._tracks[event.stream]
                self._encode(sink, encoders, track, track.feed(event))
            else:
                sink.copy(event)
            yield
        for track in self._tracks.values():
            self._encode(sink, encoders, track, track.flush())
        self._need_pictures()
        for encoder in encoders.values():
            sink.write(encoder.flush())

    def _encode(
        self, sink: Sink, encoders: dict[int, PictureEncoder], track: Track, pictures: Iterator[ShownPicture]
    ) -> None:
        for shown in pictures:
            if self._report is not None:
                self._report.add(track.index, shown.picture, shown.pts, track.time_base)
            if shown.pts is None or not sink.accepts(track.index):
                continue
            if track.index not in encoders:
                encoders[track.index] = self._make_encoder(sink, track, shown.picture.frame)
            duration = shown.picture.duration or track.interval
            sink.write(encoders[track.index].encode(shown.picture.frame, shown.pts, duration))

    def _make_encoder(self, sink: Sink, track: Track, first: av.VideoFrame) -> PictureEncoder:
        def make(container: av.container.OutputContainer) -> PictureEncoder:
            return PictureEncoder(
                self._settings.encoder,
                self._source.video[track.index],
                first,
                container,
                time_base=track.time_base,
                rate=track.rate,
                sample=self._source.sample(track.index),
                chroma_location=self._source.chroma_location(track.index),
            )

        return sink.add_encoder(track.index, make)

    def _finish(
        self,
        sink: Sink | ByteStream,
        work: Iterator[None],
        result: ConcealResult | None = None,
        spliced: splicing.Streams | None = None,
    ) -> ConcealResult:
        """Do the work, then complete the output; or leave none, whatever happens on the way."""
        try:
            for _ in work:
                if self._stopped() and not self._keep:
                    break
            interrupted = self._stopped()
            if interrupted and not self._keep:
                raise Interrupted("interrupted")
            sink.finish()
        except BaseException:
            sink.abort()
            raise
        if result is None:
            damaged = any(track.damaged for track in self._tracks.values())
            result = self._result("repaired" if damaged else "encoded")
            if spliced is not None:
                result.splice = spliced.totals
                result.action = "spliced" if spliced.changed else "copied"
        result.interrupted = interrupted and not self._source.live
        result.dropped = sink.dropped
        result.seconds = time.monotonic() - self._began
        self._finish_report(result, () if spliced is None else spliced.changes)
        return result

    def _result(self, action: Action) -> ConcealResult:
        total = Totals()
        for track in self._tracks.values():
            total.merge(track.totals)
        return ConcealResult(
            self._source.label,
            self._target if action != "analysed" else None,
            action,
            total,
            {index: track.totals for index, track in self._tracks.items()},
            ended_early=self._source.ended_early,
            seconds=time.monotonic() - self._began,
        )

    def _finish_report(self, result: ConcealResult, spliced: Iterable[dict[str, Any]] = ()) -> None:
        if self._report is not None:
            self._report.finish(result.as_dict(), spliced)
            self._report = None


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
