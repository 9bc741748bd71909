"""What a decoder makes of a byte stream, as an MD5: concealer, and libav as PyAV has it, without the hook.

python -m benchmarks.conformance_decoders concealer h264 IN.264 yuv420p    # MD5 of all pictures, and what was damaged
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import av

from concealer.bitstream import Codec
from concealer.front_door import open_decoder
from concealer.repair import Repairer

Which = Literal["concealer", "libav"]
WHICH: tuple[Which, ...] = ("concealer", "libav")
CODECS: tuple[Codec, ...] = ("h264", "hevc")
_CHUNK = 1 << 16


def digest(which: Which, codec: Codec, path: Path, pixel_format: str) -> dict[str, Any]:
    """MD5 of the pictures of a byte stream in output order, planes one after the other without padding, how many there
    are, and how many are called damaged (libav: that it flagged as corrupt). Raises OSError and av.FFmpegError."""
    summed = hashlib.md5(usedforsecurity=False)
    pictures = damaged = 0
    for frame, wrong in (_concealed if which == "concealer" else _plain)(codec, path):
        shown = frame.format.name
        same = pixel_format in ("None", "gray", shown) or shown.replace("yuvj", "yuv") == pixel_format
        for plane in _planes(frame if same else frame.reformat(format=pixel_format)):
            summed.update(plane)
        pictures += 1
        damaged += wrong
    return {"md5": summed.hexdigest(), "pictures": pictures, "damaged": damaged}


def _concealed(codec: Codec, path: Path) -> Iterator[tuple[av.VideoFrame, bool]]:
    decoder = open_decoder(codec, repairer=Repairer())
    with open(path, "rb") as file:
        while data := file.read(_CHUNK):
            for picture in decoder.decode(data, complete=False):
                yield picture.frame, picture.damage.any_hole or picture.synthesised
    for picture in decoder.flush():
        yield picture.frame, picture.damage.any_hole or picture.synthesised
    decoder.close()


def _plain(codec: Codec, path: Path) -> Iterator[tuple[av.VideoFrame, bool]]:
    """As the ffmpeg command: opened by the demuxer, whose probing finds out how far pictures are reordered."""
    with av.open(str(path), format=codec) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                continue  # as the command does
            for frame in frames:
                assert isinstance(frame, av.VideoFrame)
                yield frame, frame.is_corrupt


def _planes(frame: av.VideoFrame) -> Iterator[bytes]:
    deep = 1 if frame.format.components[0].bits <= 8 else 2
    for plane in frame.planes:
        data, width = memoryview(plane), plane.width * deep
        if plane.line_size == width:
            yield bytes(data[: width * plane.height])
        else:
            yield b"".join(bytes(data[row * plane.line_size :][:width]) for row in range(plane.height))


def in_child(which: Which, codec: Codec, path: Path, pixel_format: str, timeout: float | None) -> dict[str, Any]:
    """`digest` in a process of its own, which may crash. Raises RuntimeError if it does, subprocess.TimeoutExpired."""
    command = [sys.executable, "-m", "benchmarks.conformance_decoders", which, codec, str(path), pixel_format]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
        raise RuntimeError(f"{which} ended with {done.returncode}: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance_decoders")
    parser.add_argument("which", choices=WHICH)
    parser.add_argument("codec", choices=CODECS)
    parser.add_argument("path", type=Path)
    parser.add_argument("pixel_format")
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(digest(options.which, options.codec, options.path, options.pixel_format)))
    except (OSError, av.FFmpegError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
