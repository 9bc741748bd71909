"""Picture buffers of a libav decoder in decode order, as writable views of the decoder's own reference memory."""

from __future__ import annotations

import ctypes
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import av
import av.codec.context
import numpy as np
import numpy.typing as npt

from concealer.decoder.hook.libav import GET_BUFFER2, HookUnavailableError, libav
from concealer.picture import Plane

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PixelLayout:
    """What the hook must know of a planar YUV pixel format."""

    planes: int
    bit_depth: int
    shift_x: int
    shift_y: int


def _layouts() -> dict[str, PixelLayout]:
    table = {"gray": PixelLayout(1, 8, 0, 0)}
    for depth in (9, 10, 12, 14, 16):
        table[f"gray{depth}le"] = PixelLayout(1, depth, 0, 0)
    for name, shifts in (("420", (1, 1)), ("422", (1, 0)), ("440", (0, 1)), ("444", (0, 0))):
        table[f"yuv{name}p"] = table[f"yuvj{name}p"] = PixelLayout(3, 8, *shifts)
        for depth in (9, 10, 12, 14, 16):
            table[f"yuv{name}p{depth}le"] = PixelLayout(3, depth, *shifts)
    for depth in (8, 9, 10, 12, 14):
        table["gbrp" if depth == 8 else f"gbrp{depth}le"] = PixelLayout(3, depth, 0, 0)
    return table


LAYOUTS = _layouts()
"""Pixel formats of libav's software H.264 and HEVC decoders, by libav name. Little-endian machines only."""


_HEAD = struct.Struct("8Q8iQ4i")
"""First members of AVFrame (libavutil/frame.h), unchanged since FFmpeg 2: data, linesize, extended_data, width, height,
nb_samples, format."""
_HeadBytes = ctypes.c_char * _HEAD.size


@dataclass(frozen=True, slots=True)
class _Area:
    """One plane of all buffers of one size and format."""

    rows: int
    cols: int
    stride: int
    """Bytes from one row to the next."""
    memory: type[ctypes.Array[ctypes.c_uint8]]
    """All bytes of the plane."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What all buffers of one size and format have in common."""

    layout: PixelLayout
    dtype: np.dtype[Any]
    areas: tuple[_Area, ...]


@lru_cache(maxsize=64)
def _geometry(width: int, height: int, pixel_format: int, linesizes: tuple[int, ...]) -> Geometry | None:
    """None for what is no picture of planes that we know."""
    layout = LAYOUTS.get(libav().pixel_format(pixel_format))
    if layout is None or width <= 0 or height <= 0:
        return None
    dtype = np.dtype(np.uint8 if layout.bit_depth == 8 else np.uint16)
    areas = []
    for index in range(layout.planes):
        shift_x, shift_y = (layout.shift_x, layout.shift_y) if index else (0, 0)
        cols, rows, stride = -(-width >> shift_x), -(-height >> shift_y), linesizes[index]
        if stride < cols * dtype.itemsize or stride % dtype.itemsize:
            return None
        areas.append(_Area(rows, cols, stride, ctypes.c_uint8 * (stride * rows)))
    return Geometry(layout, dtype, tuple(areas))


class Buffer:
    """One picture buffer. It stays the decoder's; `release()` gives up our share of it.

    Its views are made when they are asked for: of most pictures nobody does.
    """

    __slots__ = ("_data", "_frame", "_geometry", "_lines", "_planes", "patterns")

    def __init__(self, frame: int, data: tuple[int, ...], geometry: Geometry) -> None:
        """frame: address of our AVFrame, a reference to the decoder's buffers. data: of the first byte of each plane.

        Raises `HookUnavailableError` if a plane is not within the memory that the frame refers to.
        """
        self._frame: int | None = frame
        self._data, self._geometry = data, geometry
        self._planes: tuple[Plane, ...] | None = None
        self._lines: Plane | None = None
        self.patterns: tuple[tuple[int, int], ...] = ((0, 0),)
        """Where in its noise the sentinel's pattern for this picture begins, or those for its two fields."""
        for index, area in enumerate(geometry.areas):
            first, size = libav().plane_memory(frame, index)
            if not first <= data[index] <= data[index] + area.stride * area.rows <= first + size:
                raise HookUnavailableError(f"plane {index} of a picture is not within its buffer")

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Writable views (rows, cols) of coded size; none once it is released."""
        if self._planes is None:
            if self._frame is None:
                return ()
            self._planes = tuple(self._view(index, 0, 1) for index in range(len(self._geometry.areas)))
        return self._planes

    @property
    def layout(self) -> PixelLayout:
        return self._geometry.layout

    @property
    def width(self) -> int:
        """Coded luma width, in samples."""
        return self._geometry.areas[0].cols

    @property
    def height(self) -> int:
        """Coded luma height, in samples."""
        return self._geometry.areas[0].rows

    @property
    def address(self) -> int:
        """Address of the first luma byte."""
        return self._data[0]

    @property
    def end(self) -> int:
        """Address behind the last luma byte."""
        area = self._geometry.areas[0]
        return self._data[0] + area.stride * area.rows

    def rows(self, count: int) -> bytes:
        """A copy of `count` luma rows, evenly spread from top to bottom; b"" once it is released."""
        if self._frame is None:
            return b""
        area, size = self._geometry.areas[0], self._geometry.areas[0].cols * self._geometry.dtype.itemsize
        places = ((2 * number + 1) * area.rows // (2 * count) * area.stride for number in range(count))
        return b"".join([ctypes.string_at(self._data[0] + place, size) for place in places])

    def lines(self, first: int, step: int) -> Plane:
        """Writable view of every `step`-th luma row from `first` on; kept for the next call, which wants the same."""
        if self._lines is None:
            self._lines = self._view(0, first, step)
        return self._lines

    def _view(self, index: int, first: int, step: int) -> Plane:
        area, dtype = self._geometry.areas[index], self._geometry.dtype
        memory: Any = area.memory.from_address(self._data[index])
        shape = max(0, -(-(area.rows - first) // step)), area.cols
        if not shape[0]:
            return np.zeros(shape, dtype)
        strides = (step * area.stride, dtype.itemsize)
        view: npt.NDArray[Any] = np.ndarray(shape, dtype, memory, first * area.stride, strides)
        return view

    def release(self) -> None:
        """Give the memory back to libav. The views must not be used afterwards, so they are dropped here."""
        if self._frame is not None:
            frame, self._frame = self._frame, None
            self._planes, self._lines = (), None
            libav().free_frame(frame)

    def __del__(self) -> None:
        self.release()


class BufferHook:
    """Replaces `get_buffer2` of one not yet used decoder context and collects the buffers it hands out.

    Cost per picture, 720p: about 0.02 ms for the call itself; what `prepare` does comes on top.

    Raises `HookUnavailableError` if the structures are not as expected.
    """

    def __init__(self, context: av.codec.context.CodecContext, prepare: Callable[[Buffer], None] | None) -> None:
        """`prepare(buffer)` is called before the decoder writes into a new buffer (to place a sentinel)."""
        self._libav = libav()
        self._context = context
        self._prepare = prepare
        self._new: list[Buffer] = []
        slot = self._libav.get_buffer2_slot(self._libav.context_pointer(context))
        self._callback = GET_BUFFER2(self._get_buffer2)
        self._slot = ctypes.c_void_p.from_address(slot)
        # Not ctypes.cast: it makes the callback refer to itself, and all it holds then waits for the cyclic collector.
        self._slot.value = ctypes.c_void_p.from_buffer(self._callback).value

    def take(self) -> list[Buffer]:
        """Buffers handed out since the last call, in order."""
        new, self._new = self._new, []
        return new

    def remove(self) -> None:
        """Restore libav's own function; call it before the context may outlive this object."""
        self._slot.value = self._libav.default_get_buffer2_address
        # It refers back to this object; without the circle the decoder's pictures are freed at once.
        self._callback = GET_BUFFER2()
        self.take()

    def _get_buffer2(self, context: int, frame: int, flags: int) -> int:
        result: int = self._libav.default_get_buffer2(context, frame, flags)
        if result < 0:
            return result
        try:
            buffer = self._wrap(frame)
            if buffer is not None:
                if self._prepare is not None:
                    self._prepare(buffer)
                self._new.append(buffer)
        except Exception:  # an exception must not cross into libav's C frames
            log.exception("picture buffer could not be prepared")
        return result

    def _wrap(self, frame: int) -> Buffer | None:
        values = _HEAD.unpack_from(_HeadBytes.from_address(frame))
        geometry = _geometry(values[17], values[18], values[20], values[8:11])
        if geometry is None or not all(values[: len(geometry.areas)]):
            return None
        clone = self._libav.util.av_frame_clone(frame)
        if not clone:
            raise HookUnavailableError("av_frame_clone failed")
        return Buffer(clone, values[:3], geometry)
