"""Everything a damaged stream is decoded with: ours, the baselines and the oracles.

All in-loop methods go through the same `ConcealingDecoder` and differ in the repair function only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from benchmarks.channel import Damaged
from benchmarks.clips import Planes, to_planes
from benchmarks.metrics import Luma
from benchmarks.streams import Stream, plain_decode
from concealer.damage import DamageMap
from concealer.decoder import ConcealingDecoder, DecodedPicture, RepairFn
from concealer.picture import Picture, Plane
from concealer.repair import Repairer, measured_motion, predicted_motion

_DECODING = ("concealer/bitstream", "concealer/decoder", "concealer/loss", "benchmarks/methods.py")
_PLAIN = ("concealer/bitstream", "concealer/loss", "benchmarks/streams.py")
_ALL = ("concealer", "benchmarks/methods.py")


@dataclass
class Played:
    """What one method made of one damaged stream."""

    pictures: list[Luma | None]
    """Luma by output position; None: never came out."""
    out: int
    """Pictures that came out."""


@dataclass(frozen=True)
class Method:
    """One row of a quality table."""

    name: str
    title: str
    play: Callable[[Stream, Damaged], Played]
    rooms: tuple[str, ...]
    """Sources its figures hang on."""
    codecs: tuple[str, ...] = ("h264", "hevc")


def decode(
    stream: Stream,
    damaged: Damaged,
    repair: RepairFn | None,
    *,
    track_taint: bool = False,
    stand_ins: bool = True,
    lookahead: int = 0,
) -> list[DecodedPicture]:
    """Every picture that `ConcealingDecoder` makes of the damaged stream, in output order.

    stand_ins: lost HEVC slices are written anew and their motion told to the decoder, as `conceal` does it.
    lookahead: access units that repair may look ahead.

    Raises what `repair` raises (the decoder alone would go on without), and RuntimeError without the hook.
    """
    failures: list[Exception] = []

    def watched(picture: Picture, damage: DamageMap, references: Sequence[Picture], *outlook: Any) -> Any:
        assert repair is not None
        try:
            return repair(picture, damage, references, *outlook)
        except Exception as error:
            failures.append(error)
            raise

    decoder = ConcealingDecoder(
        stream.encoding.codec,
        repair=None if repair is None else watched,
        motion=predicted_motion if stand_ins else None,
        measure=measured_motion if stand_ins else None,
        lookahead=lookahead,
        stand_ins=stand_ins,
        container_framed=damaged.framed,
        track_taint=track_taint,
    )
    if not decoder.hooked:
        raise RuntimeError("the decoder hook is not available: in-loop methods cannot be measured")
    try:
        pictures = []
        for sample in damaged.samples:
            pictures += decoder.decode(sample.payload, pts=sample.pts, gaps=sample.gaps, truncated=sample.truncated)
        pictures += decoder.flush()
    finally:
        decoder.close()
    if failures:
        raise failures[0]
    return pictures


def by_position(pictures: Sequence[DecodedPicture], count: int) -> list[DecodedPicture | None]:
    """Decoded pictures by output position 0..count-1.

    As many as there should be: one after the other. Otherwise by pts, those without a valid one in the first
    free place behind the picture before them.
    """
    if len(pictures) == count:
        return list(pictures)
    places: list[DecodedPicture | None] = [None] * count
    stray: list[tuple[int, DecodedPicture]] = []
    last = -1
    for picture in pictures:
        if picture.pts is not None and 0 <= picture.pts < count and places[picture.pts] is None:
            last = picture.pts
            places[last] = picture
        else:
            stray.append((last, picture))
    for after, picture in stray:
        free = next((place for place in range(after + 1, count) if places[place] is None), None)
        if free is not None:
            places[free] = picture
    return places


def _in_loop(
    make: Callable[[Stream], RepairFn | None], stand_ins: bool = False, lookahead: int = 0
) -> Callable[[Stream, Damaged], Played]:
    def play(stream: Stream, damaged: Damaged) -> Played:
        pictures = decode(stream, damaged, make(stream), stand_ins=stand_ins, lookahead=lookahead)
        places = by_position(pictures, len(stream.units))
        return Played([None if p is None else to_planes(p.frame)[0] for p in places], len(pictures))

    return play


def _ffmpeg(options: dict[str, str] | None = None) -> Callable[[Stream, Damaged], Played]:
    def play(stream: Stream, damaged: Damaged) -> Played:
        pictures = plain_decode(stream.encoding.codec, damaged.for_ffmpeg, options)
        found = [pictures.get(position) for position in range(len(stream.units))]
        return Played([None if p is None else p[0] for p in found], len(pictures))

    return play


def _freeze(stream: Stream, damaged: Damaged) -> Played:
    """Shows the last picture that is as it was sent, until the next such one."""
    played = _in_loop(lambda _: None)(stream, damaged)
    good: Luma | None = None
    for position, clean in enumerate(stream.clean):
        picture = played.pictures[position]
        if picture is not None and np.array_equal(picture, clean[0]):
            good = picture
        played.pictures[position] = good
    return played


def _copy(_: Stream) -> RepairFn:
    return Repairer("copy")


def _auto(_: Stream) -> RepairFn:
    return Repairer("auto")


def _inpaint(kind: int) -> Callable[[Stream], RepairFn]:
    """OpenCV inpainting of every plane, radius 3, from the surroundings in the same picture."""

    def repair(picture: Picture, damage: DamageMap, _: Sequence[Picture]) -> None:
        shift = picture.chroma_shift()
        for index, plane in enumerate(picture.planes):
            mask = damage.hole_pixels(*(shift if index else (0, 0)))[: plane.shape[0], : plane.shape[1]]
            rows = np.flatnonzero(mask.any(axis=1))
            part = slice(max(0, int(rows[0]) - 8), int(rows[-1]) + 9)
            source = np.ascontiguousarray(plane[part])
            filled = cv2.inpaint(source, mask[part].astype(np.uint8), 3, kind)
            np.copyto(plane[part], filled, where=mask[part])

    return lambda _: repair


def _clean_of(stream: Stream, picture: Picture) -> Planes | None:
    if picture.pts is None or not 0 <= picture.pts < len(stream.clean):
        return None
    return stream.clean[picture.pts]


def _paint(picture: Picture, damage: DamageMap, planes: Sequence[Plane]) -> None:
    shift = picture.chroma_shift()
    for index, (target, source) in enumerate(zip(picture.planes, planes, strict=True)):
        rows, cols = min(target.shape[0], source.shape[0]), min(target.shape[1], source.shape[1])
        mask = damage.hole_pixels(*(shift if index else (0, 0)))[:rows, :cols]
        np.copyto(target[:rows, :cols], source[:rows, :cols], where=mask)


def _oracle_pixels(stream: Stream) -> RepairFn:
    """Puts the clean picture's samples into the hole: the ceiling of any repair of pixels."""

    def repair(picture: Picture, damage: DamageMap, _: Sequence[Picture]) -> None:
        clean = _clean_of(stream, picture)
        if clean is not None:
            _paint(picture, damage, clean)

    return repair


def _oracle_motion(stream: Stream) -> RepairFn:
    """Warps the nearest reference by the flow from the clean picture to that reference's clean picture."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def repair(picture: Picture, damage: DamageMap, references: Sequence[Picture]) -> None:
        clean = _clean_of(stream, picture)
        near = sorted(references, key=lambda r: (abs(r.order - picture.order), r.order > picture.order))
        for reference in near:
            before = _clean_of(stream, reference)
            if clean is not None and before is not None and reference.order != picture.order:
                flow = search.calc(clean[0], before[0], np.zeros((*clean[0].shape, 2), np.float32))
                _paint(picture, damage, [_warp(plane, flow) for plane in reference.planes])
                return

    return repair


def _warp(plane: Plane, flow: np.ndarray) -> Plane:
    """Plane moved by `flow`, which is in luma samples on the luma grid of the cropped picture."""
    shift = int(plane.shape[0] * 2 <= flow.shape[0] + 16)
    if shift:
        flow = cv2.resize(flow, (flow.shape[1] // 2, flow.shape[0] // 2), interpolation=cv2.INTER_AREA) * 0.5
    rows, cols = flow.shape[:2]
    x, y = np.meshgrid(np.arange(cols, dtype=np.float32), np.arange(rows, dtype=np.float32))
    source = np.ascontiguousarray(plane)
    return np.asarray(
        cv2.remap(source, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    )


METHODS = (
    Method("ffmpeg", "FFmpeg as shipped", _ffmpeg(), _PLAIN),
    Method(
        "ffmpeg_corrupt",
        "FFmpeg, output_corrupt",
        _ffmpeg({"flags": "+output_corrupt"}),
        _PLAIN,
        codecs=("hevc",),
    ),
    Method("freeze", "freeze", _freeze, _DECODING),
    Method("copy", "in-loop copy", _in_loop(_copy), _ALL),
    Method("telea", "inpainting, Telea", _in_loop(_inpaint(cv2.INPAINT_TELEA)), _DECODING),
    Method("navier_stokes", "inpainting, Navier-Stokes", _in_loop(_inpaint(cv2.INPAINT_NS)), _DECODING),
    Method("pixels_only", "concealer without stand-in slices", _in_loop(_auto), _ALL, codecs=("hevc",)),
    Method("concealer", "concealer", _in_loop(_auto, stand_ins=True), _ALL),
    *(
        Method(f"ahead_{n}", f"concealer, look-ahead {n}", _in_loop(_auto, stand_ins=True, lookahead=n), _ALL)
        for n in (1, 2, 3)
    ),
    Method("oracle_motion", "oracle motion", _in_loop(_oracle_motion), _DECODING),
    Method("oracle_pixels", "oracle pixels", _in_loop(_oracle_pixels), _DECODING),
)


def methods_for(codec: str, names: Sequence[str] = ()) -> list[Method]:
    """Methods that apply to a codec, only those of `names` if given.

    Raises ValueError for an unknown name.
    """
    unknown = set(names) - {method.name for method in METHODS}
    if unknown:
        raise ValueError(f"no such method: {', '.join(sorted(unknown))}")
    return [m for m in METHODS if codec in m.codecs and (not names or m.name in names)]
