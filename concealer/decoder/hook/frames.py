"""Output frames as pictures: views of their planes, and copies that may be written to."""

from __future__ import annotations

from fractions import Fraction

import av
import av.video.plane
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from concealer.decoder.hook.buffers import LAYOUTS
from concealer.picture import Picture, Plane

_PROPERTIES = ("color_range", "colorspace", "color_primaries", "color_trc", "pict_type", "time_base")


def frame_planes(frame: av.VideoFrame) -> tuple[Plane, ...] | None:
    """Views (rows, cols) of the frame's cropped planes, None for a pixel format without a known layout."""
    layout = LAYOUTS.get(frame.format.name)
    if layout is None:
        return None
    dtype = np.dtype(np.uint8 if layout.bit_depth == 8 else np.uint16)
    planes = []
    for plane in frame.planes[: layout.planes]:
        flat = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
        stride = plane.line_size // dtype.itemsize
        planes.append(flat[: stride * plane.height].reshape(plane.height, stride)[:, : plane.width])
    return tuple(planes)


def frame_picture(frame: av.VideoFrame, order: int, pts: int | None, kind: str = "?", scene: int = 0) -> Picture | None:
    """`Picture` over the frame's own memory: writing changes the frame. None for an unknown pixel format."""
    planes = frame_planes(frame)
    if planes is None:
        return None
    depth = LAYOUTS[frame.format.name].bit_depth
    return Picture(planes, depth, order=order, pts=pts, kind=kind, scene=scene)


def copy_frame(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of its own memory with the same samples, size, format and colour description, and of an interlaced one
    with its order of fields."""
    if frame.interlaced_frame:  # PyAV cannot say so of a frame; a filter can
        return _filtered_copy(frame)
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(frame.planes, copy.planes, strict=True):
        from_rows, to_rows = _rows(source), _rows(target)
        height, width = np.minimum(from_rows.shape, to_rows.shape)
        to_rows[:height, :width] = from_rows[:height, :width]
    copy.pts = frame.pts
    for name in _PROPERTIES:
        value = getattr(frame, name)
        if value is not None:
            setattr(copy, name, value)
    return copy


def _filtered_copy(frame: av.VideoFrame) -> av.VideoFrame:
    graph, tick = Graph(), Fraction(1, 90_000)
    begin = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=tick)
    graph.link_nodes(begin, graph.add("copy"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def _rows(plane: av.video.plane.VideoPlane) -> npt.NDArray[np.uint8]:
    """All bytes of a plane, (rows, bytes per row)."""
    flat = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
    rows: npt.NDArray[np.uint8] = flat[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)
    return rows
