"""Streams that never end: what is held stays the same however much has passed."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from concealer.bitstream import Codec
from concealer.repair import Repairer
from pipelines.gst.decoding import StreamDecoder
from pipelines.gst.intake import Feed
from pipelines.gst.splicing import StreamSplicer
from pipelines.jobs.spliced_stream import SplicedStream
from pipelines.reading import Source, VideoPayload
from pipelines.track import Track
from tests.growth import held
from tests.media import clip, encode_bytes, encode_file
from tests.standins.splicing import parse

_UNITS, _EACH = 250, 40_000_000
_SLACK = 80
"""What came in the meantime is so many access units."""


def _feeds(codec: Codec, count: int) -> list[Feed]:
    """Access units of 10 ms over and over, every seventh without its end."""
    stream = encode_bytes(clip(12, 64, 64, seed=2), codec, gop=12)
    payloads = [b"".join(b"\0\0\0\1" + nal.data for nal in au.nals) for au in parse(stream, codec)]
    feeds = []
    for number in range(count):
        payload = payloads[number % len(payloads)]
        gaps: tuple[int, ...] = ()
        if number % 7 == 3:
            payload = payload[: max(len(payload) * 2 // 3, 12)]
            gaps = (len(payload),)
        feeds.append(Feed(payload, number * _EACH, number * _EACH, _EACH, gaps))
    return feeds


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_decoder_of_an_element_holds_no_more_with_time(codec: Codec) -> None:
    decoder = StreamDecoder(codec, None, framed=False, threads=1, track_taint=False)
    sizes = []
    for number, feed in enumerate(_feeds(codec, 2 * _UNITS), 1):
        for _ in decoder.decode(feed, None):
            pass
        if not number % _UNITS:
            sizes.append(held(decoder))
    decoder.close()
    assert sizes[1] < sizes[0] + _SLACK


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_splicer_of_an_element_holds_no_more_with_time(codec: Codec) -> None:
    splicer = StreamSplicer(codec, 0.04, 1)
    sizes = []
    for number, feed in enumerate(_feeds(codec, 2 * _UNITS), 1):
        splicer.splice(feed, None)
        splicer.catch_up()
        if not number % _UNITS:
            sizes.append(held(splicer))
    splicer.close()
    assert sizes[1] < sizes[0] + _SLACK


@pytest.mark.parametrize("spliced", [False, True])
def test_live_input_of_the_command_holds_no_more_with_time(tmp_path: Path, spliced: bool) -> None:
    path = tmp_path / "clip.ts"
    encode_file(path, clip(2 * _UNITS + 100, 64, 64, seed=2), gop=12)
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def send() -> None:
        data = path.read_bytes()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            for number, start in enumerate(range(0, len(data), 1316)):
                if over.is_set():
                    return
                if number % 50 != 49:
                    channel.sendto(data[start : start + 1316], ("127.0.0.1", port))
                time.sleep(0.002)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        source = Source(f"udp://127.0.0.1:{port}", stopped=over.is_set)
        sizes = _sizes(source, spliced)
        source.close()
    finally:
        over.set()
        sender.join()
    assert len(sizes) == 2
    assert sizes[1] < sizes[0] + _SLACK


def _sizes(source: Source, spliced: bool) -> list[int]:
    stream, observe = None, None
    if spliced:
        stream = SplicedStream(source.video[0], "h264", False, True, 3600, 0.04, live=True, reported=False)
        observe = stream.observe
    track = Track(source, 0, Repairer(), False, 1, observe=observe)
    sizes: list[int] = []
    for event in source.events([0]):
        assert isinstance(event, VideoPayload)
        if stream is not None:
            stream.add(event)
        for _ in track.feed(event):
            pass
        if stream is not None:
            stream.take()
            stream.catch_up()
        if not track.payloads % _UNITS:
            sizes.append(held(source, track, stream))
            if len(sizes) == 2:
                break
    track.close()
    if stream is not None:
        stream.close()
    return sizes
