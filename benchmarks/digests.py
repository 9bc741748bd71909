"""Digests of what the product puts out, to hold a change against that should change nothing.

python -m benchmarks.digests record MEDIA FILE    # makes the streams in MEDIA where they are missing
python -m benchmarks.digests compare BEFORE AFTER

Goes through the commands that users run. Every stream is repaired losslessly with look-ahead 0 and 2, spliced with
look-ahead 2 and, where GStreamer is there, decoded by `concealdec`; a digest is taken of the pictures with their times,
of the report without what it measures in milliseconds, of the spliced file's bytes, of the raw pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.stream import VideoStream

from benchmarks.synthetic import moving_layers
from pipelines.writing.x264 import reproducible

_PICTURES, _WIDTH, _HEIGHT = 24, 352, 288
_TIMED = ("milliseconds", "repair_milliseconds", "seconds", "input", "output")
"""Fields of a report that differ from run to run or from machine to machine."""
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Stream:
    """One damaged file."""

    codec: str
    bframes: int
    slices: int
    model: tuple[str, ...]
    container: str = "mp4"

    @property
    def name(self) -> str:
        words = [word.lstrip("-").replace(".", "") for word in self.model]
        return f"{self.codec}-b{self.bframes}-s{self.slices}-{'-'.join(words)}.{self.container}"


def streams() -> Iterator[Stream]:
    """Both codecs, P and B, one slice and four, and every way `conceal-damage` has to damage them."""
    for codec in ("h264", "hevc"):
        for bframes in (0, 2):
            for seed in ("1", "2"):
                yield Stream(codec, bframes, 4, ("slice", "--rate", "0.06", "--seed", seed))
            yield Stream(codec, bframes, 4, ("rtp", "--rate", "0.05", "--mtu", "300", "--seed", "3"))
            yield Stream(codec, bframes, 1, ("rtp", "--rate", "0.12", "--mtu", "400", "--seed", "4"))
            yield Stream(codec, bframes, 4, ("picture", "--rate", "0.12", "--seed", "5"))
            yield Stream(codec, bframes, 1, ("bytes", "--P", "2", "--S", "256", "--seed", "6"))
            yield Stream(codec, bframes, 1, ("flips", "--rate", "0.0001", "--seed", "7"))
            yield Stream(codec, bframes, 4, ("ts", "--rate", "0.04", "--seed", "8"), "ts")


def make(folder: Path) -> None:
    """Write the streams that `folder` lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for stream in streams():
        target = folder / stream.name
        if target.exists():
            continue
        whole = folder / f"clean-{stream.codec}-b{stream.bframes}-s{stream.slices}.{stream.container}"
        if not whole.exists():
            _encode(whole, stream)
        model, *options = stream.model
        subprocess.run(
            [_BIN / "conceal-damage", "-q", whole, target, "--model", model, *options], check=True, timeout=120
        )


def _encode(path: Path, stream: Stream) -> None:
    # In a process of its own: x265 with several slices sometimes waits for itself for ever.
    command = [sys.executable, "-m", "benchmarks.digests", "encode", path, stream.codec, stream.bframes, stream.slices]
    for _ in range(3):
        try:
            subprocess.run(list(map(str, command)), check=True, timeout=60)
            return
        except subprocess.TimeoutExpired:
            path.unlink(missing_ok=True)
    raise RuntimeError(f"the encoder hung three times on {path.name}")


def encode(path: Path, codec: str, bframes: int, slices: int) -> None:
    """One undamaged clip."""
    common = f"slices={slices}:bframes={bframes}:keyint=12:min-keyint=12:scenecut=0"
    if codec == "h264":
        name, options = "libx264", {"x264-params": reproducible(f"{common}:sliced-threads=0")}
    else:
        name, options = "libx265", {"x265-params": f"{common}:log-level=none:pools=1:frame-threads=1"}
    with av.open(str(path), "w") as container:
        video = container.add_stream(name, rate=25, options={"preset": "veryfast", "crf": "22", **options})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1
        for index, rgb in enumerate(moving_layers(_PICTURES, _WIDTH, _HEIGHT, seed=1)):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def record(media: Path) -> dict[str, str]:
    """Digest by run; "exit N" where the command refused."""
    make(media)
    found: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(lambda stream: _digests(media / stream.name, stream.codec), streams()):
            found |= one
    return found


def _digests(path: Path, codec: str) -> dict[str, str]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for ahead in (0, 2):
            out, report = Path(folder) / "out.mkv", Path(folder) / "report.json"
            code = _conceal(path, out, "--encoder", "ffv1", "--lookahead", str(ahead), "--report", str(report))
            found[f"{path.name} pictures lookahead {ahead}"] = _pictures(out) if not code else f"exit {code}"
            found[f"{path.name} report lookahead {ahead}"] = _report(report) if not code else f"exit {code}"
        out = Path(folder) / ("spliced" + path.suffix)
        code = _conceal(path, out, "--splice")
        found[f"{path.name} spliced"] = _hash(out.read_bytes()) if not code else f"exit {code}"
        if shutil.which("gst-launch-1.0"):
            found[f"{path.name} concealdec"] = _gstreamer(path, codec, Path(folder))
    return found


def _conceal(source: Path, target: Path, *options: str) -> int:
    command = [str(part) for part in (_BIN / "conceal", "-y", "-q", *options, source, target)]
    return subprocess.run(command, timeout=300, capture_output=True).returncode


def _pictures(path: Path) -> str:
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            digest.update(str(frame.time).encode())
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()[:16]


def _report(path: Path) -> str:
    return _hash(json.dumps(_untimed(json.loads(path.read_text())), sort_keys=True).encode())


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untimed(part) for key, part in value.items() if key not in _TIMED}
    return [_untimed(part) for part in value] if isinstance(value, list) else value


def _gstreamer(path: Path, codec: str, folder: Path) -> str:
    demuxer = "tsdemux" if path.suffix == ".ts" else "qtdemux"
    parser = "h264parse" if codec == "h264" else "h265parse"
    out = folder / "raw.yuv"
    environment = dict(os.environ)
    for line in subprocess.run(
        [sys.executable, "-m", "pipelines.gst"], check=True, capture_output=True, text=True
    ).stdout.splitlines():
        name, value = line.removeprefix("export ").split("=", 1)
        environment[name] = value.strip('"').split("${")[0].replace("$PATH", os.environ["PATH"])
    elements = f"filesrc location={path} ! {demuxer} ! {parser} ! concealdec deadline-ms=0 qos=false ! filesink"
    command = ["gst-launch-1.0", "-q", *elements.split(), f"location={out}"]
    run = subprocess.run(command, timeout=300, capture_output=True, env=environment)
    return _hash(out.read_bytes()) if not run.returncode else f"exit {run.returncode}"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digests", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record the digests of every run")
    recording.add_argument("media", type=Path, help="folder of the streams; made where they are missing")
    recording.add_argument("file", type=Path)
    comparing = commands.add_parser("compare", help="list the runs whose digests differ; exit 1 if there are any")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    encoding = commands.add_parser("encode")
    encoding.add_argument("path", type=Path)
    encoding.add_argument("codec")
    encoding.add_argument("numbers", type=int, nargs=2)
    given = parser.parse_args(arguments)
    if given.command == "encode":
        encode(given.path, given.codec, *given.numbers)
        return 0
    if given.command == "record":
        given.file.write_text(json.dumps(record(given.media), indent=1, sort_keys=True) + "\n")
        return 0
    before, after = (json.loads(path.read_text()) for path in (given.before, given.after))
    different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for name in different:
        print(f"{name}: {before.get(name, 'missing')} -> {after.get(name, 'missing')}")
    print(f"{len(before.keys() & after.keys())} runs, {len(different)} differ")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
