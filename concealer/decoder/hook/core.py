"""One libav decoder: payload in, output frames and the buffer of the picture just decoded out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import av

from concealer.bitstream import Codec
from concealer.decoder.hook.buffers import Buffer
from concealer.decoder.hook.codec_hook import CodecHook, VectorReader
from concealer.decoder.hook.coding import FRAME, Coding, Ends
from concealer.decoder.hook.context import HookedContext, PlainContext, open_context
from concealer.decoder.hook.errors import Errors
from concealer.decoder.hook.h264 import H264Hook
from concealer.decoder.hook.hevc import HevcHook
from concealer.decoder.hook.motion_store import MotionStore
from concealer.decoder.hook.proof import prove


@dataclass
class Decoded:
    """What one access unit brought."""

    frames: list[av.VideoFrame]
    """Frames whose turn in output order has come; `pts` is the tag their access unit was decoded with."""
    buffer: Buffer | None
    """Buffer of this access unit's picture, None if the decoder started none."""
    errors: Errors | None = None
    """Blocks the decoder failed in; None if nothing is known of any."""
    filled: bool = False
    """Those blocks hold the decoder's own concealment."""
    left_over: int | None = None
    """Bytes of the last slice that were not used, less than 0: used behind its end; None: that can't be told."""
    made_up: tuple[Buffer, ...] = ()
    """Buffers of references that the decoder made up because it lacked them."""


def _hook_of(codec: Codec, seed: int) -> CodecHook:
    return H264Hook(seed) if codec == "h264" else HevcHook(seed)


class DecoderCore:
    """A hooked decoder. Raises `HookUnavailableError` on construction where the hook does not hold."""

    hooked = True

    def __init__(self, codec: Codec, threads: int = 1, seed: int = 0) -> None:
        prove(codec)
        self._codec_hook = _hook_of(codec, seed)
        most = self._codec_hook.most_threads or threads
        context = open_context(codec, min(threads, most), self._codec_hook.options)
        self._context = HookedContext(context, self._codec_hook.prepare)
        self._codec_hook.attach(self._context.pointer, min(threads, most))
        self._first_field: Buffer | None = None
        """Its second field is decoded into it."""

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """As the active parameter set says; None if it does not."""
        return self._context.sample_aspect_ratio

    @property
    def frame_rate(self) -> Fraction | None:
        """Pictures a second, as the active parameter set says; None if it does not."""
        return self._context.frame_rate

    @cached_property
    def motion_store(self) -> MotionStore | None:
        """Motion fields that later pictures inherit from, where the codec has such and they can be reached."""
        return self._codec_hook.open_motion_store()

    def open_reader(self) -> VectorReader | None:
        """A reader of the vectors that pictures were decoded with; None where they cannot be reached."""
        return self._codec_hook.open_reader(self.motion_store)

    def decode(
        self, payload: bytes, tag: int, conceal: bool = True, coding: Coding = FRAME, ends: Ends | None = None
    ) -> Decoded:
        """Decode one access unit, or one field of two, in Annex B form. Never raises on bad data.

        conceal: what the decoder fails in is to hold its own concealment, where it has one; False leaves noise there,
            and what was received before it as it is, for pictures of one slice. coding: what `payload` is; what a field
            brings is told on the grid of the field. ends: the last blocks of all slices of a frame that arrived whole,
            where they are known: if all of them were decoded, nothing failed, and no other block is looked at.
        """
        self._codec_hook.conceals = conceal and self._codec_hook.fills_holes
        self._codec_hook.coding = coding
        step = self._context.decode(self._codec_hook.dressed(payload), tag)
        buffers, first = step.buffers, self._first_field
        if not buffers and coding.second and first is not None:
            buffers = [first]
        self._first_field = self._codec_hook.own(buffers) if buffers and coding.is_field and not coding.second else None
        if not buffers:
            return Decoded(step.frames, None)
        errors = self._codec_hook.errors(buffers, ends)
        filled = errors is not None and self._codec_hook.conceals
        left_over = self._codec_hook.left_over()
        own = self._codec_hook.own(buffers)
        made_up = () if len(buffers) == 1 else tuple(one for one in buffers if one is not own)
        return Decoded(step.frames, own, errors, filled, left_over, made_up)

    def flush(self) -> list[av.VideoFrame]:
        """The frames still held back for reordering; the decoder can't be used afterwards."""
        return self._context.flush()

    def close(self) -> None:
        """Take the hook out; the context itself goes with its last reference."""
        self._first_field = None
        self._context.close()


class BareCore:
    """A hooked decoder that conceals nothing and looks for nothing: payload in, the picture's buffer out.

    Raises `HookUnavailableError` on construction where the hook does not hold.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec_hook = _hook_of(codec, 0)
        self._context = HookedContext(open_context(codec, 1, {**self._codec_hook.options, **self._codec_hook.bare}))

    def decode(self, payload: bytes) -> Buffer | None:
        """Decode one access unit in Annex B form; None if it gave no picture. Never raises on bad data."""
        buffers = self._context.decode(payload, 0).buffers
        return self._codec_hook.own(buffers) if buffers else None

    def close(self) -> None:
        """Take the hook out; the context itself goes with its last reference."""
        self._context.close()


class PlainCore:
    """The same without a hook: frames come out, nothing is known of their buffers."""

    hooked = False
    motion_store = None

    def __init__(self, codec: Codec, threads: int = 1) -> None:
        hook = _hook_of(codec, 0)
        self._context = PlainContext(open_context(codec, min(threads, hook.most_threads or threads), hook.options))

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """As the active parameter set says; None if it does not."""
        return self._context.sample_aspect_ratio

    @property
    def frame_rate(self) -> Fraction | None:
        """Pictures a second, as the active parameter set says; None if it does not."""
        return self._context.frame_rate

    def decode(
        self, payload: bytes, tag: int, conceal: bool = True, coding: Coding = FRAME, ends: Ends | None = None
    ) -> Decoded:
        """Decode one access unit in Annex B form. Never raises on bad data. The decoder always conceals."""
        return Decoded(self._context.decode(payload, tag).frames, None)

    def flush(self) -> list[av.VideoFrame]:
        """The frames still held back for reordering; the decoder can't be used afterwards."""
        return self._context.flush()

    def close(self) -> None:
        """Nothing to undo."""
