"""`concealsplice`: H.264 and HEVC in, the same stream out with its gaps filled."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence

from concealer.splice import SplicedUnit
from concealer.standins import UnsupportedStandInError
from pipelines.gst import raw_video
from pipelines.gst.bindings import GLib, GObject, Gst
from pipelines.gst.decoding import DEFAULT_INTERVAL
from pipelines.gst.floating import hand_over, made_by_factory
from pipelines.gst.intake import Feed, Intake
from pipelines.gst.loss_report import from_event, is_restart
from pipelines.gst.negotiation import add_latency
from pipelines.gst.options import PROPERTIES, Options
from pipelines.gst.splicing import StreamSplicer, counted, payload_of
from pipelines.gst.stream_caps import StreamCaps

log = logging.getLogger(__name__)

CAPS = Gst.Caps.from_string(
    "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au; "
    "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au"
)
_REMEMBERED = 64
_OWN = ("method", "deadline-ms", "max-threads")


class ConcealSplice(Gst.Element):
    """Received NAL units pass byte for byte, slices that carry the repair go where some are missing."""

    __gtype_name__ = "ConcealSplice"
    __gstmetadata__ = (
        "Splicer of lossy H.264 and HEVC",
        "Filter/Video/Codec",
        "Fills the gaps of a stream with slices that carry the repair, and leaves what was received as it is, so that "
        "any decoder behind shows the repaired pictures. Nothing is encoded. Place it behind the depayloader: "
        "conceallossprobe ! rtph264depay ! concealsplice ! h264parse ! ... A stream that cannot be spliced passes as "
        "it came, and a warning says why.",
        "concealer",
    )
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, CAPS),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, CAPS),
    )
    __gproperties__ = {
        **{name: PROPERTIES[name] for name in _OWN},
        "stats": (
            Gst.Structure,
            "Statistics",
            "Structure concealer-splice-stats: NAL units kept, inserted, replaced (left out for being corrupt).",
            GObject.ParamFlags.READABLE,
        ),
    }

    def __init__(self) -> None:
        factory = made_by_factory(self)
        super().__init__()
        if factory:
            hand_over(self)
        self._options = Options()
        self._sink = Gst.Pad.new_from_template(self.get_pad_template("sink"), "sink")
        self._src = Gst.Pad.new_from_template(self.get_pad_template("src"), "src")
        self._sink.set_chain_function_full(lambda pad, parent, buffer: parent.chain(buffer))
        self._sink.set_event_function_full(lambda pad, parent, event: parent.sink_event(event))
        self._src.set_query_function_full(lambda pad, parent, query: parent.src_query(pad, query))
        self.add_pad(self._sink)
        self.add_pad(self._src)
        self._caps: StreamCaps | None = None
        self._seconds = DEFAULT_INTERVAL / 1e9
        self._counts = [0, 0, 0]
        self._begin()

    def do_get_property(self, pspec: GObject.ParamSpec) -> object:
        if pspec.name != "stats":
            return getattr(self._options, pspec.name.replace("-", "_"))
        structure = Gst.Structure.new_empty("concealer-splice-stats")
        for name, count in zip(("kept", "inserted", "replaced"), self._counts, strict=True):
            structure.set_value(name, count)
        return structure

    def do_set_property(self, pspec: GObject.ParamSpec, value: str | int | float) -> None:
        try:
            self._options.set(pspec.name.replace("-", "_"), value)
        except ValueError as error:
            failure = GLib.Error.new_literal(Gst.LibraryError.quark(), str(error), Gst.LibraryError.SETTINGS)
            self.post_message(Gst.Message.new_error(self, failure, str(error)))

    def _begin(self) -> None:
        """The next access unit does not follow the last one."""
        self._splicer: StreamSplicer | None = None
        self._refused = False
        self._arrived: OrderedDict[int, Gst.Buffer] = OrderedDict()
        self._flow = Gst.FlowReturn.OK
        if self._caps is not None:
            self._intake = Intake(self._caps.codec)

    def _drop(self) -> None:
        if self._splicer is not None:
            self._splicer.close()
        self._begin()

    def _drain(self) -> None:
        """Push what is left; the next access unit begins anew."""
        splicer = self._splicer
        if splicer is not None and not self._refused:
            for feed in self._intake.flush():
                self._splice(feed)
            self._attempt(splicer.flush)
        self._drop()

    def do_change_state(self, transition: Gst.StateChange) -> Gst.StateChangeReturn:
        result = Gst.Element.do_change_state(self, transition)
        if transition == Gst.StateChange.PAUSED_TO_READY:
            self._drop()
            self._caps = None
        elif transition == Gst.StateChange.READY_TO_PAUSED:
            self._counts = [0, 0, 0]
        return result

    def sink_event(self, event: Gst.Event) -> bool:
        """Event function of the sink pad."""
        kind = event.type
        if kind == Gst.EventType.CAPS:
            return self._set_caps(event)
        if kind == Gst.EventType.CUSTOM_DOWNSTREAM and self._told(event):
            return True
        if kind == Gst.EventType.GAP and self._caps is not None:
            self._intake.gap()
        elif kind == Gst.EventType.EOS:
            self._drain()
        elif kind == Gst.EventType.FLUSH_STOP:
            self._drop()
        return bool(self._src.push_event(event))

    def _told(self, event: Gst.Event) -> bool:
        """Take in what the loss probe tells; False for any other event."""
        if is_restart(event):
            self._drain()
            return True
        try:
            report = from_event(event)
        except ValueError as error:
            log.warning("%s: %s", self.get_name(), error)
            return True
        if report is not None and self._caps is not None:
            self._intake.damaged(report)
        return report is not None

    def _set_caps(self, event: Gst.Event) -> bool:
        caps = event.parse_caps()
        found = StreamCaps.of(caps)
        if found != self._caps:
            self._drain()
            self._caps = found
            rate = raw_video.KeptCaps.of(caps).framerate
            self._seconds = float(1 / rate) if rate else DEFAULT_INTERVAL / 1e9
            self._begin()
        return bool(self._src.push_event(event))

    def src_query(self, pad: Gst.Pad, query: Gst.Query) -> bool:
        """Query function of the source pad: splicing adds what an access unit may take."""
        if query.type != Gst.QueryType.LATENCY:
            return Gst.Pad.query_default(pad, self, query)
        return add_latency(self._sink, query, round(self._options.deadline_ms * 1e6))

    def chain(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Chain function: splice one access unit, push what is ready."""
        if self._caps is None:
            return Gst.FlowReturn.NOT_NEGOTIATED
        if self._refused:
            return self._src.push(buffer)
        payload, pts = buffer.extract_dup(0, buffer.get_size()), buffer.pts
        if pts != Gst.CLOCK_TIME_NONE:
            self._arrived[pts] = buffer
            if len(self._arrived) > _REMEMBERED:
                self._arrived.popitem(last=False)
        flags = buffer.get_flags()
        known = [None if time == Gst.CLOCK_TIME_NONE else time for time in (pts, buffer.dts, buffer.duration)]
        feeds = self._intake.buffer(
            payload,
            *known,
            discont=bool(flags & Gst.BufferFlags.DISCONT),
            corrupted=bool(flags & Gst.BufferFlags.CORRUPTED),
        )
        for feed in feeds:
            self._splice(feed)
        if self._splicer is not None and not self._refused:
            self._splicer.catch_up()
        return self._flow

    def _splice(self, feed: Feed) -> None:
        def work() -> list[SplicedUnit]:
            assert self._caps is not None
            if self._splicer is None:
                threads = self._options.max_threads or os.cpu_count() or 1
                self._splicer = StreamSplicer(self._caps.codec, self._seconds, min(threads, 16))
            self._splicer.repairer.method = self._options.method
            return self._splicer.splice(feed, self._options.deadline_ms or None)

        self._attempt(work)

    def _attempt(self, work: Callable[[], Sequence[SplicedUnit]]) -> None:
        """Push what `work` makes ready; where the stream cannot be spliced, all that waits as it came."""
        if self._refused:
            return
        try:
            units = work()
        except UnsupportedStandInError as error:
            self._refused = True
            text = f"cannot be spliced, passes as it came: {error}"
            failure = GLib.Error.new_literal(Gst.StreamError.quark(), text, Gst.StreamError.FORMAT)
            self.post_message(Gst.Message.new_warning(self, failure, text))
            waiting, self._arrived = self._arrived, OrderedDict()
            for buffer in waiting.values():
                self._push(buffer)
            return
        self._counts = [a + b for a, b in zip(self._counts, counted(units), strict=True)]
        for unit in units:
            self._leave(unit)

    def _leave(self, unit: SplicedUnit) -> None:
        original = None if unit.pts is None else self._arrived.pop(unit.pts, None)
        if original is not None and not unit.changed and not original.has_flags(Gst.BufferFlags.CORRUPTED):
            payload = payload_of(unit)
            if payload == original.extract_dup(0, original.get_size()):
                self._push(original)
                return
        buffer = Gst.Buffer.new_wrapped(payload_of(unit))
        if original is not None:
            kept = Gst.BufferCopyFlags.TIMESTAMPS | Gst.BufferCopyFlags.META
            buffer.copy_into(original, kept, 0, original.get_size())
        elif unit.pts is not None:
            buffer.pts, buffer.duration = unit.pts, round(self._seconds * Gst.SECOND)
        if unit.au is not None and not unit.au.is_irap:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        self._push(buffer)

    def _push(self, buffer: Gst.Buffer) -> None:
        if self._flow == Gst.FlowReturn.OK:
            self._flow = self._src.push(buffer)
