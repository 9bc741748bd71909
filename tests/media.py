"""Media that tests make for themselves: small clips encoded through PyAV."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt

from benchmarks.synthetic import Rgb, moving_layers
from pipelines.writing.x264 import reproducible

Codec = Literal["h264", "hevc"]
_REPOSITORY = Path(__file__).resolve().parent.parent
_TRIES, _PATIENCE = 3, 40
"""Attempts, and seconds each may take; the longest encoding here takes four."""

__all__ = ["clip", "decode_luma", "encode_bytes", "encode_file", "moving_layers"]


def clip(frames: int = 12, width: int = 176, height: int = 144, *, seed: int = 0) -> list[Rgb]:
    """`frames` RGB pictures of textured layers that move against each other."""
    return moving_layers(frames, width, height, seed=seed)


def _encoder_options(
    codec: Codec, width: int, slices: int, bframes: int, gop: int, extra: Mapping[str, str | int], preset: str, crf: int
) -> dict[str, str]:
    params: dict[str, str | int] = {"slices": slices, "bframes": bframes, "keyint": gop, "min-keyint": gop}
    params["scenecut"] = 0
    if codec == "h264":
        params["sliced-threads"] = 0  # else PyAV's own choice of slice threads decides the number of slices
        key = "x264-params"
    else:
        # Without a pool x265 has no wavefront, and several slices then crash it (FFmpeg 8.1.2's build).
        if slices > 1 and width <= 2 * int(extra.get("ctu", 64)):
            raise ValueError(f"x265 has no wavefront at {width} pixels, and would crash with {slices} slices")
        params |= {"log-level": "none", "pools": 1, "frame-threads": 1}
        key = "x265-params"
    params |= extra
    joined = ":".join(f"{name}={value}" for name, value in params.items())
    return {"preset": preset, "crf": str(crf), key: reproducible(joined) if codec == "h264" else joined}


def _encode(
    container: av.container.OutputContainer,
    frames: Sequence[Rgb],
    codec: Codec,
    options: dict[str, str],
    pix_fmt: str,
    fps: int,
    audio: bool,
) -> None:
    video = container.add_stream("libx264" if codec == "h264" else "libx265", rate=fps, options=options)
    video.height, video.width = frames[0].shape[:2]
    video.pix_fmt = pix_fmt
    video.codec_context.thread_count = 1
    video.time_base = video.codec_context.time_base = Fraction(1, fps)
    sound = container.add_stream("aac", rate=48000, layout="mono") if audio else None
    for index, rgb in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
        frame.pts, frame.time_base = index, Fraction(1, fps)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))
    if sound is not None:
        total = 48000 * len(frames) // fps
        tone = np.sin(2 * np.pi * 440 * np.arange(total) / 48000).astype(np.float32) * 0.25
        for start in range(0, total, 1024):
            samples = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
            samples.sample_rate, samples.pts, samples.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))


def encode_bytes(
    frames: Sequence[Rgb],
    codec: Codec = "h264",
    *,
    slices: int = 1,
    bframes: int = 0,
    gop: int = 250,
    pix_fmt: str = "yuv420p",
    preset: str = "veryfast",
    crf: int = 24,
    fps: int = 25,
    extra: Mapping[str, str | int] | None = None,
) -> bytes:
    """Annex B elementary stream. `extra` is merged into x264-params / x265-params."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream"
        options = _encoder_options(codec, frames[0].shape[1], slices, bframes, gop, extra or {}, preset, crf)
        _write(
            path, frames, EncodingJob(codec, options, pix_fmt, fps, muxer=codec), guarded=codec == "hevc" and slices > 1
        )
        return path.read_bytes()


def encode_file(
    path: Path,
    frames: Sequence[Rgb],
    codec: Codec = "h264",
    *,
    slices: int = 1,
    bframes: int = 0,
    gop: int = 250,
    pix_fmt: str = "yuv420p",
    preset: str = "veryfast",
    crf: int = 24,
    fps: int = 25,
    audio: bool = False,
    extra: Mapping[str, str | int] | None = None,
    muxer_options: Mapping[str, str] | None = None,
) -> Path:
    """Write a file whose container follows from the suffix; `audio` adds a 440 Hz AAC tone."""
    raw = {".264": "h264", ".h264": "h264", ".265": "hevc", ".h265": "hevc", ".hevc": "hevc"}.get(path.suffix)
    options = _encoder_options(codec, frames[0].shape[1], slices, bframes, gop, extra or {}, preset, crf)
    job = EncodingJob(codec, options, pix_fmt, fps, raw, audio, dict(muxer_options or {}))
    _write(path, frames, job, guarded=codec == "hevc" and slices > 1)
    return path


@dataclass
class EncodingJob:
    """One encoding."""

    codec: Codec
    options: dict[str, str]
    pix_fmt: str
    fps: int
    muxer: str | None = None
    audio: bool = False
    muxer_options: dict[str, str] = field(default_factory=dict)


def _write(path: Path, frames: Sequence[Rgb], job: EncodingJob, guarded: bool) -> None:
    """Encode to `path`. `guarded`: in a process of its own, tried again if it hangs: x265 with several slices
    sometimes waits for itself for ever."""
    if not guarded:
        with av.open(str(path), "w", format=job.muxer, options=job.muxer_options) as container:
            _encode(container, frames, job.codec, job.options, job.pix_fmt, job.fps, job.audio)
        return
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "frames.npy"
        np.save(raw, np.stack(frames))
        command = [sys.executable, "-m", "tests.media", str(raw), str(path), json.dumps(asdict(job))]
        for _ in range(_TRIES):
            try:
                subprocess.run(command, check=True, timeout=_PATIENCE, cwd=_REPOSITORY, capture_output=True)
                return
            except subprocess.TimeoutExpired:
                continue
    raise RuntimeError(f"x265 hung {_TRIES} times with {job.options}")


def decode_luma(source: bytes | Path, codec: Codec | None = None) -> list[npt.NDArray[np.uint8]]:
    """Luma planes (height, width) of the first video stream in output order, decoded with one thread."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    planes: list[npt.NDArray[np.uint8]] = []
    with av.open(opened, "r", format=codec) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            rows = frame.to_ndarray(format="gray")
            planes.append(np.ascontiguousarray(rows))
    return planes


if __name__ == "__main__":
    _write(Path(sys.argv[2]), list(np.load(sys.argv[1])), EncodingJob(**json.loads(sys.argv[3])), guarded=False)
