"""Undamaged streams of all kinds from four encoders, for a decoder that must find nothing in them.

libx264 and libx265 come with PyAV. OpenH264 is reached through GStreamer, minih264 through the npm package
h264-mp4-encoder, which Node finds in the folder named by $NODE_PATH; without them their streams are left out.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from benchmarks.streams import Codec, default_cache
from benchmarks.synthetic import moving_layers

Encoder = Literal["libx264", "libx265", "openh264", "minih264"]
PICTURES = 2750
_PER_CLIP = 120
_MADE_UP = 0.1
"""Share of pieces that are made up where there are clips."""
_SIZES = ((176, 144), (208, 116), (154, 98))
_KEPT = (320, 180)
"""Size of the pieces of clips that are kept from run to run."""
_CONTAINERS = (".mp4", ".mkv", ".ts", "")
_FPS = 25
_PATIENCE = 600
"""Seconds for an encoder that is another program."""


@dataclass(frozen=True)
class Recipe:
    """One stream."""

    encoder: Encoder
    options: str
    """As the encoder takes them: key=value, by colons; pix_fmt, preset, crf and qp are PyAV's."""
    number: int
    """Of the recipe among the encoder's: picks its size, container and pictures."""

    @property
    def codec(self) -> Codec:
        return "hevc" if self.encoder == "libx265" else "h264"

    @property
    def size(self) -> tuple[int, int]:
        return _SIZES[self.number % len(_SIZES)]

    @property
    def suffix(self) -> str:
        """Of its file."""
        if self.encoder == "minih264":
            return ".mp4"
        picked = _CONTAINERS[self.number % len(_CONTAINERS)] if self.encoder != "openh264" else ""
        return picked or (".265" if self.codec == "hevc" else ".264")

    @property
    def title(self) -> str:
        """One line for people."""
        return f"{self.encoder} {self.options} {self.size[0]}x{self.size[1]} {self.suffix}"


_X264 = (
    "preset=ultrafast:crf=28",
    "preset=superfast:crf=23:slices=4",
    "preset=veryfast:crf=20:bframes=0:keyint=50",
    "preset=faster:crf=26:slice-max-size=400",
    "preset=fast:crf=23:slice-max-mbs=7",
    "preset=medium:crf=18",
    "preset=medium:crf=33:open-gop=1:keyint=30:bframes=3:b-pyramid=2",
    "preset=slow:crf=23:ref=8:weightp=2:weightb=1:bframes=5",
    "preset=slower:crf=30:b-adapt=2:direct=temporal",
    "preset=medium:qp=51:keyint=100",
    "preset=medium:qp=3",
    "preset=veryfast:qp=0",
    "preset=medium:crf=23:intra-refresh=1:bframes=0:keyint=40",
    "preset=fast:crf=24:cabac=0:8x8dct=0:bframes=2:slices=3",
    "preset=medium:crf=23:deblock=-6,-6:no-deblock=1",
    "preset=fast:crf=26:interlaced=1",
    "preset=fast:crf=26:tff=1:slices=2",
    "preset=medium:crf=22:constrained-intra=1:aq-mode=0",
    "preset=veryfast:crf=23:keyint=1",
    "preset=veryfast:crf=30:bframes=16:b-adapt=0:keyint=infinite",
    "preset=fast:crf=24:pix_fmt=yuv420p10le",
    "preset=fast:crf=24:pix_fmt=yuv422p:slices=2",
    "preset=fast:crf=24:pix_fmt=yuv444p",
    "preset=fast:qp=0:pix_fmt=yuv444p",
    "preset=fast:crf=24:pix_fmt=gray",
    "preset=ultrafast:tune=zerolatency:crf=25:slices=5",
    "preset=medium:crf=40:me=umh:subme=10:trellis=2",
    "preset=veryfast:bitrate=40:vbv-maxrate=40:vbv-bufsize=20",
)
_X265 = (
    "preset=ultrafast:crf=28",
    "preset=superfast:crf=23:wpp=1:pools=2",
    "preset=veryfast:crf=20:bframes=0:keyint=50",
    "preset=faster:crf=26:ctu=16:min-cu-size=8",
    "preset=fast:crf=23:ctu=32",
    "preset=medium:crf=18",
    "preset=medium:crf=33:open-gop=1:keyint=30:bframes=4",
    "preset=medium:crf=28:open-gop=0:keyint=40:radl=2",
    "preset=slow:crf=30:ref=5:weightb=1",
    "preset=medium:qp=51:keyint=100",
    "preset=fast:qp=4",
    "preset=veryfast:lossless=1",
    "preset=fast:crf=25:intra-refresh=1:bframes=0:keyint=40",
    "preset=fast:crf=24:slices=2:pools=1",
    "preset=fast:crf=24:no-sao=1:no-deblock=1",
    "preset=fast:crf=24:tskip=1:amp=1:rect=1",
    "preset=fast:crf=24:cu-lossless=1",
    "preset=fast:crf=26:constrained-intra=1:signhide=0",
    "preset=veryfast:crf=23:keyint=1",
    "preset=fast:crf=24:pix_fmt=yuv420p10le",
    "preset=fast:crf=24:pix_fmt=yuv422p",
    "preset=fast:crf=24:pix_fmt=yuv444p",
    "preset=fast:crf=24:pix_fmt=gray",
    "preset=fast:crf=24:temporal-layers=3:b-adapt=0:bframes=3",
    "preset=fast:crf=27:tune=zerolatency:temporal-mvp=0",
    "preset=fast:crf=22:repeat-headers=1:aud=1:hrd=1:vbv-maxrate=200:vbv-bufsize=200",
)
_OPENH264 = (
    "bitrate=100000",
    "bitrate=60000:slice-mode=n-slices:num-slices=3",
    "rate-control=off:qp-min=20:qp-max=36:gop-size=30",
    "bitrate=150000:complexity=high:gop-size=60",
    "bitrate=150000:complexity=low:deblocking=off",
    "bitrate=90000:deblocking=not-slice-boundaries:num-slices=4",
    "bitrate=200000:usage-type=screen",
    "bitrate=50000:adaptive-quantization=false:background-detection=false:scene-change-detection=false",
    "bitrate=120000:max-slice-size=600:gop-size=25",
)
_MINIH264 = ("qp=22:gop=25:speed=0", "qp=30:gop=20:speed=5", "qp=38:gop=100:speed=10", "qp=26:gop=1:speed=10")
_NODE = """
const make = require("h264-mp4-encoder"), fs = require("fs");
const [out, width, height, ...settings] = process.argv.slice(1);
const [qp, gop, speed] = settings.map((text) => +text.split("=")[1]);
make.createH264MP4Encoder().then((encoder) => {
  Object.assign(encoder, {width: +width, height: +height, frameRate: 25});
  Object.assign(encoder, {quantizationParameter: qp, groupOfPictures: gop, speed});
  encoder.initialize();
  const size = width * height * 3 / 2, data = fs.readFileSync(0);
  for (let at = 0; at + size <= data.length; at += size)
    encoder.addFrameYuv(new Uint8Array(data.subarray(at, at + size)));
  encoder.finalize();
  fs.writeFileSync(out, encoder.FS.readFile(encoder.outputFilename));
});
"""


def recipes() -> list[Recipe]:
    """All that can be made on this machine."""
    kinds: dict[Encoder, Sequence[str]] = {"libx264": _X264, "libx265": _X265}
    if _has_openh264():
        kinds["openh264"] = _OPENH264
    if _has_minih264():
        kinds["minih264"] = _MINIH264
    return [Recipe(encoder, text, number) for encoder, texts in kinds.items() for number, text in enumerate(texts)]


def _has_openh264() -> bool:
    inspect = shutil.which("gst-inspect-1.0")
    return inspect is not None and not subprocess.run([inspect, "openh264enc"], capture_output=True).returncode


def _has_minih264() -> bool:
    node = shutil.which("node")
    command = [str(node), "-e", 'require("h264-mp4-encoder")']
    return node is not None and not subprocess.run(command, capture_output=True).returncode


def make(recipe: Recipe, folder: Path, clips: Path | None, pictures: int) -> Path:
    """Write the stream. clips: folder of clips to take pictures from; None makes them up.

    Raises av.FFmpegError or subprocess.SubprocessError if the encoder fails.
    """
    path = folder / f"clean{recipe.suffix}"
    frames = _pictures(recipe, clips, pictures)
    options = [entry.split("=", 1) for entry in recipe.options.split(":")]
    match recipe.encoder:
        case "openh264":
            width, height = recipe.size
            source = f"fdsrc ! rawvideoparse width={width} height={height} format=i420 framerate={_FPS}/1"
            encoder = "openh264enc multi-thread=1 " + " ".join(f"{name}={value}" for name, value in options)
            _feed(["gst-launch-1.0", "-q", *f"{source} ! {encoder} ! filesink location={path}".split()], frames)
        case "minih264":
            _feed(["node", "-e", _NODE, str(path), *map(str, recipe.size), *(f"{n}={v}" for n, v in options)], frames)
        case _:
            _encode(recipe, {name: value for name, value in options}, path, frames)
    return path


_PYAV = ("preset", "tune", "crf", "qp")
"""Options of PyAV's encoders, not of the libraries."""


def _feed(command: Sequence[str], frames: Iterable[av.VideoFrame]) -> None:
    data = b"".join(frame.to_ndarray().tobytes() for frame in frames)
    subprocess.run(command, input=data, check=True, timeout=_PATIENCE, capture_output=True)


def _encode(recipe: Recipe, options: dict[str, str], path: Path, frames: Iterable[av.VideoFrame]) -> None:
    pix_fmt = options.pop("pix_fmt", "yuv420p")
    own: dict[str, str] = {name: options.pop(name) for name in _PYAV if name in options}
    if recipe.encoder == "libx265":
        defaults = {"log-level": "none", "frame-threads": "1", "pools": "1"}
        if "qp" in own:
            defaults["qp"] = own.pop("qp")
    else:
        defaults = {"threads": "1", "sliced-threads": "0"}
    own[recipe.encoder.removeprefix("lib") + "-params"] = ":".join(f"{n}={v}" for n, v in (defaults | options).items())
    with av.open(str(path), "w", format={".264": "h264", ".265": "hevc"}.get(path.suffix)) as container:
        video = container.add_stream(cast(Literal["libx264", "libx265"], recipe.encoder), rate=_FPS, options=own)
        assert isinstance(video, VideoStream)
        (video.width, video.height), video.pix_fmt = recipe.size, pix_fmt
        video.codec_context.thread_count = 1
        for number, picture in enumerate(frames):
            frame = picture.reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, _FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def _pictures(recipe: Recipe, clips: Path | None, pictures: int) -> Iterator[av.VideoFrame]:
    """Pieces of clips in a row, and made-up ones; another order for every recipe."""
    width, height = recipe.size
    rng = np.random.default_rng([recipe.number, len(recipe.options)])
    files = [] if clips is None else sorted(p for f in clips.parent.glob(clips.name + "*") for p in f.iterdir())
    left = pictures
    while left > 0:
        file = files[int(rng.integers(len(files)))] if files and rng.random() > _MADE_UP else None
        for frame in islice(_made_up(rng) if file is None else _piece(file), left):
            yield frame.reformat(width, height, "yuv420p")
            left -= 1


def _made_up(rng: np.random.Generator) -> Iterator[av.VideoFrame]:
    for rgb in moving_layers(_PER_CLIP, *_SIZES[0], seed=int(rng.integers(1 << 30))):
        yield av.VideoFrame.from_ndarray(rgb, format="rgb24")


def _piece(path: Path) -> Iterator[av.VideoFrame]:
    """The first pictures of a clip; none if there is no video in the file."""
    kept = default_cache() / f"{path.stem}-{_KEPT[0]}x{_KEPT[1]}.npy"
    if not kept.is_file():
        try:
            pictures = np.stack(list(_read(path)))
        except (av.FFmpegError, IndexError, ValueError):
            return
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, pictures)
    for picture in np.load(kept):
        yield av.VideoFrame.from_ndarray(picture, format="yuv420p")


def _read(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    width, height = _KEPT
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in islice(container.decode(video=0), _PER_CLIP):
            yield frame.to_ndarray(width=width, height=height, format="yuv420p").astype(np.uint8)
