"""Decoded frames as GStreamer buffers without a copy.

PyAV's frames are libav's, reference counted: a buffer's memory is the frame's own, marked read-only, and gives its
reference back with libav's `av_frame_free` when GStreamer frees it. No Python runs then, so it may happen in any
thread, and after the interpreter has ended.
"""

from __future__ import annotations

import ctypes
import functools
import logging

import av

from concealer.decoder.hook import AVFrameHead, HookUnavailableError, libav, read_memory
from pipelines.gst.bindings import Gst, GstVideo

log = logging.getLogger(__name__)

_MOST = 192
"""References given out at a time, one per plane; beyond, pictures are copied."""
_POINTER_OFFSET = 24
"""Of the AVFrame pointer in PyAV's frame objects: behind the object head and the method table."""


class _Cells:
    """Places that hold a frame pointer each; `av_frame_free` empties them."""

    def __init__(self) -> None:
        self._cells = (ctypes.c_void_p * _MOST)()
        self._next = 0

    def free(self, count: int) -> list[int] | None:
        """Indices of `count` empty places; None if there are not so many."""
        found: list[int] = []
        for step in range(_MOST):
            index = (self._next + step) % _MOST
            if not self._cells[index]:
                found.append(index)
                if len(found) == count:
                    self._next = (index + 1) % _MOST
                    return found
        return None

    def fill(self, index: int, frame: int) -> int:
        """Put a frame pointer in; the place's address."""
        self._cells[index] = frame
        return ctypes.addressof(self._cells) + index * ctypes.sizeof(ctypes.c_void_p)


class FrameMemory:
    """Wraps frames. Raises `HookUnavailableError` on construction where libav or GStreamer cannot be reached."""

    def __init__(self) -> None:
        self._util = libav().util
        try:
            gst = ctypes.CDLL("libgstreamer-1.0.so.0")
        except OSError as error:
            raise HookUnavailableError(f"GStreamer's library: {error}") from None
        self._new_wrapped = gst.gst_memory_new_wrapped
        self._new_wrapped.restype = ctypes.c_void_p
        self._new_wrapped.argtypes = [
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_size_t,
            ctypes.c_size_t,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        self._append = gst.gst_buffer_append_memory
        self._append.restype = None
        self._append.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._free_frame = ctypes.cast(self._util.av_frame_free, ctypes.c_void_p).value

    def wrap(self, frame: av.VideoFrame, video_format: GstVideo.VideoFormat) -> Gst.Buffer | None:
        """A buffer of one read-only memory per plane, with a video meta; None if the frame has to be copied."""
        planes = frame.planes
        pointer = _frame_pointer(frame)
        cells = _cells().free(len(planes)) if pointer is not None else None
        if cells is None:
            return None
        buffer = Gst.Buffer.new()
        offsets, strides, offset = [0] * 4, [0] * 4, 0
        for number, (plane, cell) in enumerate(zip(planes, cells, strict=True)):
            clone = self._util.av_frame_clone(pointer)
            if not clone:
                return None
            size = plane.line_size * plane.height
            place = _cells().fill(cell, clone)
            flags = int(Gst.MemoryFlags.READONLY)
            memory = self._new_wrapped(flags, plane.buffer_ptr, size, 0, size, place, self._free_frame)
            self._append(hash(buffer), memory)
            offsets[number], strides[number] = offset, plane.line_size
            offset += size
        none = GstVideo.VideoFrameFlags.NONE
        GstVideo.buffer_add_video_meta_full(
            buffer, none, video_format, frame.width, frame.height, len(planes), offsets, strides
        )
        return buffer


@functools.cache
def _cells() -> _Cells:
    """One for the process: buffers may outlive the element they came from."""
    return _Cells()


def _frame_pointer(frame: av.VideoFrame) -> int | None:
    """Address of the AVFrame behind `frame`, None unless it is found to describe this very frame."""
    pointer = ctypes.c_void_p.from_address(id(frame) + _POINTER_OFFSET).value
    if not pointer or pointer % 8:
        return None
    raw = read_memory(pointer, ctypes.sizeof(AVFrameHead))
    if len(raw) < ctypes.sizeof(AVFrameHead):
        return None
    head = AVFrameHead.from_buffer_copy(raw)
    same_size = (head.width, head.height) == (frame.width, frame.height)
    plane = frame.planes[0]
    return pointer if same_size and head.data[0] == plane.buffer_ptr and head.linesize[0] == plane.line_size else None
