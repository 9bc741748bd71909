"""One hooked libav decoder: payload in, output frames and the buffer of the picture just decoded out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
import numpy as np
import numpy.typing as npt

from concealer.bitstream import Codec
from concealer.decoder.hook.buffers import Buffer, BufferHook
from concealer.decoder.hook.error_status import ErrorStatus, MacroblockErrors
from concealer.decoder.hook.libav import HookUnavailableError, libav
from concealer.decoder.hook.sentinel import Sentinel

log = logging.getLogger(__name__)


def open_context(codec: Codec, threads: int) -> av.VideoCodecContext:
    """A libav decoder context set so that no picture is held back: corrupt ones and those before a keyframe come out.

    H.264 runs on one thread, because libav's error concealment is off under slice threads. Frame threads are never
    used: decode order and the moment of repair would be lost.
    """
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    options = {"flags": "+output_corrupt", "flags2": "+showall"}
    if codec == "h264":
        # Without reorder information in the VUI libav guesses the output delay and drops what comes too late;
        # "strict" makes it take the level's bound instead.
        options["strict"] = "strict"
        threads = 1
    context.options = options
    context.thread_count = threads
    context.thread_type = "SLICE"
    return context


@dataclass
class Decoded:
    """What one access unit brought."""

    frames: list[av.VideoFrame]
    """Frames whose turn in output order has come; `pts` is the tag their access unit was decoded with."""
    buffer: Buffer | None
    """Buffer of this access unit's picture, None if the decoder started none."""
    undecoded: npt.NDArray[np.bool_] | None = None
    """HEVC: blocks (16x16 grid) the decoder never wrote."""
    concealed: MacroblockErrors | None = None
    """H.264: macroblocks the decoder concealed on its own."""
    failed: bool = False
    """The decoder returned an error for this access unit."""


class DecoderCore:
    """A hooked decoder. Raises `HookUnavailableError` on construction where the hook does not hold."""

    def __init__(self, codec: Codec, threads: int = 1, seed: int = 0) -> None:
        self.codec = codec
        self._context = open_context(codec, threads)
        self._sentinel = Sentinel(seed) if codec == "hevc" else None
        self._hook = BufferHook(self._context, self._sentinel.write if self._sentinel else None)
        self._status = ErrorStatus(self.context_pointer) if codec == "h264" else None

    @property
    def context_pointer(self) -> int:
        """Address of the AVCodecContext."""
        return libav().context_pointer(self._context)

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """As the active parameter set says; None if it does not."""
        return self._context.sample_aspect_ratio or None

    def decode(self, payload: bytes, tag: int) -> Decoded:
        """Decode one access unit in Annex B form. Never raises on bad data."""
        frames, failed = _run(self._context, payload, tag)
        buffers = self._hook.take()
        if not buffers:
            return Decoded(frames, None, failed=failed)
        # Gap pictures that H.264 inserts come before the picture; missing references that HEVC makes up, after it.
        buffer = buffers[-1] if self.codec == "h264" else buffers[0]
        decoded = Decoded(frames, buffer, failed=failed)
        if self._sentinel is not None and len(buffers) == 1:
            decoded.undecoded = self._sentinel.undecoded(buffer)
        elif self._sentinel is not None:
            # The sentinel's last pattern lies in a made-up reference; nothing can be said about this picture.
            log.debug("picture %d: references made up by the decoder", tag)
        if self._status is not None:
            rows, cols = buffer.planes[0].shape
            try:
                decoded.concealed = self._status.read(-(-cols // 16), -(-rows // 16))
            except HookUnavailableError as error:
                log.debug("error status: %s", error)
        return decoded

    def flush(self) -> list[av.VideoFrame]:
        """The frames still held back for reordering; the decoder can't be used afterwards."""
        return _run(self._context, None)[0]

    def close(self) -> None:
        """Take the hook out; the context itself goes with its last reference."""
        self._hook.remove()


class PlainCore:
    """The same without a hook: frames come out, nothing is known of their buffers."""

    def __init__(self, codec: Codec, threads: int = 1) -> None:
        self.codec = codec
        self._context = open_context(codec, threads)

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """As the active parameter set says; None if it does not."""
        return self._context.sample_aspect_ratio or None

    def decode(self, payload: bytes, tag: int) -> Decoded:
        """Decode one access unit in Annex B form. Never raises on bad data."""
        frames, failed = _run(self._context, payload, tag)
        return Decoded(frames, None, failed=failed)

    def flush(self) -> list[av.VideoFrame]:
        """The frames still held back for reordering; the decoder can't be used afterwards."""
        return _run(self._context, None)[0]

    def close(self) -> None:
        """Nothing to undo."""


def _run(context: av.VideoCodecContext, payload: bytes | None, tag: int = 0) -> tuple[list[av.VideoFrame], bool]:
    packet = None
    if payload is not None:
        packet = av.Packet(payload)
        packet.pts = packet.dts = tag
    try:
        return context.decode(packet), False
    except av.error.FFmpegError as error:
        log.debug("decoder: %s", error)
        return [], True
