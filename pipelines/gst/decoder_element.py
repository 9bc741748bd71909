"""`concealdec`: H.264 and HEVC to raw video, repaired inside the decoder's reference pictures."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import av
import cv2
import numpy as np

from concealer.damage import BLOCK
from concealer.decoder import DecodedPicture
from concealer.picture import Plane
from pipelines.gst import raw_video
from pipelines.gst.bindings import GLib, GObject, Gst, GstVideo
from pipelines.gst.decoding import DEFAULT_INTERVAL, Shown, StreamDecoder
from pipelines.gst.floating import hand_over, made_by_factory
from pipelines.gst.intake import Damaged, Feed, Intake
from pipelines.gst.loss_report import from_event
from pipelines.gst.options import PROPERTIES, STATS, Options
from pipelines.gst.overlay import draw_overlay
from pipelines.gst.statistics import Statistics, is_repaired, repair_of

log = logging.getLogger(__name__)

SINK_CAPS = Gst.Caps.from_string(
    "video/x-h264, stream-format=(string){ byte-stream, avc, avc3 }, alignment=(string)au; "
    "video/x-h265, stream-format=(string){ byte-stream, hvc1, hev1 }, alignment=(string)au"
)
_CODECS = {"video/x-h264": "h264", "video/x-h265": "hevc"}
_KEYFRAME_PAUSE = 0.5
"""Seconds between two force-key-unit events."""
_LONG_GAP = Gst.SECOND
"""A longer GAP event is a pause, not a loss."""
_HURRIED_MS = 10.0
"""Deadline while downstream reports that pictures come late."""
_LATENCY_STEP_MS = 5.0
"""A change of the processing time below this is not worth a new latency."""


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
        self._sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        self._src = Gst.Pad.new_from_template(self.get_pad_template("src"), "src")
        # Functions without a bound method: pads that held their element would keep it alive for ever.
        self._sink.set_chain_function_full(lambda pad, parent, buffer: parent.chain(buffer))
        self._sink.set_event_function_full(lambda pad, parent, event: parent.sink_event(event))
        self._src.set_event_function_full(lambda pad, parent, event: parent.src_event(pad, event))
        self._src.set_query_function_full(lambda pad, parent, query: parent.src_query(pad, query))
        self.add_pad(self._sink)
        self.add_pad(self._src)
        self._reset()

    # Properties

    def do_get_property(self, pspec: GObject.ParamSpec) -> Any:
        if pspec.name == "stats":
            return self._stats_structure()
        return getattr(self._options, pspec.name.replace("-", "_"))

    def do_set_property(self, pspec: GObject.ParamSpec, value: Any) -> None:
        try:
            self._options.set(pspec.name.replace("-", "_"), value)
        except ValueError as error:
            log.warning("%s: %s", self.get_name(), error)

    def _stats_structure(self) -> Gst.Structure:
        structure = Gst.Structure.new_empty("concealer-stats")
        for name, value in self._statistics.as_dict().items():
            structure.set_value(name, value)
        return structure

    # State

    def _reset(self) -> None:
        """As after construction; properties stay."""
        self._statistics = Statistics()
        self._caps_key: tuple[Any, ...] | None = None
        self._decoder: StreamDecoder | None = None
        self._intake: Intake | None = None
        self._kept = raw_video.Kept()
        self._output = raw_video.Output()
        self._pending: list[Gst.Event] = []
        self._segment: Gst.Segment | None = None
        self._flow = Gst.FlowReturn.OK
        self._discont = True
        self._held = 0
        self._processing_ms = 0.0
        self._earliest = -1
        self._last_request = self._last_stats = 0.0

    def do_change_state(self, transition: Gst.StateChange) -> Gst.StateChangeReturn:
        result = Gst.Element.do_change_state(self, transition)
        if transition in (Gst.StateChange.READY_TO_PAUSED, Gst.StateChange.PAUSED_TO_READY):
            statistics = self._statistics
            self._drop_decoder()
            self._reset()
            if transition == Gst.StateChange.PAUSED_TO_READY:
                self._statistics = statistics  # to be read after the end
        return result

    def _drop_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def _fail(self, message: str, code: Gst.StreamError) -> None:
        error = GLib.Error.new_literal(Gst.StreamError.quark(), message, code)
        self.post_message(Gst.Message.new_error(self, error, message))

    # Events from upstream

    def sink_event(self, event: Gst.Event) -> bool:
        """Event function of the sink pad."""
        kind = event.type
        if kind == Gst.EventType.CAPS:
            return self._set_caps(event.parse_caps())
        if kind == Gst.EventType.FLUSH_STOP:
            self._drop_decoder()
            self._begin_stream()
            self._pending = [kept for kept in self._pending if kept.type != Gst.EventType.SEGMENT]
            self._segment = None
            self._flow = Gst.FlowReturn.OK
            self._earliest = -1
            return self._src.push_event(event)
        if kind == Gst.EventType.SEGMENT:
            segment = event.parse_segment()
            if self._segment is None or not segment.is_equal(self._segment):
                self._drain()
            self._segment = segment
            return self._in_order(event)
        if kind == Gst.EventType.EOS:
            self._drain()
            self._push_pending()
            self._post_stats()
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
            return self._in_order(event)
        return self._src.push_event(event)

    def _in_order(self, event: Gst.Event) -> bool:
        """Push a serialised event, after the caps."""
        if self._output.caps is None:
            self._pending.append(event)
            return True
        return self._src.push_event(event)

    def _push_pending(self) -> None:
        pending, self._pending = self._pending, []
        for event in pending:
            self._src.push_event(event)

    def _loss(self, event: Gst.Event) -> bool:
        """Take in a report of the loss probe; False for any other event."""
        try:
            report = from_event(event)
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("%s: loss report not understood: %s", self.get_name(), error)
            return True
        if report is None:
            return False
        self._statistics.packets_lost += report.packets
        if self._intake is not None:
            self._intake.damaged(Damaged(report.pts, report.payload, report.gaps))
        return True

    def _gap(self, event: Gst.Event) -> bool:
        _, duration = event.parse_gap()
        if duration != Gst.CLOCK_TIME_NONE and duration > _LONG_GAP:
            return self._in_order(event)
        # The picture that is missing is made up; a sink that got the event would wait beyond those still held.
        if self._intake is not None:
            self._intake.gap()
        return True

    def _set_caps(self, caps: Gst.Caps) -> bool:
        structure = caps.get_structure(0)
        codec = _CODECS.get(structure.get_name())
        stream_format = structure.get_string("stream-format")
        if codec is None or structure.get_string("alignment") not in (None, "au"):
            self._fail(f"cannot decode {caps.to_string()}: access units are needed (a parser)", Gst.StreamError.FORMAT)
            return False
        extradata: bytes | None = None
        if stream_format not in (None, "byte-stream"):
            data = structure.get_value("codec_data")
            extradata = None if data is None else data.extract_dup(0, data.get_size())
            if not extradata:
                self._fail(f"{stream_format} without codec_data", Gst.StreamError.FORMAT)
                return False
        key = (codec, extradata)
        if key != self._caps_key:
            self._drain()
            self._drop_decoder()
            self._caps_key = key
            self._begin_stream()
        self._kept = raw_video.Kept.of(caps)
        return True

    def _begin_stream(self) -> None:
        """Fresh knowledge of losses for the decoder to come."""
        self._discont = True
        if self._caps_key is not None:
            codec, extradata = self._caps_key
            self._intake = Intake(codec, _length_size(codec, extradata))

    # Data

    def chain(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Chain function: decode one access unit, push what comes out."""
        if self._intake is None:
            self._fail("no caps before the first buffer", Gst.StreamError.FORMAT)
            return Gst.FlowReturn.NOT_NEGOTIATED
        if self._flow != Gst.FlowReturn.OK:
            return self._flow
        flags = buffer.get_flags()
        feeds = self._intake.buffer(
            buffer.extract_dup(0, buffer.get_size()),
            _time(buffer.pts),
            _time(buffer.dts),
            _time(buffer.duration),
            discont=bool(flags & Gst.BufferFlags.DISCONT),
            corrupted=bool(flags & Gst.BufferFlags.CORRUPTED),
        )
        return self._decode(feeds)

    def _decode(self, feeds: Iterable[Feed]) -> Gst.FlowReturn:
        decoder = self._decoder or self._make_decoder()
        for feed in feeds:
            started = time.perf_counter()
            deadline = self._deadline()
            decoder.repairer.method = self._options.method  # type: ignore[assignment]
            pictures = list(decoder.decode(feed, deadline))
            milliseconds = (time.perf_counter() - started) * 1e3
            self._statistics.access_unit(milliseconds, deadline)
            self._push(pictures)
            self._watch_latency(decoder)
            if self._flow != Gst.FlowReturn.OK:
                break
        self._post_stats_when_due()
        return self._flow

    def _make_decoder(self) -> StreamDecoder:
        assert self._caps_key is not None
        codec, extradata = self._caps_key
        threads = self._options.max_threads or os.cpu_count() or 1
        self._decoder = StreamDecoder(
            codec,
            extradata,
            framed=extradata is not None,
            threads=min(threads, 16),
            track_taint=self._options.track_taint,
            engine=self._options.engine,
        )
        return self._decoder

    def _deadline(self) -> float | None:
        """Milliseconds that the next access unit may take, repair included."""
        deadline = self._options.deadline_ms or None
        late = self._options.qos and self._earliest >= 0 and self._last_running_time() < self._earliest
        if late:
            return min(deadline or _HURRIED_MS, _HURRIED_MS)
        return deadline

    def _last_running_time(self) -> int:
        if self._segment is None or self._segment.position == Gst.CLOCK_TIME_NONE:
            return -1
        running: int = self._segment.to_running_time(Gst.Format.TIME, self._segment.position)
        return -1 if running == Gst.CLOCK_TIME_NONE else running

    def _drain(self) -> None:
        """Push all pictures still inside; the next access unit begins anew."""
        decoder = self._decoder
        if decoder is None:
            return
        if self._intake is not None:
            self._decode(self._intake.flush())
        self._push(list(decoder.flush(self._deadline())))
        self._drop_decoder()
        self._begin_stream()

    def _push(self, pictures: Iterable[Shown]) -> None:
        for shown in pictures:
            if self._flow != Gst.FlowReturn.OK:
                return
            picture = shown.picture
            if picture.synthesised and picture.pts is not None and self._intake is not None:
                self._intake.made_up(picture.pts)
            self._statistics.picture(picture, shown.waited)
            try:
                buffer = self._make_buffer(shown)
            except (KeyError, ValueError, MemoryError, av.FFmpegError) as error:
                log.debug("output", exc_info=True)
                self._fail(f"picture cannot be put out: {error}", Gst.StreamError.DECODE)
                self._flow = Gst.FlowReturn.ERROR
                return
            if buffer is not None:
                self._flow = self._src.push(buffer)

    def _make_buffer(self, shown: Shown) -> Gst.Buffer | None:
        """The picture as a buffer with everything set; None if it lies outside the segment."""
        picture, start = shown.picture, shown.pts
        duration = picture.duration or self._duration()
        if self._segment is not None and self._segment.format == Gst.Format.TIME:
            inside, start, stop = self._segment.clip(Gst.Format.TIME, shown.pts, shown.pts + duration)
            if not inside:
                return None
            duration = stop - start
            self._segment.position = start
        frame = raw_video.with_known_format(picture.frame)
        assert self._decoder is not None
        if self._output.adapt(frame, self._kept, self._decoder.aspect):
            self._src.push_event(Gst.Event.new_caps(self._output.caps))
            self._push_pending()
            query = Gst.Query.new_allocation(self._output.caps, False)
            answered = self._src.peer_query(query)
            meta = GstVideo.video_meta_api_get_type()
            self._output.share_memory(answered and query.find_allocation_meta(meta)[0])
        damaged = bool(picture.damage.state.any())
        buffer = self._output.buffer(frame, partial(self._draw, picture) if damaged and self._options.overlay else None)
        buffer.pts, buffer.duration = start, duration
        if self._discont:
            buffer.set_flags(Gst.BufferFlags.DISCONT)
            self._discont = False
        if damaged:
            self._mark(buffer, picture)
            self._request_keyframe(picture)
        return buffer

    def _draw(self, picture: DecodedPicture, planes: Sequence[Plane]) -> None:
        repaired, text = is_repaired(picture), _describe(picture)
        draw_overlay(planes, self._output.bit_depth, picture.damage, repaired, text, rgb=self._output.rgb)

    def _mark(self, buffer: Gst.Buffer, picture: DecodedPicture) -> None:
        any_hole, mark = picture.damage.any_hole, self._options.mark_corrupted
        if mark == "damaged" or (mark == "unrepaired" and any_hole and not is_repaired(picture)):
            buffer.set_flags(Gst.BufferFlags.CORRUPTED)
        if any_hole and self._options.regions:
            _add_regions(buffer, picture)

    def _duration(self) -> int:
        rate = self._kept.framerate
        return round(Gst.SECOND / rate) if rate else DEFAULT_INTERVAL

    # Telling others

    def _request_keyframe(self, picture: DecodedPicture) -> None:
        share = self._options.keyframe_request_share
        hole = float(picture.damage.hole.mean())
        now = time.monotonic()
        if not share or hole < share or now - self._last_request < _KEYFRAME_PAUSE:
            return
        self._last_request = now
        self._statistics.keyframe_requests += 1
        count = self._statistics.keyframe_requests
        event = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, count)
        self._sink.push_event(event)

    def _post_stats_when_due(self) -> None:
        interval, now = self._options.stats_interval, time.monotonic()
        if interval and now - self._last_stats >= interval / 1000:
            self._last_stats = now
            self._post_stats()

    def _post_stats(self) -> None:
        self.post_message(Gst.Message.new_element(self, self._stats_structure()))

    def _watch_latency(self, decoder: StreamDecoder) -> None:
        """Tell the pipeline when pictures turn out to be held longer than it was told."""
        spent = self._statistics.processing_p95_ms if decoder.held else 0.0
        if decoder.held > self._held or spent > self._processing_ms + _LATENCY_STEP_MS:
            self._held = max(self._held, decoder.held)
            self._processing_ms = max(self._processing_ms, spent)
            self.post_message(Gst.Message.new_latency(self))

    def latency(self) -> int:
        """Nanoseconds this element adds: reordering as seen so far, decoding, and what repair may take."""
        processing = max(self._processing_ms, self._options.deadline_ms) * 1_000_000
        return self._held * self._duration() + round(processing)

    def src_event(self, pad: Gst.Pad, event: Gst.Event) -> bool:
        """Event function of the source pad."""
        if event.type == Gst.EventType.QOS:
            _, _, jitter, timestamp = event.parse_qos()
            self._earliest = timestamp + 2 * jitter if jitter > 0 else -1
        elif event.type == Gst.EventType.SEEK and event.parse_seek()[0] <= 0:
            return False  # pictures cannot be predicted backwards
        return self._sink.push_event(event)

    def src_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        """Query function of the source pad."""
        if query.type != Gst.QueryType.LATENCY:
            return Gst.Pad.query_default(pad, self, query)
        if not self._sink.peer_query(query):
            return False
        live, least, most = query.parse_latency()
        own = self.latency()
        query.set_latency(live, least + own, most if most == Gst.CLOCK_TIME_NONE else most + own)
        return True


def _time(value: int) -> int | None:
    return None if value == Gst.CLOCK_TIME_NONE else value


def _length_size(codec: str, extradata: bytes | None) -> int:
    if extradata is None:
        return 0
    place = 4 if codec == "h264" else 21
    return 1 + (extradata[place] & 3) if len(extradata) > place else 4


def _describe(picture: DecodedPicture) -> str:
    damage, parts = picture.damage, []
    for name, count in (("lost", 3), ("broken", 2), ("tainted", 1)):
        blocks = int(np.count_nonzero(damage.state == count))
        if blocks:
            parts.append(f"{name} {blocks}")
    if picture.synthesised:
        parts.append("made up")
    outcome = repair_of(picture)
    if outcome is not None:
        parts.append(f"{outcome.method} {outcome.milliseconds:.0f} ms")
    return "  ".join(parts)


def _add_regions(buffer: Gst.Buffer, picture: DecodedPicture) -> None:
    name = "concealer/repaired" if is_repaired(picture) else "concealer/damaged"
    frame = picture.frame
    hole = picture.damage.hole.astype(np.uint8)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(hole, connectivity=4)
    for left, top, columns, rows, _ in boxes[1:count].tolist():
        x, y = left * BLOCK, top * BLOCK
        width, height = min(columns * BLOCK, frame.width - x), min(rows * BLOCK, frame.height - y)
        if width > 0 and height > 0:
            GstVideo.buffer_add_video_region_of_interest_meta(buffer, name, x, y, width, height)
