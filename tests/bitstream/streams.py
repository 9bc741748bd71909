"""Streams the tests of this room encode, and the truth about them."""

from __future__ import annotations

import io
from functools import lru_cache

import av

from concealer.bitstream import AccessUnit, Codec, StreamParser
from concealer.bitstream.nal import join_annexb
from tests.media import clip, encode_bytes


@lru_cache(maxsize=64)
def encoded(
    codec: Codec, extra: str = "", slices: int = 1, bframes: int = 0, gop: int = 250, frames: int = 12,
    pix_fmt: str = "yuv420p", width: int = 176, height: int = 144,
) -> bytes:  # fmt: skip
    """`extra`: "name=value:..." for x264 or x265."""
    options: dict[str, str | int] = dict(item.split("=", 1) for item in extra.split(":") if item)
    return encode_bytes(
        clip(frames, width, height), codec, slices=slices, bframes=bframes, gop=gop, pix_fmt=pix_fmt,
        extra=options,
    )  # fmt: skip


def parsed(codec: Codec, stream: bytes) -> list[AccessUnit]:
    parser = StreamParser(codec)
    return parser.push(stream) + parser.flush()


def payload(au: AccessUnit, drop: tuple[int, ...] = ()) -> bytes:
    """The access unit as a byte stream, without the slices numbered in `drop`."""
    gone = {id(au.slices[index].nal) for index in drop}
    return join_annexb([nal for nal in au.nals if id(nal) not in gone])


def display_ranks(codec: Codec, stream: bytes) -> list[int]:
    """For each picture in decoding order, its place in output order, by the decoder's word."""
    aus = parsed(codec, stream)
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    shown = []
    for number, au in enumerate(aus):
        packet = av.Packet(payload(au))
        packet.pts = number
        shown += [frame.pts for frame in context.decode(packet)]
    shown += [frame.pts for frame in context.decode(None)]
    ranks = {pts: rank for rank, pts in enumerate(shown)}
    return [ranks[number] for number in range(len(aus))]


def decoded_frames(codec: Codec, stream: bytes) -> int:
    with av.open(io.BytesIO(stream), format=codec) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))
