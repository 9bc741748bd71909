"""Damage a clip, repair it, and show what FFmpeg and what conceal make of it: `python -m pipelines.demo`."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext

from concealer.bitstream import Codec, StreamParser, join_annexb
from concealer.damage import BLOCK
from concealer.decoder.hook import padded_packet
from concealer.front_door import open_decoder
from concealer.loss import Received, RtpLoss
from concealer.repair import Repairer
from pipelines.demo_clip import talking_head
from pipelines.jobs import Settings, conceal_file
from pipelines.writing import EncoderSettings

Rgb = npt.NDArray[np.uint8]
Luma = npt.NDArray[np.uint8]

FRAMES, WIDTH, HEIGHT, FPS = 60, 640, 360, 25
LOSS_RATE, SEED, GOP = 0.03, 7, 30
_IDENTICAL_DB = 60.0
_SUFFIX: dict[Codec, str] = {"h264": ".264", "hevc": ".265"}
_TITLE: dict[Codec, str] = {"h264": "H.264", "hevc": "HEVC"}


@dataclass
class Viewed:
    """One way of decoding: for each picture that was sent, the one a viewer sees."""

    frames: list[av.VideoFrame]
    missing: int
    """Pictures that never came out; the one before stands in their place."""

    def luma(self, index: int) -> Luma:
        plane = self.frames[index].planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        return rows[:HEIGHT, :WIDTH]

    def rgb(self, index: int) -> Rgb:
        return self.frames[index].to_ndarray(format="rgb24")  # type: ignore[return-value]


@dataclass
class Comparison:
    """All of one codec's part of the demo."""

    codec: Codec
    packets: int
    packets_lost: int
    clean: Viewed
    ffmpeg: Viewed
    ours: Viewed
    holes: dict[int, npt.NDArray[np.bool_]]
    """(rows, cols) of 16x16 blocks that are held to be damaged, for each picture with some."""
    repair_ms: float

    def psnr(self, shown: Viewed, index: int) -> float:
        return _psnr(shown.luma(index), self.clean.luma(index))

    def mean_psnr(self, shown: Viewed) -> float:
        """Sequence PSNR-Y: mean over all pictures."""
        return float(np.mean([self.psnr(shown, index) for index in range(FRAMES)]))

    def typical(self) -> int:
        """The damaged picture whose gain over FFmpeg is the median one, among those of which some is whole."""
        middle = [index for index, hole in self.holes.items() if not hole.all()] or list(self.holes)
        middle.sort(key=lambda index: self.psnr(self.ours, index) - self.psnr(self.ffmpeg, index))
        return middle[len(middle) // 2]


def _psnr(a: Luma, b: Luma) -> float:
    error = float(np.mean(np.square(a.astype(np.float32) - b)))
    return min(_IDENTICAL_DB, 10 * np.log10(255**2 / error)) if error else _IDENTICAL_DB


def _encode(frames: Sequence[Rgb], codec: Codec) -> bytes:
    if codec == "h264":
        options = {"x264-params": f"slices=1:sliced-threads=0:bframes=0:keyint={GOP}"}
    else:
        options = {"x265-params": f"bframes=0:open-gop=0:keyint={GOP}:log-level=none:pools=1:frame-threads=1"}
    memory = io.BytesIO()
    with av.open(memory, "w", format=codec) as out:
        name = "libx264" if codec == "h264" else "libx265"
        stream = out.add_stream(name, rate=FPS, options={"preset": "veryfast", "crf": "22", **options})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for rgb in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    return memory.getvalue()


def _decode_as_shipped(codec: Codec, payloads: Sequence[tuple[int, bytes]]) -> Viewed:
    """libavcodec with one thread (H.264 concealment is off with more); HEVC shows incomplete pictures too."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    if codec == "hevc":
        context.flags |= av.codec.context.Flags.output_corrupt
    found: dict[int, av.VideoFrame] = {}
    for index, payload in [*payloads, (-1, b"")]:
        packet = padded_packet(payload) if payload else None
        if packet is not None:
            packet.pts = packet.dts = index
        try:
            frames = context.decode(packet)
        except av.FFmpegError:
            continue
        found |= {frame.pts: frame for frame in frames if frame.pts is not None}
    shown: list[av.VideoFrame] = []
    for index in range(FRAMES):
        shown.append(found.get(index) or (shown[-1] if shown else found[min(found)]))
    return Viewed(shown, FRAMES - len(found))


def _damage(stream: bytes, codec: Codec) -> tuple[list[Received], RtpLoss, list[bytes]]:
    """RTP packets are lost, and nothing says which: what arrived is joined, as many recorders do."""
    parser = StreamParser(codec)
    units = parser.push(stream) + parser.flush()
    channel = RtpLoss(LOSS_RATE, seed=SEED, closed_up=True)
    clean = [join_annexb(unit.nals) for unit in units]
    return [channel.send(unit) for unit in units], channel, clean


def _run(frames: Sequence[Rgb], codec: Codec, folder: Path) -> Comparison:
    stream = _encode(frames, codec)
    received, channel, clean = _damage(stream, codec)
    arrived = [(unit.index, unit.payload) for unit in received if unit.payload]
    suffix = _SUFFIX[codec]
    (folder / f"clean{suffix}").write_bytes(stream)
    damaged = folder / f"damaged{suffix}"
    damaged.write_bytes(b"".join(payload for _, payload in arrived))
    repaired = folder / f"repaired-{codec}.mkv"
    settings = Settings(encoder=EncoderSettings("ffv1"), overwrite=True, report=str(folder / f"report-{codec}.json"))
    result = conceal_file(damaged, repaired, settings)
    with av.open(str(repaired)) as opened:
        ours = list(opened.decode(video=0))
    if len(ours) != FRAMES:
        raise RuntimeError(f"{FRAMES} pictures were sent, conceal put out {len(ours)}")
    return Comparison(
        codec,
        channel.record.packets,
        len(channel.record.packets_dropped),
        _decode_as_shipped(codec, list(enumerate(clean))),
        _decode_as_shipped(codec, arrived),
        Viewed(ours, 0),
        _found(codec, arrived),
        result.totals.repair_milliseconds / max(result.damaged_pictures, 1),
    )


def _found(codec: Codec, payloads: Sequence[tuple[int, bytes]]) -> dict[int, npt.NDArray[np.bool_]]:
    """The blocks that are held to be damaged, by picture."""
    decoder = open_decoder(codec, repairer=Repairer(), container_framed=True)
    pictures = [picture for index, payload in payloads for picture in decoder.decode(payload, pts=index)]
    pictures += decoder.flush()
    decoder.close()
    return {place: one.damage.hole for place, one in enumerate(pictures[:FRAMES]) if one.damage.any_hole}


def _received(clean: Rgb, hole: npt.NDArray[np.bool_]) -> Rgb:
    """What is left of a picture: the hole hatched and outlined."""
    mask = hole.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:HEIGHT, :WIDTH]
    picture = clean.copy()
    yy, xx = np.mgrid[0:HEIGHT, 0:WIDTH]
    hatch = np.where((xx + yy) % 16 < 8, 44, 62).astype(np.uint8)
    picture[mask] = hatch[mask][:, None]
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, outlines, -1, (255, 64, 64), 2, cv2.LINE_AA)
    return picture


def _text(picture: Rgb, text: str, x: int, y: int, size: float = 0.62, colour: tuple[int, ...] = (32, 32, 32)) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_DUPLEX, size, colour, 1, cv2.LINE_AA)


def _sheet(outcomes: Sequence[Comparison]) -> Rgb:
    """One row a codec: received, FFmpeg, conceal, clean, each with its label."""
    gap, top, head = 12, 40, 34
    cell_h, cell_w = HEIGHT + head + gap, WIDTH + gap
    sheet = np.full((top + cell_h * len(outcomes), cell_w * 4 + gap, 3), 250, np.uint8)
    _text(
        sheet,
        f"{LOSS_RATE:.0%} of packets lost, nobody says where, the same bytes to both; PSNR-Y of the picture shown",
        gap,
        28,
        0.7,
    )
    for row, outcome in enumerate(outcomes):
        index = outcome.typical()
        clean = outcome.clean.rgb(index)
        cells = [
            (f"{_TITLE[outcome.codec]}: what is whole of picture {index}", _received(clean, outcome.holes[index])),
            (f"FFmpeg  {outcome.psnr(outcome.ffmpeg, index):.1f} dB", outcome.ffmpeg.rgb(index)),
            (f"conceal  {outcome.psnr(outcome.ours, index):.1f} dB", outcome.ours.rgb(index)),
            ("clean", clean),
        ]
        for column, (label, picture) in enumerate(cells):
            x, y = gap + column * cell_w, top + row * cell_h
            _text(sheet, label, x, y + 23)
            sheet[y + head : y + head + HEIGHT, x : x + WIDTH] = picture
    return sheet


def _table(outcomes: Sequence[Comparison]) -> str:
    lines = [f"{'':16}{'packets lost':>13}{'FFmpeg':>11}{'conceal':>11}{'gain':>11}{'repair':>16}"]
    for o in outcomes:
        ffmpeg, ours = o.mean_psnr(o.ffmpeg), o.mean_psnr(o.ours)
        lines.append(
            f"{_TITLE[o.codec]:16}{f'{o.packets_lost} of {o.packets}':>13}{ffmpeg:>8.2f} dB{ours:>8.2f} dB"
            f"{ours - ffmpeg:>+8.2f} dB{o.repair_ms:>8.1f} ms/hole"
        )
    lines.append(
        f"PSNR-Y, mean over {FRAMES} pictures of {WIDTH}x{HEIGHT} (60 dB where identical); "
        f"one slice a picture, P-pictures, a refresh every {GOP}."
    )
    missing = [f"{_TITLE[o.codec]}: {o.ffmpeg.missing}" for o in outcomes if o.ffmpeg.missing]
    if missing:
        lines.append(f"Pictures that FFmpeg did not put out (the one before is counted): {', '.join(missing)}.")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for all files (default: demo)")
    args = parser.parse_args(argv)
    began = time.monotonic()
    args.out.mkdir(parents=True, exist_ok=True)
    frames = list(talking_head(FRAMES, WIDTH, HEIGHT, fps=FPS))
    outcomes = [_run(frames, codec, args.out) for codec in _SUFFIX]
    picture = args.out / "demo.png"
    cv2.imwrite(str(picture), cv2.cvtColor(_sheet(outcomes), cv2.COLOR_RGB2BGR))
    print(_table(outcomes))
    print(f"\nLook at {picture}: what is whole, FFmpeg, conceal, clean.")
    print(f"In {args.out}: clean.*, damaged.*, repaired-*.mkv (lossless), report-*.json.")
    print(f"{time.monotonic() - began:.0f} s. Try it yourself: conceal {args.out}/damaged.264 out.mp4")
    return 0


if __name__ == "__main__":
    sys.exit(main())
