"""Encoders asked for the parameter sets they would write."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import av
from av.codec.context import Flags

from concealer.bitstream import NalUnit, parse_extradata


def asked(
    encoder: Literal["libx264", "libx265"],
    options: dict[str, str],
    pixel_format: str,
    size: tuple[int, int],
    rate: Fraction = Fraction(25),
) -> list[NalUnit]:
    """What the encoder opens a stream with; [] if it cannot be had, or not be opened so."""
    try:
        context = av.CodecContext.create(encoder, "w")
        context.width, context.height = size
        context.pix_fmt, context.time_base, context.framerate = pixel_format, 1 / rate, rate
        context.thread_count = 1
        context.options = options
        context.flags |= Flags.global_header
        context.open()
    except (av.FFmpegError, ValueError, OSError):
        return []
    return parse_extradata("h264" if encoder == "libx264" else "hevc", context.extradata).parameter_sets
