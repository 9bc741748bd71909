"""Holes as a codec makes them: a made-up clip in slices, sent through the lossy channel, read off its record."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from concealer.bitstream import AccessUnit, Codec, StreamParser
from concealer.loss import Channel, DamageRecord, RtpLoss, SliceLoss, transmit
from train.data.masks import Maker, Mask

Holes = npt.NDArray[np.bool_]
CODEC_MASKS = "codec-masks.safetensors"
"""The file of holes among the shards."""
WIDTH, HEIGHT = 640, 384
_LEAST_BLOCKS, _MOST_BLOCKS = 5, 14
"""Side of the face crop in blocks of 16: faces of 80 to 224 pixels in the coded picture."""
_TRIES = 50


def holes_from_channel(pictures: int, seed: int) -> Holes:
    """(K, 24, 40) bool maps of 16x16 blocks, one per damaged picture: lost or broken.

    H.264 in rows of macroblocks, HEVC in slices of 32x32 CTBs, each under slice loss and under loss of RTP packets.
    """
    found: list[Holes] = []
    codecs: tuple[tuple[Codec, str], ...] = (
        ("h264", "slices=12:sliced-threads=0:threads=1:bframes=0"),
        # Without a pool x265 has no wavefront, and several slices then crash it.
        ("hevc", "slices=5:ctu=32:pools=1:frame-threads=1:log-level=none:bframes=0"),
    )
    for codec, parameters in codecs:
        units = _encode(codec, parameters, pictures, seed)
        channels: tuple[Channel, ...] = (
            SliceLoss(0.15, seed=seed),
            SliceLoss(0.15, seed=seed, burst=3),
            RtpLoss(0.05, seed=seed),
        )
        found += [_damaged_pictures(transmit(units, channel)[1]) for channel in channels]
    return np.concatenate(found)


def save_holes(holes: Holes, path: Path) -> None:
    """Write what `holes_from_channel` gave as a safetensors file."""
    partial = path.with_name(path.name + ".part")
    save_file({"holes": holes.astype(np.uint8)}, partial)
    partial.replace(path)


def load_holes(path: Path) -> Holes:
    """Read what `save_holes` wrote. Raises ValueError if it cannot be read."""
    try:
        with safe_open(path, framework="numpy") as file:
            return np.asarray(file.get_tensor("holes")).astype(bool)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} holds no codec masks: {error}; make them with python -m train.data.pack") from None


def codec_mask(holes: Holes) -> Maker:
    """A maker of masks: a square window at a random place of a random picture's holes that is hit and not all gone."""

    def make(size: int, rng: np.random.Generator) -> Mask:
        mask = np.zeros((size, size), bool)
        for _ in range(_TRIES):
            picture = holes[int(rng.integers(len(holes)))]
            side = int(rng.integers(_LEAST_BLOCKS, _MOST_BLOCKS + 1))
            top, left = (int(rng.integers(extent - side + 1)) for extent in picture.shape)
            window = picture[top : top + side, left : left + side].astype(np.uint8)
            if 0.02 < window.mean() < 0.7:
                mask = cv2.resize(window, (size, size), interpolation=cv2.INTER_NEAREST).astype(bool)
                break
        return mask

    return make


def _damaged_pictures(record: DamageRecord) -> Holes:
    maps = [record.truth(unit.index) for unit in record.damaged]
    holes = [truth.lost | truth.broken for truth in maps if truth.exact]
    return np.stack(holes) if holes else np.zeros((0, HEIGHT // 16, WIDTH // 16), bool)


def _encode(codec: Codec, parameters: str, pictures: int, seed: int) -> list[AccessUnit]:
    rng = np.random.default_rng(seed)
    context = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate, context.thread_count = Fraction(1, 25), Fraction(25), 1
    context.options = {
        "preset": "ultrafast",
        "crf": "24",
        "x264-params" if codec == "h264" else "x265-params": parameters,
    }
    scene = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT + 64, WIDTH + 64, 3)), (0, 0), 3)
    scene = ((scene - scene.min()) / np.ptp(scene) * 255).astype(np.uint8)
    parser = StreamParser(codec, b"", container_framed=False)
    packets: list[av.Packet] = []
    for t in range(pictures):
        x, y = (np.array([t % 32, 2 * t % 64])).tolist()
        picture = np.ascontiguousarray(scene[y : y + HEIGHT, x : x + WIDTH])
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = t, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    units: list[AccessUnit] = []
    for packet in packets:
        units += parser.push(bytes(packet), pts=packet.pts, dts=packet.dts)
    return units + parser.flush()
