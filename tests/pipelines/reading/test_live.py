"""Inputs that are received, outputs that are sent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import pytest

from benchmarks.rtp import send_lossy, send_udp
from concealer.bitstream import StreamParser, join_annexb
from pipelines import ConcealResult, EncoderSettings, InputError, Settings, UsageError, conceal_file
from pipelines.reading import is_live, scheme
from tests.media import clip, encode_bytes, encode_file

PICTURES = 50
_FAST = EncoderSettings("libx264", None, "ultrafast")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("live")
    return encode_file(folder / "clip.ts", clip(PICTURES), "h264", slices=3, gop=10, audio=True).read_bytes()


def _send(data: bytes, port: int, seconds: float = 2.0, lost: tuple[int, ...] = ()) -> None:
    step = 7 * 188
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        for number, start in enumerate(range(0, len(data), step)):
            if number not in lost:
                channel.sendto(data[start : start + step], ("127.0.0.1", port))
            time.sleep(seconds * step / len(data))


def _count(path: Path) -> tuple[int, int]:
    """(pictures, audio packets) in a file."""
    with av.open(str(path)) as container:
        pictures = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        sounds = sum(1 for packet in container.demux(audio=0) if packet.size) if container.streams.audio else 0
    return pictures, sounds


def test_addresses() -> None:
    assert scheme("udp://:1") == "udp"
    assert scheme("SRT://host:1") == "srt"
    assert scheme("file://a.mp4") is None
    assert not is_live("clip.mp4")
    assert is_live("session.sdp")


def test_transport_stream_over_udp_until_it_falls_silent(tmp_path: Path, transport_stream: bytes) -> None:
    port, target = _free_port(), tmp_path / "out.mkv"
    sender = threading.Timer(0.3, _send, (transport_stream, port, 2.0, (9,)))
    sender.start()
    result = conceal_file(f"udp://127.0.0.1:{port}?timeout=1000000", target, Settings(encoder=_FAST))
    sender.join()
    pictures, sounds = _count(target)
    assert result.action == "repaired"
    assert not result.interrupted
    assert result.damaged_pictures > 0
    assert PICTURES - 1 <= pictures <= PICTURES
    assert sounds > 60


def _await_listener(port: int) -> None:
    """Until somebody listens there."""
    end = time.monotonic() + 30
    while not any(f":{port:04X} " in line for line in Path("/proc/net/udp").read_text().splitlines()):
        assert time.monotonic() < end, "nobody listens"
        time.sleep(0.05)


def test_stopping_completes_the_output(tmp_path: Path, transport_stream: bytes) -> None:
    port, target = _free_port(), tmp_path / "out.mp4"
    command = [sys.executable, "-m", "pipelines.cli", "-q", f"udp://127.0.0.1:{port}", str(target)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        _await_listener(port)
        _send(transport_stream, port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, process.stderr.read() if process.stderr else ""
    finally:
        process.kill()
        if process.stderr:
            process.stderr.close()
    assert _count(target)[0] > PICTURES // 2


def test_udp_to_udp(transport_stream: bytes) -> None:
    port, onward = _free_port(), _free_port()
    got = bytearray()

    def listen() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.bind(("127.0.0.1", onward))
            channel.settimeout(8)
            while len(got) < 40_000:
                got.extend(channel.recv(65536))
                channel.settimeout(2)

    def quietly() -> None:
        try:
            listen()
        except TimeoutError:
            return

    listener = threading.Thread(target=quietly)
    listener.start()
    sender = threading.Timer(0.3, _send, (transport_stream, port))
    sender.start()
    source = f"udp://127.0.0.1:{port}?timeout=1000000"
    conceal_file(source, f"udp://127.0.0.1:{onward}?pkt_size=1316", Settings(encoder=_FAST))
    sender.join()
    listener.join()
    assert got[0] == 0x47
    assert len(got) > 20_000


def test_rtp_by_its_description(tmp_path: Path) -> None:
    data = encode_bytes(clip(PICTURES), "h264", slices=3, gop=10)
    parser = StreamParser("h264")
    units = [*parser.push(data), *parser.flush()]
    payloads = [(join_annexb(unit.nals), n) for n, unit in enumerate(units)]
    sendings = send_lossy(payloads, "h264", 25, rate=0.03, seed=2, mtu=300)
    port, target = _free_port() & ~1, tmp_path / "out.mkv"
    description = tmp_path / "session.sdp"
    description.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=1\n"
    )
    done: list[ConcealResult] = []
    stop = threading.Event()

    def receive() -> None:
        done.append(conceal_file(description, target, Settings(encoder=_FAST), stopped=stop.is_set))

    receiver = threading.Thread(target=receive)
    receiver.start()
    time.sleep(0.5)
    send_udp(sendings, port, 25)
    stop.set()
    receiver.join(20)
    assert done
    assert _count(target)[0] >= PICTURES - 12


def test_reconnecting_keeps_one_timeline(tmp_path: Path, transport_stream: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port, target = server.getsockname()[1], tmp_path / "out.mkv"
    stop = threading.Event()

    def serve() -> None:
        for _ in range(2):
            connection, _address = server.accept()
            with connection:
                connection.sendall(transport_stream)
        server.close()
        time.sleep(2.0)
        stop.set()

    server_thread = threading.Thread(target=serve)
    server_thread.start()
    settings = Settings(encoder=_FAST, reconnect=True, input_format="mpegts")
    result = conceal_file(f"tcp://127.0.0.1:{port}", target, settings, stopped=stop.is_set)
    server_thread.join()
    assert not result.interrupted
    with av.open(str(target)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert len(times) >= 2 * PICTURES - 4
    assert times == sorted(set(times))


def test_what_cannot_be_reached_or_sent_is_one_line() -> None:
    with pytest.raises(InputError, match="cannot listen"):
        conceal_file("udp://127.0.0.1", "out.mkv", Settings(encoder=_FAST))
    with pytest.raises(InputError, match=r"cannot receive|lacks the protocol"):
        conceal_file("rtmp://127.0.0.1:9/x", "out.mkv", Settings(encoder=_FAST))
    with pytest.raises(UsageError, match="cannot send"):
        conceal_file("udp://127.0.0.1:9", "rtsp://127.0.0.1:9/x", Settings(encoder=_FAST))
