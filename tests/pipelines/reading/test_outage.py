"""A live input that falls silent for a while."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines import ConcealResult, EncoderSettings, Settings, UsageError, conceal_file
from tests.media import clip, encode_file

RATE, PICTURES = 25, 50
_FAST = EncoderSettings("libx264", None, "ultrafast")
_AWAY = 2.0


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("outage") / "clip.ts"
    return encode_file(path, clip(PICTURES), "h264", slices=2, gop=10, audio=True).read_bytes()


def _received(data: bytes, target: Path, outage: str) -> ConcealResult:
    """The stream twice, from its start again, with nothing for a while between."""
    port, stop = _free_port(), threading.Event()
    done: list[ConcealResult] = []

    def receive() -> None:
        settings = Settings(encoder=_FAST, outage=outage)
        done.append(conceal_file(f"udp://127.0.0.1:{port}", target, settings, stopped=stop.is_set))

    receiver = threading.Thread(target=receive)
    receiver.start()
    time.sleep(0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        for turn in range(2):
            step = 7 * 188
            for start in range(0, len(data), step):
                channel.sendto(data[start : start + step], ("127.0.0.1", port))
                time.sleep(PICTURES / RATE * step / len(data))
            time.sleep(_AWAY if turn == 0 else 0.3)
    stop.set()
    receiver.join(30)
    assert done
    return done[0]


def test_the_last_picture_stays_and_sound_is_silent(tmp_path: Path, broadcast: bytes) -> None:
    target = tmp_path / "out.mkv"
    _received(broadcast, target, "hold")
    with av.open(str(target)) as container:
        pictures = [(frame.pts or 0, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    times = np.array([pts for pts, _ in pictures])
    steps = np.diff(times)
    assert len(pictures) > 2 * PICTURES + 0.6 * _AWAY * RATE
    assert steps.min() > 0
    assert steps.max() <= 200  # milliseconds: nothing is left open
    same = [np.abs(a.astype(int) - b).mean() < 1.0 for (_, a), (_, b) in zip(pictures, pictures[1:], strict=False)]
    longest = max(len(run) for run in "".join("x" if one else " " for one in same).split())
    assert longest > 0.6 * _AWAY * RATE
    with av.open(str(target)) as container:
        sound = [(packet.pts or 0) for packet in container.demux(audio=0) if packet.size]
    assert np.diff(sound).max() <= 200
    with av.open(str(target)) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0))
        assert heard > 0.8 * (2 * PICTURES / RATE + _AWAY) * container.streams.audio[0].rate


def test_a_slate(tmp_path: Path, broadcast: bytes) -> None:
    slate, target = tmp_path / "slate.png", tmp_path / "out.mkv"
    picture = av.VideoFrame.from_ndarray(np.full((90, 160, 3), (20, 200, 40), np.uint8), format="rgb24")
    with av.open(str(slate), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "rgb24"
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    _received(broadcast, target, str(slate))
    with av.open(str(target)) as container:
        flat = sum(frame.to_ndarray(format="gray").std() < 3 for frame in container.decode(video=0))
    assert flat > 0.6 * _AWAY * RATE


def test_what_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a picture"):
        Settings(outage=str(tmp_path / "none.png")).check()
    with pytest.raises(UsageError, match="--output splice"):
        Settings(outage="hold", output="splice").check()
    path = encode_file(tmp_path / "clip.mp4", clip(5), "h264")
    with pytest.raises(UsageError, match="live inputs"):
        conceal_file(path, tmp_path / "out.mkv", Settings(outage="hold"))
