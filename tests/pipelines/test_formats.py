"""The matrix of docs/formats.md: every format is repaired inside the decoder's references, and better than FFmpeg's."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.formats import FORMATS, planes_of
from concealer.bitstream import Codec, StreamParser
from concealer.decoder import DecodedPicture
from concealer.front_door import open_decoder
from concealer.loss import SliceLoss, transmit
from concealer.repair import Repairer
from tests.media import clip, encode_bytes

PIX_FMTS = sorted({(codec, form.pix_fmt) for form in FORMATS for codec in form.codecs if not form.file})
SIZES = {"yuv444p": (223, 191)}
"""Odd where the format allows it; else cropped."""


def stream_of(codec: Codec, pix_fmt: str, pictures: int = 24) -> bytes:
    width, height = SIZES.get(pix_fmt, (222, 190))
    extra: dict[str, str | int] = {"ctu": 16} if codec == "hevc" else {}
    return encode_bytes(
        clip(pictures, width, height), codec, slices=4, gop=pictures, crf=16, pix_fmt=pix_fmt, extra=extra
    )


def decoded(codec: Codec, payloads: list[bytes]) -> list[DecodedPicture]:
    decoder = open_decoder(codec, repairer=Repairer(), container_framed=True)
    pictures = [p for number, data in enumerate(payloads) for p in decoder.decode(data, pts=number)]
    pictures += decoder.flush()
    decoder.close()
    return pictures


def by_ffmpeg(codec: Codec, payloads: list[bytes]) -> dict[int, np.ndarray]:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count, context.options = 1, {"flags": "+output_corrupt"}
    pictures = {}
    for number, data in enumerate([*payloads, b""]):
        packet = av.Packet(data) if data else None
        if packet is not None:
            packet.pts = number
        for frame in context.decode(packet):
            pictures[frame.pts or 0] = planes_of(frame)[0]
    return pictures


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


@pytest.mark.parametrize(("codec", "pix_fmt"), PIX_FMTS)
def test_every_pixel_format_is_repaired_in_the_loop(codec: Codec, pix_fmt: str) -> None:
    parser = StreamParser(codec)
    units = parser.push(stream_of(codec, pix_fmt)) + parser.flush()
    received, record = transmit(units, SliceLoss(0.06, seed=6))
    assert record.damaged
    whole = [sent.payload for sent in transmit(units, SliceLoss(0.0))[0]]
    payloads = [sent.payload for sent in received]
    clean = [planes_of(picture.frame) for picture in decoded(codec, whole)]
    ours = decoded(codec, payloads)
    assert len(ours) == len(clean) == len(units)
    hit = {damage.index for damage in record.damaged}
    assert {picture.index for picture in ours if picture.damage.any_hole} == hit
    assert all(picture.in_loop for picture in ours)
    assert all(picture.outcome is not None for picture in ours if picture.damage.any_hole)
    first = min(hit)
    assert all(
        np.array_equal(a, b)
        for picture, truth in zip(ours[:first], clean[:first], strict=True)
        for a, b in zip(planes_of(picture.frame), truth, strict=True)
    )
    stock = by_ffmpeg(codec, payloads)
    black = np.zeros_like(clean[0][0])
    theirs = sum(error(stock.get(number, black), planes[0]) for number, planes in enumerate(clean))
    assert sum(error(planes_of(p.frame)[0], planes[0]) for p, planes in zip(ours, clean, strict=True)) < theirs


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_change_of_size_is_repaired_on_either_side(codec: Codec) -> None:
    """HEVC keeps its picture parameter set, byte for byte."""
    extra: dict[str, str | int] = {"ctu": 16} if codec == "hevc" else {}
    parts = [encode_bytes(clip(8, *size), codec, slices=4, gop=8, extra=extra) for size in ((224, 192), (192, 128))]
    parser = StreamParser(codec)
    units = [unit for part in parts for unit in parser.push(part)] + parser.flush()
    received, record = transmit(units, SliceLoss(0.15, seed=8))
    hit = {damage.index for damage in record.damaged}
    assert min(hit) < 8 < max(hit)
    for unit in StreamParser(codec).push(b"".join(sent.payload for sent in received)):
        assert unit.coverage.lost.shape == (unit.rows, unit.cols)
    pictures = decoded(codec, [sent.payload for sent in received])
    assert [(p.frame.width, p.frame.height) for p in pictures] == [(224, 192)] * 8 + [(192, 128)] * 8
    assert {p.index for p in pictures if p.damage.any_hole} == hit
    assert all(p.in_loop and p.outcome is not None for p in pictures if p.damage.any_hole)


def test_the_page_names_every_format() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text()
    rows = set(re.findall(r"^\| ([^|]+?) \|", page, re.M))
    assert {form.name for form in FORMATS} <= rows
