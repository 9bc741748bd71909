"""Output frames as pictures: views of their planes, and copies that may be written to."""

from __future__ import annotations

import av
import numpy as np

from concealer.decoder.buffers import LAYOUTS
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
    """A frame of its own memory with the same samples, size, format and colour description."""
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(frame.planes, copy.planes, strict=True):
        rows = min(source.height, target.height)
        from_rows = np.frombuffer(source, np.uint8)[: rows * source.line_size].reshape(rows, source.line_size)  # type: ignore[call-overload]
        to_rows = np.frombuffer(target, np.uint8)[: rows * target.line_size].reshape(rows, target.line_size)  # type: ignore[call-overload]
        width = min(source.line_size, target.line_size)
        to_rows[:, :width] = from_rows[:, :width]
    copy.pts = frame.pts
    for name in _PROPERTIES:
        value = getattr(frame, name)
        if value is not None:
            setattr(copy, name, value)
    return copy
