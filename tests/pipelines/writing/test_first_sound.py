"""Sound of a transport stream with damaged frames: muxers describe all of it by the first, and stop at the last."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import av
import pytest

from pipelines import Settings, conceal_file
from tests.media import clip, encode_file


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of whose AAC two of the first frames and two of the last have no header any more."""
    folder = tmp_path_factory.mktemp("sound")
    encode_file(folder / "whole.ts", clip(30, 176, 144), "h264", gop=30, audio=True)
    data = bytearray((folder / "whole.ts").read_bytes())
    with av.open(str(folder / "whole.ts")) as container:
        frames = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    for frame in (*frames[:2], *frames[-4:-2]):
        at = data.find(frame[:24])
        assert at >= 0
        data[at : at + 7] = bytes(7)
    path = folder / "damaged.ts"
    path.write_bytes(data)
    return path


def decodable(path: Path) -> int:
    """Frames of sound that libavcodec makes."""
    count = 0
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            with contextlib.suppress(av.FFmpegError):
                count += len(packet.decode())
    return count


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_the_rest_of_the_sound_is_kept(
    damaged: Path, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / f"out{suffix}"
    with caplog.at_level(logging.WARNING):
        conceal_file(damaged, out, Settings())
    with av.open(str(damaged)) as container:
        sent = sum(1 for packet in container.demux(audio=0) if packet.size)
    assert sent - 6 <= decodable(out) <= sent
    assert any("packets are not shown" in record.message for record in caplog.records)
