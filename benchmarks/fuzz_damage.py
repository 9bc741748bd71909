"""Small files of many kinds, and every way to damage them: in the stream by the models of `conceal-damage`, in the file
by what disks, transfers and cards do. Seeded."""

from __future__ import annotations

import io
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.clips import synthetic
from benchmarks.streams import FPS, Encoding, Stream, encoded
from pipelines.damage_cli import main as damage

_CLIP = synthetic(176, 144)
_PICTURES, _GOP = 14, 7
_RATE = 48_000
MODELS: dict[str, tuple[str, ...]] = {
    "slice": ("--rate", "0.15"),
    "picture": ("--rate", "0.1"),
    "rtp": ("--rate", "0.1", "--mtu", "300"),
    "rtp closed up": ("--rate", "0.1", "--mtu", "300", "--closed-up"),
    "rtp from the first": ("--rate", "0.1", "--mtu", "300", "--no-spare-first"),
    "ts": ("--rate", "0.05"),
    "bytes": ("--P", "4", "--S", "300"),
    "flips": ("--rate", "0.0005"),
    "zeros": ("--rate", "0.2"),
    "truncate": ("--rate", "0.4"),
}
"""Of the stream."""
FILE_KINDS = ("flips", "zeros", "hole", "garbage", "twice", "swapped", "cut", "word")
"""Of the file."""
_WORDS = (0, 1, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00000109, 0x01000000)


def bases(folder: Path) -> list[Path]:
    """The whole files, made in `folder` where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for codec, structure, slices, further in (
        ("h264", "P", 1, ""),
        ("h264", "B", 4, ""),
        ("h264", "B", 1, "tff=1"),
        ("hevc", "P", 1, ""),
        ("hevc", "B", 1, "open-gop=1"),
    ):
        encoding = Encoding(codec, structure, _PICTURES, gop=_GOP, slices=slices, further=further)  # type: ignore[arg-type]
        stream = encoded(_CLIP, encoding, folder / "cache")
        stem = f"{codec}-{structure}-{slices}{'-fields' if 'tff' in further else ''}"
        for suffix, sound in ((".mp4", True), (".frag.mp4", False), (".ts", True), (".mkv", False), (".raw", False)):
            path = folder / f"{stem}{suffix}"
            if suffix == ".raw":
                path = path.with_suffix(".264" if codec == "h264" else ".265")
            if not path.exists():
                part = path.with_suffix(".part")
                part.write_bytes(_file(stream, suffix, sound))
                part.replace(path)
            found.append(path)
    return found


def _file(stream: Stream, suffix: str, sound: bool) -> bytes:
    if suffix == ".raw":
        return stream.payload
    form = {".ts": "mpegts", ".mkv": "matroska"}.get(suffix, "mp4")
    options = {"movflags": "frag_keyframe+empty_moov"} if ".frag" in suffix else {}
    out = io.BytesIO()
    raw = av.open(io.BytesIO(stream.payload), format=stream.encoding.codec)
    with raw, av.open(out, "w", format=form, options=options) as container:
        video = container.add_stream_from_template(raw.streams.video[0])
        audio = container.add_stream("aac", rate=_RATE, layout="mono") if sound else None
        for index, unit in enumerate(stream.units):
            packet = av.Packet(unit.payload)
            packet.stream, packet.time_base = video, Fraction(1, 90_000)
            packet.pts, packet.dts = unit.pts * 90_000 // FPS, (index - 3) * 90_000 // FPS
            packet.is_keyframe = index % stream.encoding.gop == 0
            container.mux(packet)
            if audio is not None:
                tone = np.sin(np.arange(_RATE // FPS) * 0.05 + index).astype(np.float32)[None]
                frame = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
                frame.sample_rate, frame.pts, frame.time_base = _RATE, index * _RATE // FPS, Fraction(1, _RATE)
                container.mux(audio.encode(frame))
        if audio is not None:
            container.mux(audio.encode())
    return out.getvalue()


def damaged(base: Path, target: Path, seed: int) -> str:
    """Write what becomes of a whole file; in words what was done. Some is damaged in the stream, some in the file, some
    in both."""
    rng = random.Random(f"{base.name} {seed}")
    done = []
    source = base
    if rng.random() < 0.6:
        kinds = [kind for kind in MODELS if kind != "ts" or base.suffix == ".ts"]
        kind = rng.choice(kinds)
        options = ["--model", kind.split()[0], *MODELS[kind], "--seed", str(rng.randrange(1 << 30))]
        if not damage(["-q", "-y", str(base), str(target), *options]):
            source = target
            done.append(kind)
    if not done or rng.random() < 0.3:
        data = bytearray(source.read_bytes())
        for _ in range(rng.choice((1, 1, 2, 4))):
            kind = rng.choice(FILE_KINDS)
            _spoil(data, kind, rng)
            done.append(f"file {kind}")
        target.write_bytes(data)
    return ", ".join(done)


def _spoil(data: bytearray, kind: str, rng: random.Random) -> None:
    if len(data) < 64:
        return
    at = rng.randrange(len(data) - 32) if rng.random() < 0.7 else rng.randrange(32)
    length = min(rng.choice((1, 4, 16, 188, 1000, 4096)), len(data) - at)
    match kind:
        case "flips":
            for _ in range(rng.choice((1, 8, 64))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case "zeros":
            data[at : at + length] = bytes(length)
        case "hole":
            del data[at : at + length]
        case "garbage":
            data[at:at] = rng.randbytes(length)
        case "twice":
            data[at:at] = data[at : at + length]
        case "swapped":
            other = rng.randrange(len(data) - length + 1)
            data[at : at + length], data[other : other + length] = (
                data[other : other + length],
                data[at : at + length],
            )
        case "cut":
            del data[max(1, at) :]
        case "word":
            data[at : at + 4] = rng.choice(_WORDS).to_bytes(4, "big")
