"""Caps before there is a picture: what can be taken given what downstream takes, and what stands in for a picture's."""

from __future__ import annotations

from pipelines.gst import raw_video
from pipelines.gst.bindings import Gst
from pipelines.gst.stream_caps import SINK_CAPS

_SHARED = ("width", "height", "framerate", "pixel-aspect-ratio")
"""Fields that the coded stream has in common with its pictures."""
_SIZE = 1280, 720


def taken_caps(src: Gst.Pad, wanted: Gst.Caps | None) -> Gst.Caps:
    """The stream caps whose pictures the peer of `src` takes, within `wanted`."""
    caps = SINK_CAPS
    allowed = src.peer_query_caps(raw_video.CAPS) if src.is_linked() else None
    if allowed is not None and not allowed.is_any():
        shapes = Gst.Caps.new_empty()
        for index in range(allowed.get_size()):
            for codec in range(SINK_CAPS.get_size()):
                shape = allowed.get_structure(index).copy()
                shape.set_name(SINK_CAPS.get_structure(codec).get_name())
                for name in [shape.nth_field_name(field) for field in range(shape.n_fields())]:
                    if name not in _SHARED:
                        shape.remove_field(name)
                shapes.append_structure(shape)
        caps = SINK_CAPS.intersect(shapes)
    return caps if wanted is None else wanted.intersect_full(caps, Gst.CapsIntersectMode.FIRST)


def default_caps(src: Gst.Pad, kept: raw_video.KeptCaps) -> Gst.Caps | None:
    """Caps for a stream that begins with a gap; None if downstream takes none of ours."""
    allowed = src.peer_query_caps(raw_video.CAPS) if src.is_linked() else raw_video.CAPS
    rate = kept.framerate or 30
    width, height = kept.size or _SIZE
    shape = f"video/x-raw, format=I420, width={width}, height={height}"
    for text in (f"{shape}, framerate={rate.numerator}/{rate.denominator}", "video/x-raw, format=I420", "video/x-raw"):
        caps = Gst.Caps.from_string(text).intersect(allowed)
        if not caps.is_empty():
            return caps.fixate()
    return None


def answer_caps(src: Gst.Pad, query: Gst.Query) -> bool:
    """Answer what caps the sink pad takes, by what is behind `src`; False for any other query."""
    if query.type == Gst.QueryType.CAPS:
        query.set_caps_result(taken_caps(src, query.parse_caps()))
    elif query.type == Gst.QueryType.ACCEPT_CAPS:  # which need not name all that is asked of them
        query.set_accept_caps_result(query.parse_accept_caps().can_intersect(taken_caps(src, None)))
    else:
        return False
    return True


def add_latency(sink: Gst.Pad, query: Gst.Query, own: int) -> bool:
    """Answer a LATENCY query with that of upstream and `own` nanoseconds."""
    if not sink.peer_query(query):
        return False
    live, least, most = query.parse_latency()
    query.set_latency(live, least + own, most if most == Gst.CLOCK_TIME_NONE else most + own)
    return True
