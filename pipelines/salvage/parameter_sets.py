"""Where the parameter sets of video without an index may come from, the surest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Literal

from concealer.bitstream import PARAMETER_SETS, BitstreamError, Codec, NalUnit, h264, nal_type
from pipelines.salvage import same_encoder
from pipelines.salvage.h264_sets import resized
from pipelines.salvage.media import Media
from pipelines.salvage.proving import filled, starts_well
from pipelines.salvage.remains import Remains
from pipelines.salvage.sizes import common_columns, shown_size
from pipelines.salvage.units import PREFIX, Unit

Origin = Literal["the stream", "the broken index", "the sibling", "x264's own message", "a search"]
_TALL = 36864
"""Macroblocks of a picture that is taller than any (level 5.1)."""
_LOW = 4
"""Rows that tell whether a width is wrong."""
_X264_FORMATS = ("yuv420p", "yuv422p", "yuv444p")
_WIDTHS = (same_encoder.SIDE, 512, 1024, 2048)
_DEEP = ("yuv420p10le", "yuv422p10le", "yuv444p10le")


@dataclass(frozen=True)
class Sets:
    """Parameter sets, and what of them is known how."""

    codec: Codec
    units: tuple[NalUnit, ...]
    origin: Origin
    sized: bool = True
    """Their picture size is the stream's."""
    timed: bool = True
    """So is their rate, if they tell one."""
    settings: str = ""
    """Of x264."""
    pixel_format: str = ""
    assumed: tuple[str, ...] = ()
    """What nothing proves."""
    width: int = same_encoder.SIDE
    """That x264 was asked for."""


def known_sets(
    media: Media, codec: Codec, remains: Remains, like: Remains | None, units: Sequence[Unit]
) -> Iterator[Sets]:
    """All that is to be tried. units: of the stream, as far as they are known without parameter sets."""
    for own in remains.sets.get(codec, ()):
        yield Sets(codec, own, "the broken index")
    inside = in_band(media, codec, units)
    if inside:
        yield Sets(codec, inside, "the stream")
    for own in like.sets.get(codec, ()) if like is not None else ():
        yield Sets(codec, own, "the sibling")
    if codec == "h264":
        yield from _of_x264(media)


def _of_x264(media: Media) -> Iterator[Sets]:
    for start, end in media.spans:
        settings = same_encoder.settings_of(media.data, start, end)
        if settings is None:
            continue
        deep = "qpmax=81" in settings
        # With intra refresh frame_num has as many bits as a round of it takes, which hangs on the width.
        widths = _WIDTHS if "intra_refresh=1" in settings else _WIDTHS[:1]
        tried: set[bytes] = set()
        for pixel_format, width in product(_DEEP if deep else _X264_FORMATS, widths):
            units = tuple(same_encoder.sets_for(settings, pixel_format, width=width))
            sets = Sets("h264", units, "x264's own message", False, False, settings, pixel_format, ("colours",), width)
            if units and (key := stretched(sets).units[0].data) not in tried:
                tried.add(key)
                yield sets
        return


def in_band(media: Media, codec: Codec, units: Sequence[Unit]) -> tuple[NalUnit, ...]:
    """The parameter sets among units, each once; () unless there is one of each kind that is needed."""
    found: dict[bytes, NalUnit] = {}
    for unit in units:
        if unit.kind in PARAMETER_SETS[codec]:
            data = bytes(media.data[unit.start + PREFIX : unit.end])
            found.setdefault(data, NalUnit(data))
    kinds = {nal_type(codec, nal) for nal in found.values()}
    needed = {h264.NAL_SPS, h264.NAL_PPS} if codec == "h264" else {33, 34}
    return tuple(sorted(found.values(), key=lambda nal: nal_type(codec, nal))) if needed <= kinds else ()


def stretched(sets: Sets) -> Sets:
    """H.264 sets whose size is not known, for a picture that is larger than any. Raises BitstreamError."""
    return _with_sps(sets, 256, 256, (0, 0))


def fitted(sets: Sets, picture: Sequence[NalUnit], width: int | None = None) -> Sets | None:
    """The sets with the size that an intra picture has, found by decoding it; None if it has none.

    width: in macroblocks, if it is known; else the common ones are tried.
    """
    for columns in common_columns() if width is None else [width]:
        try:
            low = _with_sps(sets, columns, _LOW, (0, 0))
            if not starts_well(low.units, picture, columns):
                continue
            trial = _with_sps(sets, columns, min(_TALL // columns, 288) & ~1, (0, 0))
            found = filled(trial.units, picture, columns)
            if found is None:
                continue
            width, height = shown_size(found.luma)
            crop = 16 * columns - width, 16 * found.rows - height
            done = _with_sps(sets, columns, found.rows, crop)
        except BitstreamError:
            return None
        assumed = sets.assumed + (("cropping",) if any(crop) else ())
        return replace(done, sized=True, assumed=assumed)
    return None


def sized_like(sets: Sets, other: Sets) -> Sets:
    """The sets with the size of others, and what that assumes. Raises BitstreamError."""
    return replace(_with_sps(sets, *_size_of(other)), sized=True, assumed=other.assumed)


def timed(sets: Sets, rate: Fraction) -> Sets:
    """Sets that x264 wrote for us, with the rate that was found elsewhere."""
    if not sets.settings:
        return sets
    known = _sps_of(sets)
    units = same_encoder.sets_for(sets.settings, sets.pixel_format, rate, sets.width)
    fresh = replace(sets, units=tuple(units), timed=True)
    made = _with_sps(fresh, *_size_of(sets)) if units else sets
    own = _sps_of(made)
    return made if replace(own, nal=known.nal, level_idc=known.level_idc) == known else sets


def _sps_of(sets: Sets) -> h264.Sps:
    return next(h264.parse_sps(nal) for nal in sets.units if nal_type("h264", nal) == h264.NAL_SPS)


def _size_of(sets: Sets) -> tuple[int, int, tuple[int, int]]:
    """(columns, rows) of macroblocks and (right, bottom) cropping in luma samples."""
    sps = _sps_of(sets)
    return sps.width_mbs, sps.height_mbs, (sps.crop[1] * 2, sps.crop[3] * (2 if sps.frame_mbs_only else 4))


def _with_sps(sets: Sets, columns: int, rows: int, crop: tuple[int, int]) -> Sets:
    units = tuple(
        resized(nal, columns, rows, crop) if nal_type("h264", nal) == h264.NAL_SPS else nal for nal in sets.units
    )
    return replace(sets, units=units)
