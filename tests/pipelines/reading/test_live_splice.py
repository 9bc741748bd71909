"""`conceal --splice` between live addresses."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from benchmarks.rtp import Sending, send_lossy, send_udp
from concealer.bitstream import split_annexb
from pipelines import ConcealResult, InputError, Settings, conceal_file
from tests.media import clip as moving
from tests.media import encode_file
from tests.pipelines.gst.rtsp import RtspServer
from tests.pipelines.gst.running import FPS, lossy, stream

TURNS, PICTURES = 3, 30
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 {encoding}/90000\n"
)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _splice(source: str, target: str, feed: Callable[[], None], **more: Any) -> ConcealResult:
    """Run until `feed` has returned and half a second has passed."""
    done: list[ConcealResult | Exception] = []
    stop = threading.Event()

    def work() -> None:
        try:
            done.append(conceal_file(source, target, Settings(output="splice", **more), stopped=stop.is_set))
        except Exception as error:
            done.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.7)
    feed()
    time.sleep(0.5)
    stop.set()
    worker.join(30)
    assert done, "it does not end"
    if isinstance(done[0], Exception):
        raise done[0]
    return done[0]


def _times(file: object, container_format: str | None = None) -> list[int]:
    with av.open(file, "r", format=container_format) as container:
        return [frame.pts or 0 for frame in container.decode(video=0)]


def _sendings(codec: Any, bframes: int = 0) -> list[Sending]:
    units = [
        (payload, position + PICTURES * turn) for turn in range(TURNS) for payload, position in stream(codec, bframes)
    ]
    return send_lossy(units, codec, FPS, rate=0.03, seed=2, mtu=300)


@pytest.mark.parametrize(("codec", "bframes"), [("h264", 0), ("hevc", 0), ("h264", 2)])
def test_rtp_to_a_file(tmp_path: Path, codec: Any, bframes: int) -> None:
    port, target, sdp = _free_port(), tmp_path / "out.mkv", tmp_path / "session.sdp"
    sdp.write_text(_SDP.format(port=port, encoding="H264" if codec == "h264" else "H265"))
    sendings = _sendings(codec, bframes)
    result = _splice(str(sdp), str(target), lambda: send_udp(sendings, port, FPS))
    assert result.action == "spliced"
    assert result.splice is not None
    assert result.splice.inserted > 0
    times = _times(str(target))
    assert times == sorted(set(times))
    assert TURNS * PICTURES - bframes <= len(times) <= TURNS * PICTURES


def _datagrams(data: bytes) -> list[bytes]:
    return [data[start : start + 7 * 188] for start in range(0, len(data), 7 * 188)]


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("splice")
    return encode_file(folder / "clip.ts", moving(60), "h264", slices=4, gop=30, audio=True).read_bytes()


def _send_datagrams(data: bytes, port: int, lost: int, strip: Callable[[bytes, int], bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        datagrams = _datagrams(data)
        for number, one in enumerate(datagrams):
            if number < len(datagrams) // 4 or number % lost:
                channel.sendto(strip(one, number), ("127.0.0.1", port))
            time.sleep(2.4 / len(datagrams))


def _as_rtp(data: bytes, number: int) -> bytes:
    return bytes((0x80, 33)) + number.to_bytes(2, "big") + bytes(8) + data


@pytest.mark.parametrize("wrapped", [False, True])
def test_udp_to_udp_leaves_what_arrived_untouched(broadcast: bytes, wrapped: bool) -> None:
    port, onward = _free_port(), _free_port()
    got = bytearray()
    over = threading.Event()

    def listen() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.bind(("127.0.0.1", onward))
            channel.settimeout(0.2)
            while not over.is_set():
                try:
                    data = channel.recv(65536)
                except TimeoutError:
                    continue
                got.extend(data[12:] if wrapped else data)

    listener = threading.Thread(target=listen)
    listener.start()
    scheme = "rtp" if wrapped else "udp"
    source, target = f"{scheme}://127.0.0.1:{port}", f"{scheme}://127.0.0.1:{onward}?pkt_size=1328"
    strip = _as_rtp if wrapped else (lambda data, number: data)
    result = _splice(source, target, lambda: _send_datagrams(broadcast, port, 23, strip))
    over.set()
    listener.join()
    assert result.splice is not None
    assert result.splice.inserted > 0
    whole, spliced = _nal_units(broadcast), _nal_units(bytes(got))
    assert (whole & spliced).total() > 0.75 * whole.total()
    assert 57 <= len(_times(io.BytesIO(bytes(got)), "mpegts")) <= 60
    with av.open(io.BytesIO(bytes(got)), "r", format="mpegts") as container:
        assert sum(1 for packet in container.demux(audio=0) if packet.size) > 60


def _nal_units(data: bytes) -> Counter[bytes]:
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        payloads = b"".join(bytes(packet) for packet in container.demux(video=0))
    return Counter(nal.data for nal in split_annexb(payloads))


_RTMP_SERVER = """
import sys, av
count = 0
with av.open(sys.argv[1], "r", options={"listen": "1"}, timeout=20) as container:
    try:
        for _ in container.decode(video=0):
            count += 1
    except OSError:  # the sender has left
        pass
print(count)
"""


def test_rtsp_to_rtmp() -> None:
    packets = [(packet, sending.position) for sending in lossy("h264", rate=0.0) for packet in sending.packets]
    server, target = RtspServer(packets, FPS), f"rtmp://127.0.0.1:{_free_port()}/live/key"
    # In a process of its own: while a thread opens an RTMP output, no other one runs.
    listener = subprocess.Popen([sys.executable, "-c", _RTMP_SERVER, target], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(1.0)
        source = f"rtsp://127.0.0.1:{server.port}/camera"
        result = _splice(source, target, lambda: time.sleep(PICTURES / FPS + 2))
        server.close()
        shown, _ = listener.communicate(timeout=20)
    finally:
        listener.kill()
    assert result.action == "copied"
    assert PICTURES - 2 <= int(shown) <= PICTURES


def test_srt_in_and_out(broadcast: bytes, tmp_path: Path) -> None:
    gst = pytest.importorskip("pipelines.gst.bindings").Gst
    gst.init(None)
    if gst.ElementFactory.find("srtsrc") is None:
        pytest.skip("no srtsrc here")
    port, onward, target = _free_port(), _free_port(), tmp_path / "out.ts"
    sender = gst.parse_launch(f"appsrc name=in ! srtsink uri=srt://127.0.0.1:{port}?mode=caller")
    receiver = gst.parse_launch(f"srtsrc uri=srt://127.0.0.1:{onward}?mode=listener ! filesink location={target}")
    receiver.set_state(gst.State.PLAYING)

    def feed() -> None:
        sender.set_state(gst.State.PLAYING)
        for one in _datagrams(broadcast):
            sender.get_by_name("in").emit("push-buffer", gst.Buffer.new_wrapped(one))
            time.sleep(2.4 / (len(broadcast) / 1316))
        time.sleep(1.0)

    result = _splice(f"srt://127.0.0.1:{port}?mode=listener", f"srt://127.0.0.1:{onward}?mode=caller", feed)
    for pipeline in (sender, receiver):
        pipeline.set_state(gst.State.NULL)
    assert result.pictures >= 55
    assert len(_times(str(target))) >= 50


def test_srt_without_gstreamer_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"gstreamer1.0-plugins-bad.*gst-launch-1.0 -q srtsrc uri='srt://127.0.0.1:9'"):
        conceal_file("srt://127.0.0.1:9", tmp_path / "out.mkv", Settings(output="splice"))
