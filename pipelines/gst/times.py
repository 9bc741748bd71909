"""Times as GStreamer says them."""

from __future__ import annotations

from pipelines.gst.bindings import Gst


def known_time(value: int) -> int | None:
    """Nanoseconds, None where there are none."""
    return None if value == Gst.CLOCK_TIME_NONE else value


def timed_segment(event: Gst.Event) -> tuple[Gst.Segment, Gst.Event]:
    """A segment event's segment in time; for one in bytes, of a parser, all of it: buffers are timed all the same."""
    segment = event.parse_segment()
    if segment.format == Gst.Format.TIME:
        return segment, event
    segment = Gst.Segment()
    segment.init(Gst.Format.TIME)
    return segment, Gst.Event.new_segment(segment)
