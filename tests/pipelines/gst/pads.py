"""An element between two pads of ours: what goes in is pushed by the test, what comes out is kept in order."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from tests.media import Codec
from tests.pipelines.gst.running import FPS, FRAME, MEDIA, stats_of


class Pads:
    """`concealdec` and what it pushed: ("buffer" or an event's name, object)."""

    def __init__(self, codec: Codec, downstream: str = "ANY", **properties: object) -> None:
        from pipelines.gst.bindings import Gst

        self.codec = codec
        self.element = Gst.ElementFactory.make("concealdec")
        for name, value in properties.items():
            self.element.set_property(name.replace("_", "-"), value)
        self.bus = Gst.Bus.new()
        self.element.set_bus(self.bus)
        self.out: list[tuple[str, Any]] = []
        self.upstream: list[str] = []
        template = Gst.PadTemplate.new("in", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps(downstream))
        self.source = Gst.Pad.new("source", Gst.PadDirection.SRC)
        self.sink = Gst.Pad.new_from_template(template, "sink")
        self.source.set_event_function_full(self._from_below)
        self.sink.set_chain_function_full(self._chain)
        self.sink.set_event_function_full(self._event)
        self.source.link(self.element.get_static_pad("sink"))
        self.element.get_static_pad("src").link(self.sink)
        self.source.set_active(True)
        self.sink.set_active(True)
        self.element.set_state(Gst.State.PLAYING)

    def __enter__(self) -> Pads:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        from pipelines.gst.bindings import Gst

        self.element.set_state(Gst.State.NULL)
        self.source.set_active(False)
        self.sink.set_active(False)
        self.source.unlink(self.element.get_static_pad("sink"))
        self.element.get_static_pad("src").unlink(self.sink)

    def _from_below(self, pad: Any, parent: Any, event: Any) -> bool:
        from pipelines.gst.bindings import Gst

        structure = event.get_structure()
        self.upstream.append(structure.get_name() if structure is not None else Gst.EventType.get_name(event.type))
        return True

    def _chain(self, pad: Any, parent: Any, buffer: Any) -> Any:
        from pipelines.gst.bindings import Gst

        self.out.append(("buffer", buffer))
        return Gst.FlowReturn.OK

    def _event(self, pad: Any, parent: Any, event: Any) -> bool:
        from pipelines.gst.bindings import Gst

        self.out.append((Gst.EventType.get_name(event.type), event))
        return True

    def start(self, caps: str | None = None, stop: int | None = None) -> None:
        """Stream start, caps, segment."""
        from pipelines.gst.bindings import Gst

        self.source.push_event(Gst.Event.new_stream_start("one"))
        text = caps or f"{MEDIA[self.codec]},stream-format=byte-stream,alignment=au,framerate={FPS}/1"
        self.source.push_event(Gst.Event.new_caps(Gst.Caps.from_string(text)))
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        if stop is not None:
            segment.stop = stop
        self.source.push_event(Gst.Event.new_segment(segment))

    def buffer(self, payload: bytes, position: int) -> Any:
        """A buffer of an access unit, not pushed."""
        from pipelines.gst.bindings import Gst

        buffer = Gst.Buffer.new_wrapped(payload)
        buffer.pts, buffer.duration = position * FRAME, FRAME
        return buffer

    def push(self, payload: bytes, position: int) -> Any:
        """Push an access unit; what the element returns."""
        return self.source.push(self.buffer(payload, position))

    def end(self) -> None:
        """End of the stream."""
        from pipelines.gst.bindings import Gst

        self.source.push_event(Gst.Event.new_eos())

    @property
    def names(self) -> list[str]:
        """What came out, in order, by name."""
        return [name for name, _ in self.out]

    @property
    def buffers(self) -> list[Any]:
        return [thing for name, thing in self.out if name == "buffer"]

    @property
    def positions(self) -> list[int]:
        """Output times in pictures."""
        return [round(buffer.pts / FRAME) for buffer in self.buffers]

    @property
    def stats(self) -> dict[str, Any]:
        return stats_of(self.element)

    @property
    def errors(self) -> list[Any]:
        """Error messages so far: GLib errors."""
        from pipelines.gst.bindings import Gst

        found = []
        while (message := self.bus.pop_filtered(Gst.MessageType.ERROR)) is not None:
            found.append(message.parse_error()[0])
        return found
