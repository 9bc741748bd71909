"""Damaged pictures with the truth beside them: one slice a picture, a piece of it gone, references as repaired."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from concealer.bitstream import AccessUnit, Codec, StreamParser, join_annexb
from concealer.damage import DamageMap
from concealer.decoder import Follower, Settled
from concealer.decoder.locating import figures_with_past, own_figures
from concealer.front_door import open_decoder
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Repairer

_Blocks = npt.NDArray[np.bool_]
_Figures = npt.NDArray[np.float32]
PICTURES, GOP = 40, 20
_MOST_SAMPLES = 640 * 360
_CUT = 0.25
"""Share of the clips that are cut to another."""
_EACH = 8
"""Damaged pictures of one clip."""
_PACKETS = (1186, 1186, 1386, 700)
"""Bytes of a slice in one packet."""
_VISIBLE = 2.0
"""Mean absolute difference from which a block counts as visibly wrong."""
_SUFFIXES = (".mp4", ".mkv", ".mpg", ".webm")


@dataclass(frozen=True)
class Example:
    """One damaged picture."""

    clip: str
    kind: str
    past: _Figures | None
    """None without a picture before it."""
    alone: _Figures
    wrong: _Blocks
    """(rows, cols): differs from what was sent."""
    visible: _Blocks
    """The same, visibly."""
    known: _Blocks
    """What the decoder failed in by its own account."""
    error: npt.NDArray[np.float32]
    """(rows, cols) mean squared error of each block."""
    unit: int
    """Side of a macroblock or CTB."""
    repaired: float
    """Mean squared error of the blocks that were surely wrong once they are repaired; NaN where there are none."""


def clips(folders: Sequence[Path]) -> list[Path]:
    """Files in a fixed, shuffled order."""
    found = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in _SUFFIXES)
    random.Random(7).shuffle(found)
    return found


def examples(path: Path, codec: Codec, seed: int, others: Sequence[Path] = ()) -> Iterator[Example]:
    """Damaged pictures of one clip, as the product meets them; none if the clip is too short.

    others: clips that it is cut to now and then.
    """
    rng = random.Random(f"{path.name}{seed}{codec}")
    frames = _frames(path, rng)
    if len(frames) < PICTURES // 2:
        return
    cut = rng.randrange(PICTURES // 4, PICTURES // 2) if others and rng.random() < _CUT else None
    if cut is not None:
        frames = _with_cut(frames, others, cut, rng)
    bframes, crf = rng.choice([0, 0, 2]), rng.choice([18, 22, 26, 30])
    data = _encode(frames, codec, bframes, crf, rng.choice(["ultrafast", "veryfast", "medium"]), cut is not None)
    parser = StreamParser(codec)
    units = parser.push(data) + parser.flush()
    usable = [i for i in range(1, len(units)) if len(units[i].slices) == 1 and len(units[i].slices[0].nal.data) > 300]
    rng.shuffle(usable)
    if cut is not None:  # of what comes right behind it there would be next to nothing
        usable.sort(key=lambda number: not cut <= number <= cut + 1)
    yield from _decoded(path.stem, codec, units, set(usable[:_EACH]), rng)


def _decoded(
    clip: str, codec: Codec, units: Sequence[AccessUnit], damaged: Collection[int], rng: random.Random
) -> list[Example]:
    """The product decodes and repairs; beside it a decoder gets every unit whole, on the same references."""
    packet = rng.choice(_PACKETS)
    truth = Follower(codec, 3, ())
    repairer = _Looking()
    found = []

    def settled(picture: Settled) -> None:
        right = None if picture.au is None else truth.decode(join_annexb(units[picture.index].nals)).buffer
        if right is None or not picture.planes:
            return
        if repairer.seen is not None and picture.au is not None:
            found.append(repairer.seen.example(clip, right.planes[0], picture.au))
        repairer.seen = None
        for plane, shown in zip(right.planes, picture.planes, strict=True):
            np.copyto(plane, shown)

    decoder = open_decoder(codec, repairer=repairer, container_framed=True, observe=settled)
    for number, unit in enumerate(units):
        nals = unit.nals
        if number in damaged:
            slice_data = unit.slices[0].nal.data
            nals = [replace(n, data=_damaged(n.data, packet, rng)) if n.data is slice_data else n for n in nals]
        decoder.decode(join_annexb(nals), pts=number)
    decoder.flush()
    decoder.close()
    truth.close()
    return found


@dataclass(frozen=True)
class _Seen:
    """A damaged picture before its repair."""

    kind: str
    past: _Figures | None
    alone: _Figures
    known: _Blocks
    luma: npt.NDArray[np.uint8]
    painted: npt.NDArray[np.uint8]

    def example(self, clip: str, right: npt.NDArray[np.uint8], unit: AccessUnit) -> Example:
        blocks = _by_block(right.astype(np.float32) - self.luma)
        left = np.square(_by_block(right.astype(np.float32) - self.painted)).mean((1, 3))
        return Example(
            clip,
            self.kind,
            self.past,
            self.alone,
            np.asarray(blocks.any((1, 3))),
            np.abs(blocks).mean((1, 3)) > _VISIBLE,
            self.known,
            np.square(blocks).mean((1, 3)),
            unit.unit,
            float(left[self.known].mean()) if self.known.any() else float("nan"),
        )


class _Looking(Repairer):
    """Takes the figures of every picture before it repairs it."""

    seen: _Seen | None = None

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        past = [one for one in references if one.order < picture.order]
        sure = damage.hole if damage.belief is None else damage.hole & (damage.belief == 1.0)
        luma = picture.planes[0].copy()
        figures = figures_with_past(picture, past) if past else None, own_figures(picture)
        outcome = super().__call__(picture, damage, references, outlook)
        self.seen = _Seen(picture.kind, *figures, sure, luma, picture.planes[0].copy())
        return outcome


def _by_block(luma: _Figures) -> _Figures:
    return luma.reshape(luma.shape[0] // 16, 16, luma.shape[1] // 16, 16)


def _with_cut(
    frames: Sequence[av.VideoFrame], others: Sequence[Path], at: int, rng: random.Random
) -> list[av.VideoFrame]:
    """All from `at` on replaced by another clip's; the same frames if that cannot be read."""
    size = frames[0].width, frames[0].height
    try:
        other = _frames(rng.choice(others), rng, size)
    except av.FFmpegError:
        return list(frames)
    return [*frames[:at], *other[: len(frames) - at]]


def _frames(path: Path, rng: random.Random, size: tuple[int, int] | None = None) -> list[av.VideoFrame]:
    frames: list[av.VideoFrame] = []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        scale = min(1.0, (_MOST_SAMPLES / (video.width * video.height)) ** 0.5)
        width, height = size or (int(side * scale) // 16 * 16 for side in (video.width, video.height))
        skipped = rng.randrange(40)
        for number, frame in enumerate(container.decode(video)):
            if number >= skipped:
                frames.append(frame.reformat(width=width, height=height, format="yuv420p"))
            if len(frames) == PICTURES:
                break
    return frames


def _encode(frames: Sequence[av.VideoFrame], codec: Codec, bframes: int, crf: int, preset: str, cut: bool) -> bytes:
    name, key = ("libx264", "x264-params") if codec == "h264" else ("libx265", "x265-params")
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    context.time_base, context.framerate, context.thread_count = Fraction(1, 25), Fraction(25), 1
    common = f"keyint={GOP}:slices=1:bframes={bframes}:scenecut={40 if cut else 0}"
    # Without inherited vectors, what is right hangs on the references' samples alone.
    own = "sliced-threads=0" if codec == "h264" else "log-level=none:pools=1:frame-threads=1:temporal-mvp=0"
    context.options = {"preset": preset, "crf": str(crf), key: f"{common}:{own}"}
    data = []
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.pict_type = number, context.time_base, 0
        data += [bytes(packet) for packet in context.encode(frame)]
    return b"".join(data + [bytes(packet) for packet in context.encode(None)])


def _damaged(data: bytes, packet: int, rng: random.Random) -> bytes:
    """A slice with a packet missing, for the most part; or zeros in its place, a flipped bit, its end missing, or whole
    with bytes of something else behind it."""
    length = min(packet, len(data) // 3)
    if len(data) < 2.2 * packet:
        at = rng.randrange(40, max(41, len(data) - length - 8))
    else:
        at = rng.randrange(1, max(2, len(data) // packet)) * packet
    match rng.choice(["gap"] * 6 + ["zeros", "flip", "cut", "tail"]):
        case "gap":
            return data[:at] + data[at + length :]
        case "zeros":
            return data[:at] + bytes(length) + data[at + length :]
        case "flip":
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case "tail":
            return data + rng.randbytes(length)
        case _:
            return data[:at]
