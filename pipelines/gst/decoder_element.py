"""`concealdec`: H.264 and HEVC to raw video, repaired inside the decoder's reference pictures."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import av

from concealer.decoder import DecodedPicture
from pipelines.errors import UsageError
from pipelines.gst import raw_video, telling
from pipelines.gst.bindings import GObject, Gst
from pipelines.gst.decoding import Shown, StreamDecoder
from pipelines.gst.floating import hand_over, made_by_factory
from pipelines.gst.intake import Feed, Intake
from pipelines.gst.loss_report import from_event, is_restart
from pipelines.gst.negotiation import add_latency, answer_caps
from pipelines.gst.options import PROPERTIES, STATS, Options
from pipelines.gst.outages import Outages
from pipelines.gst.pace import Pace, Pause
from pipelines.gst.picture_output import PictureOutput
from pipelines.gst.requests import KeyframeRequests
from pipelines.gst.stream_caps import SINK_CAPS, BadCodecDataError, StreamCaps
from pipelines.gst.times import known_time, timed_segment
from pipelines.metrics import Served
from pipelines.on_damage import DamagePolicy
from pipelines.statistics import Statistics

log = logging.getLogger(__name__)

_LONG_GAP = Gst.SECOND
"""A longer GAP event is a pause, not a loss."""


class ConcealDec(Gst.Element):
    """One stream; see the properties' descriptions and docs/live.md."""

    __gtype_name__ = "ConcealDec"
    __gstmetadata__ = (
        "Concealing H.264 and HEVC decoder",
        "Codec/Decoder/Video",
        "Decodes H.264 and HEVC and repairs what was lost on the way, so that the damage does not spread. "
        "Knows most about losses behind conceallossprobe: rtpjitterbuffer do-lost=true ! conceallossprobe ! "
        "rtph264depay ! concealdec ! videoconvert ! autovideosink. concealbin is all of that in one. From a file: "
        "filesrc location=a.mp4 ! qtdemux ! concealdec, filesrc location=a.ts ! tsdemux ! h264parse ! concealdec. "
        "The property stats holds counts and delays.",
        "concealer",
    )
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, SINK_CAPS),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, raw_video.CAPS),
    )
    __gproperties__ = {**PROPERTIES, "stats": STATS}

    def __init__(self) -> None:
        factory = made_by_factory(self)
        super().__init__()
        if factory:
            hand_over(self)
        self._options = Options()
        self._served: Served | None = None
        self._refused: dict[str, str] = {}
        """What was said of properties that were given a value they cannot have."""
        self._sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        self._src = Gst.Pad.new_from_template(self.get_pad_template("src"), "src")
        # Functions without a bound method: pads that held their element would keep it alive for ever.
        self._sink.set_chain_function_full(lambda pad, parent, buffer: parent.outages.exclusively(parent.chain, buffer))
        self._sink.set_query_function_full(lambda pad, parent, query: parent.sink_query(pad, query))
        self._sink.set_event_function_full(lambda pad, parent, event: parent.sink_event(event))
        self._src.set_event_function_full(lambda pad, parent, event: parent.src_event(event))
        self._src.set_query_function_full(lambda pad, parent, query: parent.src_query(pad, query))
        self.add_pad(self._sink)
        self.add_pad(self._src)
        self.outages = Outages(self._fall_silent, self._show)
        self._reset()

    # Properties

    def do_get_property(self, pspec: GObject.ParamSpec) -> object:
        if pspec.name == "stats":
            return telling.structure_of(self._statistics)
        return getattr(self._options, pspec.name.replace("-", "_"))

    def do_set_property(self, pspec: GObject.ParamSpec, value: str | int | float | bool) -> None:
        try:
            self._options.set(pspec.name.replace("-", "_"), value)
        except ValueError as error:
            self._refused[pspec.name] = str(error)
            log.error("%s: %s", self.get_name(), error)
            if self._caps is not None:
                telling.fail(self, str(error), Gst.LibraryError.SETTINGS)
        else:
            self._refused.pop(pspec.name, None)

    # State

    def _reset(self) -> None:
        """As after construction; properties stay."""
        self._statistics = Statistics()
        self._caps: StreamCaps | None = None
        self._decoder: StreamDecoder | None = None
        self._intake: Intake | None = None
        self._output = PictureOutput(self._src, self._options)
        self._pace = Pace(self._options)
        self._policy = DamagePolicy()
        self._had_input = self._had_output = False
        self._coded: tuple[Fraction | None, Fraction | None] = (None, None)
        self._awaits_first = True
        self._since_stats = Pause()
        self._requests = KeyframeRequests(self._options)

    def do_change_state(self, transition: Gst.StateChange) -> Gst.StateChangeReturn:
        if transition == Gst.StateChange.NULL_TO_READY and self._refused:
            telling.fail(self, "; ".join(self._refused.values()), Gst.LibraryError.SETTINGS)
            return Gst.StateChangeReturn.FAILURE
        if transition == Gst.StateChange.PLAYING_TO_PAUSED:
            self.outages.stop()
        result = Gst.Element.do_change_state(self, transition)
        if transition in (Gst.StateChange.READY_TO_PAUSED, Gst.StateChange.PAUSED_TO_READY):
            statistics = self._statistics
            self._drop_decoder()
            self._reset()
            if transition == Gst.StateChange.PAUSED_TO_READY:
                self._statistics = statistics  # to be read after the end
        try:
            self._start(transition)
        except UsageError as error:
            telling.fail(self, str(error), Gst.ResourceError.SETTINGS)
            return Gst.StateChangeReturn.FAILURE
        return result

    def _start(self, transition: Gst.StateChange) -> None:
        """Serve counts while the element is more than READY, fill outages while it plays. Raises UsageError."""
        if self._served is not None and transition == Gst.StateChange.PAUSED_TO_READY:
            self._served.close()
            self._served = None
        elif transition == Gst.StateChange.READY_TO_PAUSED and self._options.metrics:
            self._served = Served(self._options.metrics, self.get_name(), self._statistics)
        elif transition == Gst.StateChange.PAUSED_TO_PLAYING:
            self.outages.start(self._options.outage, self._output.duration)

    def _drop_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    # Events and queries

    def sink_event(self, event: Gst.Event) -> bool:
        """Event function of the sink pad."""
        if event.type == Gst.EventType.FLUSH_START:
            return bool(self._src.push_event(event))
        with self.outages.lock:
            return self._sink_event(event)

    def _sink_event(self, event: Gst.Event) -> bool:
        kind = event.type
        if kind == Gst.EventType.CAPS:
            return self._set_caps(event.parse_caps())
        if kind == Gst.EventType.FLUSH_STOP:
            self._drop_decoder()
            self._begin_stream()
            self._policy.forget()
            self.outages.forget()
            self._output.flush()
            self._pace.forget_lateness()
            return self._src.push_event(event)
        if kind == Gst.EventType.SEGMENT:
            return self._begin_segment(event)
        if kind == Gst.EventType.EOS:
            self._end()
            return self._src.push_event(event)
        if kind == Gst.EventType.GAP:
            return self._gap(event)
        if kind == Gst.EventType.STREAM_START:
            self._drain()
            return self._src.push_event(event)
        if kind == Gst.EventType.CUSTOM_DOWNSTREAM and self._loss(event):
            return True
        serialised = Gst.EventType.get_flags(kind) & Gst.EventTypeFlags.SERIALIZED
        if serialised and kind != Gst.EventType.TAG:
            return self._output.push_in_order(event)
        return self._src.push_event(event)

    def _begin_segment(self, event: Gst.Event) -> bool:
        segment, event = timed_segment(event)
        if not self._output.is_in(segment):
            self._drain()
        self._output.begin_segment(segment)
        return self._output.push_in_order(event)

    def _end(self) -> None:
        """The stream ends."""
        self._drain()
        self.outages.forget()
        self._output.push_gap()
        self._output.push_pending()
        self._post_stats()
        if self._had_input and not self._had_output:
            telling.fail(self, "no valid picture before the end of the stream", Gst.StreamError.DECODE)

    def src_event(self, event: Gst.Event) -> bool:
        """Event function of the source pad."""
        if event.type == Gst.EventType.QOS:
            _, _, jitter, timestamp = event.parse_qos()
            self._pace.downstream_is(jitter, timestamp)
        elif event.type == Gst.EventType.SEEK and event.parse_seek()[0] <= 0:
            return False  # pictures cannot be predicted backwards
        return self._sink.push_event(event)

    def sink_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        """Query function of the sink pad."""
        return answer_caps(self._src, query) or Gst.Pad.query_default(pad, self, query)

    def src_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        """Query function of the source pad."""
        if query.type != Gst.QueryType.LATENCY:
            return Gst.Pad.query_default(pad, self, query)
        return add_latency(self._sink, query, self._pace.latency(self._output.duration))

    def _set_caps(self, caps: Gst.Caps) -> bool:
        try:
            found = StreamCaps.of(caps)
        except ValueError as error:
            bad = isinstance(error, BadCodecDataError)
            telling.fail(self, str(error), Gst.StreamError.DECODE if bad else Gst.StreamError.FORMAT)
            return False
        if found != self._caps:
            self._drain()
            self._drop_decoder()
            self._caps = found
            self._begin_stream()
        self._output.kept = raw_video.KeptCaps.of(caps)
        return True

    def _begin_stream(self) -> None:
        """Fresh knowledge of losses for the decoder to come."""
        self._output.begin_stream()
        self._policy.begin()
        self._requests.begin()
        self._awaits_first = True
        if self._caps is not None:
            self._intake = Intake(self._caps.codec, self._caps.length_size)

    def _loss(self, event: Gst.Event) -> bool:
        """Take in what the loss probe tells; False for any other event."""
        if is_restart(event):
            self._drain()
            self._begin_stream()
            self._statistics.restarts += 1
            return True
        try:
            report = from_event(event)
        except ValueError as error:
            log.warning("%s: loss report not understood: %s", self.get_name(), error)
            return True
        if report is None:
            return False
        self._statistics.packets_lost += report.packets
        if self._intake is not None:
            self._intake.damaged(report)
        return True

    def _gap(self, event: Gst.Event) -> bool:
        """Something is missing here, or the sender pauses."""
        _, duration = event.parse_gap()
        paused = duration != Gst.CLOCK_TIME_NONE and duration > _LONG_GAP
        if self._intake is None or not self._had_output:
            return self._output.gap(event, fillable=False)
        if not paused:
            self._intake.gap()  # its picture is made up; a sink that got the event would wait beyond those still held
        held = self._decoder is not None and self._decoder.held > 0
        return self._output.gap(event, fillable=held or not paused)

    # Data

    def chain(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Chain function: decode one access unit, push what comes out."""
        if self._intake is None:
            telling.fail(self, "no caps before the first buffer", Gst.StreamError.FORMAT)
            return Gst.FlowReturn.NOT_NEGOTIATED
        if self._output.flow != Gst.FlowReturn.OK:
            return self._output.flow
        self._had_input = True
        if self._intake.is_cut(known_time(buffer.pts)):
            self._renew_decoder()
        self._output.carried.take(buffer)
        flags = buffer.get_flags()
        if self._awaits_first and flags & Gst.BufferFlags.DELTA_UNIT and self._requests.joins():
            self._request_keyframe()
        self._awaits_first = False
        feeds = self._intake.buffer(
            buffer.extract_dup(0, buffer.get_size()),
            known_time(buffer.pts),
            known_time(buffer.dts),
            known_time(buffer.duration),
            discont=bool(flags & Gst.BufferFlags.DISCONT),
            corrupted=bool(flags & Gst.BufferFlags.CORRUPTED),
        )
        return self._decode(feeds)

    def _decode(self, feeds: Iterable[Feed]) -> Gst.FlowReturn:
        decoder = self._decoder or self._make_decoder()
        for feed in feeds:
            started = time.perf_counter()
            deadline = self._pace.deadline(self._output.running_time)
            decoder.repairer.method = self._options.method
            self._policy.on_damage, self._policy.min_confidence = self._options.on_damage, self._options.min_confidence
            pictures = list(decoder.decode(feed, deadline))
            milliseconds = (time.perf_counter() - started) * 1e3
            self._statistics.access_unit(milliseconds, deadline)
            self._push(pictures, decoder)
            if self._pace.learn(decoder.held, self._statistics):
                self.post_message(Gst.Message.new_latency(self))
            if self._output.flow != Gst.FlowReturn.OK:
                break
        interval = self._options.stats_interval
        if interval and self._since_stats.is_over(interval / 1000):
            self._post_stats()
        return self._output.flow

    def _make_decoder(self) -> StreamDecoder:
        caps, options = self._caps, self._options
        assert caps is not None
        self._decoder = StreamDecoder(
            caps.codec,
            caps.extradata,
            framed=caps.extradata is not None,
            threads=options.decoder_threads,
            track_taint=options.track_taint,
            engine=options.engine,
            network=options.network,
        )
        return self._decoder

    def _drain(self) -> None:
        """Push all pictures still inside; the next access unit begins anew."""
        decoder = self._decoder
        if decoder is None:
            return
        if self._intake is not None:
            self._decode(self._intake.flush())
        self._renew_decoder()
        self._begin_stream()

    def _renew_decoder(self) -> None:
        """Push all pictures still inside; references are none of what comes."""
        if self._decoder is not None:
            self._push(list(self._decoder.flush(self._pace.deadline(self._output.running_time))), self._decoder)
        self._drop_decoder()
        self._policy.begin()
        self._requests.begin()

    def _push(self, pictures: Iterable[Shown], decoder: StreamDecoder) -> None:
        for shown in pictures:
            if self._output.flow != Gst.FlowReturn.OK:
                return
            picture = shown.picture
            if picture.synthesised and picture.pts is not None and self._intake is not None:
                self._intake.made_up(picture.pts)
            seen = self._policy.shown(picture)
            if self._requests.wanted_for(picture, seen is picture):
                self._request_keyframe()
            self._statistics.held, self._statistics.dropped = self._policy.held, self._policy.dropped
            if seen is None:
                continue
            self._had_output |= not picture.synthesised
            self._coded = decoder.aspect, decoder.rate
            if self.outages.came_too_late(replace(shown, picture=seen)):
                continue
            self._statistics.picture(picture, shown.waited, self._output.duration / Gst.SECOND)
            self.outages.rate_is(self._output.duration)
            self._show(replace(shown, picture=seen))

    def _show(self, shown: Shown) -> None:
        try:
            buffer = self._output.make_buffer(shown, *self._coded)
        except (KeyError, ValueError, MemoryError, av.FFmpegError) as error:
            log.debug("output", exc_info=True)
            telling.fail(self, f"picture cannot be put out: {error}", Gst.StreamError.DECODE)
            self._output.flow = Gst.FlowReturn.ERROR
            return
        if buffer is not None:
            self._output.push(buffer)

    def _fall_silent(self, held: DecodedPicture | None) -> None:
        """Nothing comes: show what is left, and what comes later as a stream joined anew, once it is clean."""
        self._drain()
        self._policy.begin(held)

    def _request_keyframe(self) -> None:
        self._statistics.keyframe_requests += 1
        telling.request_keyframe(self._sink, self._statistics.keyframe_requests)

    def _post_stats(self) -> None:
        self.post_message(Gst.Message.new_element(self, telling.structure_of(self._statistics)))
