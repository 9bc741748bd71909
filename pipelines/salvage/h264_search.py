"""H.264 parameter sets that nobody tells, searched for: what slice headers say that fit each other, what decodes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from concealer.bitstream import BitReader, BitstreamError, NalUnit, h264, unescape
from pipelines.salvage.chain import continues
from pipelines.salvage.h264_sets import Guess, sets_of
from pipelines.salvage.media import Media
from pipelines.salvage.parameter_sets import Sets, fitted, sized_like
from pipelines.salvage.proving import starts_well
from pipelines.salvage.sizes import common_columns
from pipelines.salvage.units import PREFIX, Unit

log = logging.getLogger(__name__)

_MOST_SLICES = 48
_MOST_PICTURES = 3
_HEAD = 100
_LEAST_FIT = 0.9
"""Share of slices that must fit."""
_QPS = (26, 23, 28, 20, 22, 18, 24, 30, 25, 27, 21, 19, 29, 32, 16, 14, 12, 35)
"""pic_init_qp: what encoders take without being asked, first."""
_COLUMNS = 48
"""Widths that are tried with each of them, the most frequent."""
_MOST_TRIALS = 8_000
"""Beginnings of a picture that are decoded: some seconds."""
_REFERENCES = (1, 2, 3, 4, 5, 6, 8)
_LIKELY_DELTA = 26
_ASSUMED = ("colours", "chroma QP offset", "reference frames")


def searched(media: Media, units: Sequence[Unit]) -> Iterator[Sets]:
    """Sets with which the headers of slices fit each other and an intra picture decodes; progressive, 4:2:0, 8 bit.

    units: of the stream, as far as they are known without parameter sets.
    """
    pictures = _intra_pictures(media, units)
    slices = [_head(media, unit) for unit in units if unit.kind in (h264.NAL_SLICE, h264.NAL_IDR)][:_MOST_SLICES]
    if not pictures or len(slices) < 2:
        return
    left = [_MOST_TRIALS]
    for bits in _frame_num_bits(slices):
        fits = sorted(_fits(slices, bits), key=lambda fit: -fit[0])
        best = [guess for score, guess in fits if score >= max(_LEAST_FIT, fits[0][0] - 0.02)]
        log.debug("frame_num of %d bits: %d guesses fit", bits, len(best))
        for base in _intra(best, pictures[0], left):
            tries = (fitted(_sets(base, base), picture, base.columns) for picture in pictures)
            size = next((fit for fit in tries if fit is not None), None)
            if size is not None:
                yield from (sized_like(_sets(guess, base), size) for guess in best if _alike(guess, base))


def _alike(one: Guess, other: Guess) -> bool:
    """As to what intra pictures ask for."""
    names = ("poc_type", "log2_max_poc_lsb", "cabac", "deblocking_control")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _sets(guess: Guess, base: Guess) -> Sets:
    made = replace(guess, columns=base.columns, transform_8x8=base.transform_8x8, init_qp=base.init_qp)
    return Sets("h264", tuple(sets_of(made)), "a search", False, False, assumed=_ASSUMED)


def _head(media: Media, unit: Unit) -> NalUnit:
    start = unit.start + PREFIX
    return NalUnit(bytes(media.data[start : min(unit.end, start + _HEAD)]))


def _intra_pictures(media: Media, units: Sequence[Unit]) -> list[list[NalUnit]]:
    """All slices of each of the first IDR pictures, of which one may be damaged."""
    pictures: list[list[Unit]] = []
    for before, unit in zip([None, *units], units, strict=False):
        if unit.kind != h264.NAL_IDR:
            continue
        if unit.first:
            if len(pictures) == _MOST_PICTURES:
                break
            pictures.append([unit])
        elif pictures and before is pictures[-1][-1] and unit.start == before.end:
            pictures[-1].append(unit)
    return [[NalUnit(bytes(media.data[unit.start + PREFIX : unit.end])) for unit in one] for one in pictures]


def _frame_num_bits(slices: Sequence[NalUnit]) -> list[int]:
    """How many bits frame_num may have, the likeliest first: it counts reference pictures from each IDR picture on."""
    scored = []
    for bits in range(4, 17):
        values = [value for value in (_frame_num(nal, bits) for nal in slices) if value is not None]
        pairs = list(zip(values, values[1:], strict=False))
        good = sum(
            b == 0 if idr else (b - a) % (1 << bits) in ((1, 0) if first == 0 else (0,)) and (not first or a == b)
            or (b - a) % (1 << bits) == (1 if reference else 0)
            for (a, reference, _, _), (b, _, idr, first) in pairs
        )  # fmt: skip
        scored.append((good / max(1, len(pairs)), -bits))
    best = max(scored)[0]
    return [-bits for score, bits in sorted(scored, reverse=True) if score >= best - 0.1][:3]


def _frame_num(nal: NalUnit, bits: int) -> tuple[int, bool, bool, int] | None:
    """frame_num, whether the slice is of a reference picture and of an IDR picture, its first macroblock."""
    try:
        reader = BitReader(unescape(nal.data[1:24]))
        first = reader.ue()
        reader.ue()
        reader.ue()
        return reader.u(bits), nal.data[0] & 0x60 != 0, nal.data[0] & 31 == h264.NAL_IDR, first
    except BitstreamError:
        return None


def _fits(slices: Sequence[NalUnit], bits: int) -> Iterator[tuple[float, Guess]]:
    """Guesses, and the share of slices that can be read with them and follow each other."""
    orders = [(2, 4), *((0, width) for width in range(4, 17))]
    for (kind, width), cabac, deblocking in product(orders, (True, False), (True, False)):
        base = Guess(log2_max_frame_num=bits, poc_type=kind, log2_max_poc_lsb=width, cabac=cabac,
                     deblocking_control=deblocking)  # fmt: skip
        if _share([nal for nal in slices if nal.data[0] & 31 == h264.NAL_IDR], base) < 1:
            continue
        for weighted, bipred, references in product((False, True), (0, 2), _REFERENCES):
            guess = replace(base, weighted=weighted, bipred=bipred, default_references=(references, 1),
                            references=max(4, references))  # fmt: skip
            share = _share(slices, guess)
            if share >= _LEAST_FIT:
                yield share, guess


def _share(slices: Sequence[NalUnit], guess: Guess) -> float:
    sps_nal, pps_nal = sets_of(guess)
    sps = {0: h264.parse_sps(sps_nal)}
    pps = {0: h264.parse_pps(pps_nal, sps)}
    good, before = 0, None
    misses = 0
    for nal in slices:
        try:
            header = h264.parse_slice_header(nal, sps, pps)
        except BitstreamError:
            misses += 1
        else:
            follows = before is None or continues(before, header)
            near = before is None or header.is_idr or _near(before, header)
            good += follows and near and abs(header.slice_qp_delta) <= _LIKELY_DELTA
            misses += not (follows and near)
            before = header
        if misses > len(slices) * (1 - _LEAST_FIT) + 1:
            return 0.0
    return good / len(slices)


def _near(one: h264.SliceHeader, other: h264.SliceHeader) -> bool:
    """PicOrderCnt of two slices one behind the other lie near each other, and are even in frames."""
    turn = 1 << other.sps.log2_max_poc_lsb
    return other.sps.poc_type != 0 or ((other.poc_lsb - one.poc_lsb + 32) % turn <= 64 and not other.poc_lsb & 1)


def _intra(guesses: Sequence[Guess], picture: Sequence[NalUnit], left: list[int]) -> Iterator[Guess]:
    """Guesses with which the first rows of an intra picture decode, with its width. left: trials, counted down."""
    seen: list[Guess] = []
    for guess in guesses:
        if any(_alike(guess, other) for other in seen):
            continue
        seen.append(guess)
        for init_qp, transform in product(_QPS if guess.cabac else _QPS[:1], (True, False)):
            profile = 100 if transform else 77 if guess.cabac else 66
            for columns in common_columns()[:_COLUMNS]:
                if not left[0]:
                    return
                left[0] -= 1
                trial = replace(guess, columns=columns, rows=4, init_qp=init_qp, transform_8x8=transform,
                                profile=profile)  # fmt: skip
                if starts_well(sets_of(trial), picture, columns):
                    yield trial
