"""HEVC parameter sets that nobody tells: those that x265 writes with its presets, for usual picture sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from concealer.bitstream import BitReader, BitstreamError, BitWriter, NalUnit, escape, hevc, nal_type
from concealer.bitstream import unescape as plain_of
from pipelines.salvage.asking import asked
from pipelines.salvage.parameter_sets import Sets
from pipelines.salvage.proving import tried
from pipelines.salvage.sizes import COMMON

_PRESETS = ("medium", "fast", "veryfast", "ultrafast", "superfast", "slow", "slower", "veryslow")
_FORMATS = ("yuv420p", "yuv420p10le")
_WAVEFRONT = ("", ":wpp=0")
_SIDE = 512
_LARGEST = (8192, 4320)


def x265_sets() -> Iterator[Sets]:
    """Sets of the presets, of a size that is not the stream's; each once."""
    seen: set[tuple[bytes, ...]] = set()
    for pixel_format in _FORMATS:
        for preset in _PRESETS:
            for wavefront in _WAVEFRONT:
                units = _asked(preset, pixel_format, wavefront)
                try:
                    wide = tuple(_with_size(nal, *_LARGEST) for nal in units)
                except BitstreamError:
                    continue
                key = tuple(nal.data for nal in wide)
                if units and key not in seen:
                    seen.add(key)
                    yield Sets("hevc", wide, "a search", False, False, f"x265 {preset}", pixel_format, ("colours",))


def fitted_hevc(sets: Sets, picture: Sequence[NalUnit]) -> Sets | None:
    """The sets with the usual size at which an intra picture decodes to its last byte; None if it does at none."""
    rows = _rows(sets, picture)
    sizes = dict.fromkeys([*COMMON, *((high, wide) for wide, high in COMMON)])
    for width, height in sizes:
        if rows is not None and -(-height // rows[1]) != rows[0]:
            continue
        units = tuple(_with_size(nal, width, height) for nal in sets.units)
        if tried("hevc", units, [picture]).proven:
            return Sets("hevc", units, sets.origin, True, False, "", "", sets.assumed)
    return None


def _rows(sets: Sets, picture: Sequence[NalUnit]) -> tuple[int, int] | None:
    """Rows of CTBs that the first slice tells by its wavefronts, and the side of one; None if it tells none."""
    kinds = {nal_type("hevc", nal): nal for nal in sets.units}
    sps, pps = hevc.parse_sps(kinds[hevc.NAL_SPS]), hevc.parse_pps(kinds[hevc.NAL_PPS])
    slices = [nal for nal in picture if nal_type("hevc", nal) < hevc.NAL_VPS]
    if len(slices) != 1 or not pps.entropy_coding_sync:
        return None
    try:
        header = hevc.parse_slice_header(slices[0], {sps.id: sps}, {pps.id: pps})
    except BitstreamError:
        return None
    return len(header.entry_points) + 1, 1 << sps.log2_ctb


@cache
def _asked(preset: str, pixel_format: str, more: str) -> tuple[NalUnit, ...]:
    """What x265 writes before a stream with a preset; () if it cannot be asked."""
    options = {"preset": preset, "x265-params": f"log-level=none:pools=2{more}"}
    sets = asked("libx265", options, pixel_format, (_SIDE, _SIDE))
    return tuple(nal for nal in sets if nal_type("hevc", nal) in (hevc.NAL_VPS, hevc.NAL_SPS, hevc.NAL_PPS))


def _with_size(nal: NalUnit, width: int, height: int) -> NalUnit:
    """An SPS of x265 (one sub-layer, 4:2:0) with another picture size and without VUI; other sets as they are.

    Raises BitstreamError.
    """
    if nal_type("hevc", nal) != hevc.NAL_SPS:
        return nal
    known = hevc.parse_sps(nal)
    least = 1 << known.log2_min_cb
    wide, high = -(-width // least) * least, -(-height // least) * least
    r = BitReader(plain_of(nal.data))
    r.skip(16 + 8 + 96)
    r.ue()
    r.ue()
    w = BitWriter()
    w.bits(r.bits[: r.pos])
    r.ue()
    r.ue()
    if r.flag():
        for _ in range(4):
            r.ue()
    w.ue(wide)
    w.ue(high)
    cropped = (wide, high) != (width, height)
    w.flag(cropped)
    for value in (0, (wide - width) // 2, 0, (high - height) // 2) if cropped else ():
        w.ue(value)
    rest = r.bits[r.pos :]
    w.bits(rest[: rest.rfind("1")])
    data = w.aligned()
    return NalUnit(data[:2] + escape(data[2:]))
