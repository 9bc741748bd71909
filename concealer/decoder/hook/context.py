"""One libav decoder context: how it is set, what one access unit brings, with the buffer hook and without."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import av.error

from concealer.bitstream import Codec
from concealer.decoder.hook.buffers import Buffer, BufferHook
from concealer.decoder.hook.libav import libav

log = logging.getLogger(__name__)


def open_context(codec: Codec, threads: int, options: Mapping[str, str]) -> av.VideoCodecContext:
    """A libav decoder context set so that no picture is held back: corrupt ones and those before a keyframe come out.

    Frame threads are never used: decode order and the moment of repair would be lost. options: of the codec.
    """
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.options = {"flags": "+output_corrupt", "flags2": "+showall", **options}
    context.thread_count = threads
    context.thread_type = "SLICE"
    return context


def padded_packet(payload: bytes) -> av.Packet:
    """A packet with the zeros behind its payload that libav counts on.

    `av.Packet(payload)` shares the memory of `payload` and has none: a decoder that reads past the end of a damaged
    slice, as HEVC's does, then reads whatever lies behind it, which differs from run to run.
    """
    packet = av.Packet(len(payload))
    packet.update(payload)
    return packet


@dataclass
class Step:
    """What a context made of one access unit."""

    frames: list[av.VideoFrame]
    """Frames whose turn in output order has come; `pts` is the tag their access unit was decoded with."""
    buffers: list[Buffer]
    """Buffers handed out meanwhile, in order; empty without a hook."""
    failed: bool
    """The decoder returned an error."""


class PlainContext:
    """A context without a hook: frames come out, nothing is known of their buffers."""

    def __init__(self, context: av.VideoCodecContext) -> None:
        self._context = context

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """As the active parameter set says; None if it does not."""
        return self._context.sample_aspect_ratio or None

    @property
    def frame_rate(self) -> Fraction | None:
        """Pictures a second, as the active parameter set says; None if it does not."""
        return self._context.framerate or None

    def decode(self, payload: bytes, tag: int) -> Step:
        """Decode one access unit in Annex B form. Never raises on bad data."""
        packet = padded_packet(payload)
        packet.pts = packet.dts = tag
        return self._run(packet)

    def flush(self) -> list[av.VideoFrame]:
        """The frames still held back for reordering; the decoder can't be used afterwards."""
        return self._run(None).frames

    def close(self) -> None:
        """Nothing to undo."""

    def _run(self, packet: av.Packet | None) -> Step:
        try:
            return Step(self._context.decode(packet), [], False)
        except av.error.FFmpegError as error:
            log.debug("decoder: %s", error)
            return Step([], [], True)


class HookedContext(PlainContext):
    """A context whose picture buffers are known. Raises `HookUnavailableError` where the hook does not hold."""

    def __init__(self, context: av.VideoCodecContext, prepare: Callable[[Buffer], None] | None = None) -> None:
        """`prepare(buffer)` is called before the decoder writes into a new buffer."""
        super().__init__(context)
        self.pointer = libav().context_pointer(context)
        """Address of the AVCodecContext."""
        self._hook = BufferHook(context, prepare)

    def decode(self, payload: bytes, tag: int) -> Step:
        """Decode one access unit in Annex B form. Never raises on bad data."""
        packet = padded_packet(payload)
        packet.pts = packet.dts = tag
        step = self._run(packet)
        step.buffers = self._hook.take()
        return step

    def close(self) -> None:
        """Take the hook out; the context itself goes with its last reference."""
        self._hook.remove()
