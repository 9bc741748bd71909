"""Every pipeline of docs/live.md, with a sender at its other end."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rtp import send_udp
from concealer.loss import TransportStreamLoss
from pipelines.arguments import pairs, parse
from pipelines.cli import build_parser
from tests.media import Codec, clip, encode_file
from tests.pipelines.gst.rtsp import RtspServer
from tests.pipelines.gst.running import FPS, lossy, run

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "live.md"
_PICTURES = 30
_PIPELINES = re.findall(r"^```pipeline\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
Feed = Callable[[Any], None]


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _rtp(text: str) -> tuple[str, Feed]:
    codec: Codec = "hevc" if "H265" in text else "h264"
    port = _free_port(socket.SOCK_DGRAM)

    def feed(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        pipeline.get_state(5 * Gst.SECOND)
        send_udp(lossy(codec), port, FPS)
        _end(pipeline)

    return text.replace("port=5004", f"port={port} address=127.0.0.1"), feed


def _end(pipeline: Any) -> None:
    """Once what is still in the jitter buffer has come out."""
    from pipelines.gst.bindings import Gst

    time.sleep(0.5)
    pipeline.send_event(Gst.Event.new_eos())


def _damaged(folder: Path) -> bytes:
    path = encode_file(folder / "clip.ts", clip(_PICTURES), "h264", slices=4, gop=_PICTURES)
    target = io.BytesIO()
    assert TransportStreamLoss(0.02, seed=4).send(io.BytesIO(path.read_bytes()), target).packets_dropped
    return target.getvalue()


def _chunks(data: bytes) -> Iterator[bytes]:
    size = 7 * 188
    for start in range(0, len(data), size):
        yield data[start : start + size]
        time.sleep(_PICTURES / FPS * size / len(data))


def _transport_stream(text: str, folder: Path) -> tuple[str, Feed]:
    data, port = _damaged(folder), _free_port(socket.SOCK_DGRAM)

    def feed(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        pipeline.get_state(5 * Gst.SECOND)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            for chunk in _chunks(data):
                channel.sendto(chunk, ("127.0.0.1", port))
        _end(pipeline)

    return text.replace("port=5000", f"port={port} address=127.0.0.1"), feed


def _srt(text: str, folder: Path) -> tuple[str, Feed]:
    data, port = _damaged(folder), _free_port(socket.SOCK_DGRAM)

    def feed(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        pipeline.get_state(5 * Gst.SECOND)
        sender = Gst.parse_launch(f"appsrc name=in ! srtsink uri=srt://127.0.0.1:{port}?mode=caller")
        sender.set_state(Gst.State.PLAYING)
        for chunk in _chunks(data):
            sender.get_by_name("in").emit("push-buffer", Gst.Buffer.new_wrapped(chunk))
        time.sleep(1.0)
        sender.set_state(Gst.State.NULL)
        _end(pipeline)

    return text.replace("127.0.0.1:7001", f"127.0.0.1:{port}"), feed


@pytest.mark.parametrize("text", _PIPELINES, ids=lambda text: re.sub(r"\W+", "-", text)[:40])
def test_pipeline_of_the_page(text: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as after:
        feed: Feed | None = None
        if "rtspsrc" in text:
            packets = [(packet, sending.position) for sending in lossy("h264") for packet in sending.packets]
            server = RtspServer(packets, FPS)
            after.callback(server.close)
            text, feed = text.replace("127.0.0.1:8554", f"127.0.0.1:{server.port}"), _when_over
        elif "srtsrc" in text:
            text, feed = _srt(text, tmp_path)
        elif "filesrc" in text:
            pytest.importorskip("prometheus_client")
            encode_file(tmp_path / "damaged.mp4", clip(_PICTURES), "h264", gop=_PICTURES)
            text = text.replace("damaged.mp4", str(tmp_path / "damaged.mp4"))
            text = text.replace(":9464", f":{_free_port(socket.SOCK_STREAM)}")
        else:
            text, feed = _rtp(text) if "5004" in text else _transport_stream(text, tmp_path)
        result = run(_to_the_end(text).replace("\n", " "), feed, seconds=30)
    assert not result.errors
    times = [out.pts for out in result.buffers]
    assert len(times) >= _PICTURES - 4  # SRT and tsdemux lose their beginning or end
    assert times == sorted(times)


def _to_the_end(text: str) -> str:
    """With a sink of ours; of obs-gstreamer's pipelines in place of its own."""
    return text.replace("autovideosink", "appsink name=out").replace("! video.", "! appsink name=out")


def test_commands_of_the_page_are_understood() -> None:
    said = re.findall(r"\bconceal ([^\n`#\']*)", _PAGE.read_text())
    named = ("udp://:", "rtp://:", "rtsp://", "srt://0", ".sdp ", "${IN}")
    commands = [words.rstrip('"') for words in said if any(name in words for name in named)]
    assert len(commands) >= 12
    for command in commands:
        (_, output), *more = pairs(parse(build_parser(), shlex.split(command)).names)
        assert output and not more, command


def _when_over(pipeline: Any) -> None:
    time.sleep(_PICTURES / FPS + 1.0)
    _end(pipeline)


def test_there_are_pipelines() -> None:
    assert len(_PIPELINES) >= 7
