"""Everything a damaged stream is decoded with: ours, the baselines and the oracles.

The product goes through its own front door; the baselines and oracles through a bare `ConcealingDecoder`, where they
differ in the repair only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.channel import Damaged
from benchmarks.clips import Planes, to_planes
from benchmarks.metrics import Luma
from benchmarks.product import NETWORKS, product_repairer
from benchmarks.streams import Stream, plain_decode
from benchmarks.told import Forgetful, Told
from concealer.damage import DamageMap
from concealer.decoder import ConcealingDecoder, DecodedPicture
from concealer.front_door import open_decoder
from concealer.outcome import Repair
from concealer.outlook import Outlook
from concealer.picture import Picture, Plane
from concealer.repair import Choice, Repairer

_DECODING = ("concealer/bitstream", "concealer/decoder", "concealer/loss", "benchmarks/methods.py")
_PLAIN = ("concealer/bitstream", "concealer/loss", "benchmarks/streams.py")
_ALL = ("concealer", NETWORKS, "benchmarks/methods.py")


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
    repairer: Repairer | None,
    *,
    track_taint: bool = False,
    lookahead: int = 0,
) -> list[DecodedPicture]:
    """Every picture that the product's decoder makes of the damaged stream, in output order.

    lookahead: access units that repair may look ahead. Raises RuntimeError without the hook and where a repair failed
    (the decoder alone goes on without).
    """
    decoder = open_decoder(
        stream.encoding.codec,
        repairer=repairer,
        container_framed=damaged.framed,
        track_taint=track_taint,
        lookahead=lookahead,
    )
    pictures = _decode(decoder, damaged)
    if repairer is not None and any(p.in_loop and p.damage.any_hole and p.outcome is None for p in pictures):
        raise RuntimeError("a repair failed")
    return pictures


def decode_in_loop(stream: Stream, damaged: Damaged, repair: Repair | None) -> list[DecodedPicture]:
    """The same with any repair, and lost HEVC slices left undecoded: what baselines are measured with.

    Raises what `repair` raises, and RuntimeError without the hook.
    """
    failures: list[Exception] = []

    def watched(picture: Picture, damage: DamageMap, references: Sequence[Picture], *_: Outlook | None) -> None:
        assert repair is not None
        try:
            repair(picture, damage, references)
        except Exception as error:
            failures.append(error)
            raise

    decoder = ConcealingDecoder(
        stream.encoding.codec,
        repair=None if repair is None else watched,
        stand_ins=False,
        container_framed=damaged.framed,
    )
    pictures = _decode(decoder, damaged)
    if failures:
        raise failures[0]
    return pictures


def _decode(decoder: ConcealingDecoder, damaged: Damaged) -> list[DecodedPicture]:
    if not decoder.hooked:
        raise RuntimeError("the decoder hook is not available: in-loop methods cannot be measured")
    try:
        pictures = []
        for sample in damaged.samples:
            pictures += decoder.decode(sample.payload, pts=sample.pts, gaps=sample.gaps, truncated=sample.truncated)
        return pictures + decoder.flush()
    finally:
        decoder.close()


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


def _product(lookahead: int = 0, learnt: bool = True) -> Callable[[Stream, Damaged], Played]:
    def play(stream: Stream, damaged: Damaged) -> Played:
        repairer = product_repairer() if learnt else Repairer()
        return _played(stream, decode(stream, damaged, repairer, lookahead=lookahead))

    return play


def _chosen_by(make: Callable[[Stream], Choice | None]) -> Callable[[Stream, Damaged], Played]:
    def play(stream: Stream, damaged: Damaged) -> Played:
        return _played(stream, decode(stream, damaged, Repairer(choice=make(stream))))

    return play


def _forgetful(_: Stream) -> Choice:
    choice = product_repairer().choice
    if choice is None:
        raise RuntimeError("there is no network that chooses between candidates")
    return Forgetful(choice)


def _in_loop(make: Callable[[Stream], Repair | None]) -> Callable[[Stream, Damaged], Played]:
    def play(stream: Stream, damaged: Damaged) -> Played:
        return _played(stream, decode_in_loop(stream, damaged, make(stream)))

    return play


def _played(stream: Stream, pictures: Sequence[DecodedPicture]) -> Played:
    places = by_position(pictures, len(stream.units))
    return Played([None if p is None else to_planes(p.frame)[0] for p in places], len(pictures))


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


def _copy(_: Stream) -> Repair:
    return Repairer("copy")


def _auto(_: Stream) -> Repair:
    return Repairer("auto")


def _inpaint(kind: int) -> Callable[[Stream], Repair]:
    """OpenCV inpainting of every plane, radius 3, from the surroundings in the same picture."""

    def repair(picture: Picture, damage: DamageMap, _: Sequence[Picture], *__: Outlook | None) -> None:
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


def _oracle_pixels(stream: Stream) -> Repair:
    """Puts the clean picture's samples into the hole: the ceiling of any repair of pixels."""

    def repair(picture: Picture, damage: DamageMap, _: Sequence[Picture], *__: Outlook | None) -> None:
        clean = _clean_of(stream, picture)
        if clean is not None:
            _paint(picture, damage, clean)

    return repair


def _oracle_motion(stream: Stream) -> Repair:
    """Warps the nearest reference by the flow from the clean picture to that reference's clean picture."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def repair(picture: Picture, damage: DamageMap, references: Sequence[Picture], *_: Outlook | None) -> None:
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
    Method("unlearnt", "concealer without its network", _product(learnt=False), _ALL),
    Method("forgetful", "concealer, its network's state cleared", _chosen_by(_forgetful), _ALL),
    Method("concealer", "concealer", _product(), _ALL),
    *(Method(f"ahead_{n}", f"concealer, look-ahead {n}", _product(lookahead=n), _ALL) for n in (1, 2, 3)),
    Method("oracle_choice", "oracle choice", _chosen_by(Told), _ALL),
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
