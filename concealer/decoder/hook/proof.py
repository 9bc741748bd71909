"""Proof, before the first stream, that libav in this process is laid out as the hook takes it to be.

Whoever brings another build of libav along, with other structures or for debugging, gets the slow route, not a crash.
"""

from __future__ import annotations

import functools

import av

from concealer.bitstream import Codec
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.context import HookedContext, open_context
from concealer.decoder.hook.libav import HookUnavailableError
from concealer.decoder.hook.samples import H264_IDR_64X64, HEVC_IDR_64X64

_SAMPLES = {"h264": H264_IDR_64X64, "hevc": HEVC_IDR_64X64}
_SIDE, _FORMAT_PLANES = 64, 3


@functools.cache
def prove(codec: Codec) -> None:
    """Decode a known picture through the hook and hold what the hook sees against what PyAV puts out: once a process,
    5 ms. Raises `HookUnavailableError` with what differs."""
    context = HookedContext(open_context(codec, 1, {}))
    try:
        step = context.decode(_SAMPLES[codec], 0)
        frames = step.frames + context.flush()
        if len(step.buffers) != 1 or len(frames) != 1:
            raise HookUnavailableError(f"{len(step.buffers)} buffers and {len(frames)} frames came of one picture")
        _compare(step.buffers[0], frames[0])
    finally:
        context.close()


def _compare(buffer: Buffer, frame: av.VideoFrame) -> None:
    if (buffer.width, buffer.height) != (_SIDE, _SIDE) or len(buffer.planes) != _FORMAT_PLANES:
        raise HookUnavailableError(f"a picture of {_SIDE}x{_SIDE} samples is seen as {buffer.width}x{buffer.height}")
    for number, (own, shown) in enumerate(zip(buffer.planes, frame.planes, strict=True)):
        if own.__array_interface__["data"][0] != shown.buffer_ptr or own.strides[0] != shown.line_size:
            raise HookUnavailableError(f"plane {number} of a picture is not where it is put out from")
