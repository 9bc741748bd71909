"""What elements tell those around them."""

from __future__ import annotations

from typing import TypeAlias

from pipelines.gst.bindings import GLib, Gst, GstVideo
from pipelines.statistics import Statistics

Code: TypeAlias = Gst.StreamError | Gst.LibraryError | Gst.ResourceError


def structure_of(statistics: Statistics) -> Gst.Structure:
    """The counts as the property `stats` has them."""
    structure = Gst.Structure.new_empty("concealer-stats")
    for name, value in statistics.as_dict().items():
        structure.set_value(name, value)
    return structure


def request_keyframe(pad: Gst.Pad, count: int) -> None:
    """Ask upstream of a sink pad for a keyframe, for the `count`th time."""
    pad.push_event(GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, count))


def fail(element: Gst.Element, message: str, code: Code) -> None:
    """Post an error message."""
    error = GLib.Error.new_literal(type(code).quark(), message, code)
    element.post_message(Gst.Message.new_error(element, error, message))
