"""Picture buffers of a libav decoder in decode order, as writable views of the decoder's own reference memory."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import av
import av.codec.context
import numpy as np

from concealer.decoder.hook.libav import GET_BUFFER2, AVFrameHead, HookUnavailableError, libav
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


@dataclass
class Buffer:
    """One picture buffer. It stays the decoder's; `release()` gives up our share of it."""

    planes: tuple[Plane, ...]
    """Writable views (rows, cols) of coded size."""
    layout: PixelLayout
    address: int
    """Address of the first luma byte."""
    end: int
    """Address behind the last luma byte."""
    _frame: int | None = field(repr=False)
    patterns: tuple[tuple[int, int], ...] = ((0, 0),)
    """Where in its noise the sentinel's pattern for this picture begins, or those for its two fields."""

    def release(self) -> None:
        """Give the memory back to libav. The views must not be used afterwards, so they are dropped here."""
        if self._frame is not None:
            frame, self._frame = self._frame, None
            self.planes = ()
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
        head = AVFrameHead.from_address(frame)
        layout = LAYOUTS.get(self._libav.pixel_format(head.format))
        if layout is None or head.width <= 0 or head.height <= 0:
            return None
        itemsize = 1 if layout.bit_depth == 8 else 2
        planes: list[Plane] = []
        for index in range(layout.planes):
            shift_x, shift_y = (layout.shift_x, layout.shift_y) if index else (0, 0)
            cols, rows = -(-head.width >> shift_x), -(-head.height >> shift_y)
            stride, start = head.linesize[index], head.data[index]
            if not start or stride < cols * itemsize:
                return None
            raw = (ctypes.c_uint8 * (stride * rows)).from_address(start)
            whole = np.frombuffer(raw, np.uint8 if itemsize == 1 else np.uint16).reshape(rows, stride // itemsize)
            planes.append(whole[:, :cols])
        clone = self._libav.util.av_frame_clone(frame)
        if not clone:
            raise HookUnavailableError("av_frame_clone failed")
        address = int(head.data[0])
        return Buffer(tuple(planes), layout, address, address + head.linesize[0] * head.height, clone)
