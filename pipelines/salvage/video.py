"""Pictures found in bytes that no index describes: their units, parameter sets, and places in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from concealer.bitstream import BitstreamError, Codec, NalUnit, hevc
from pipelines.salvage.chain import best_row
from pipelines.salvage.h264_search import searched
from pipelines.salvage.hevc_search import fitted_hevc, x265_sets
from pipelines.salvage.media import Media
from pipelines.salvage.parameter_sets import Origin, Sets, fitted, known_sets, stretched
from pipelines.salvage.pictures import Picture, gather, place_all
from pipelines.salvage.proving import tried
from pipelines.salvage.remains import Remains
from pipelines.salvage.units import PREFIX, Grammar, H264Grammar, HevcGrammar, Unit, candidates

log = logging.getLogger(__name__)

_GRAMMARS: dict[Codec, Callable[[Sequence[NalUnit]], Grammar]] = {"h264": H264Grammar, "hevc": HevcGrammar}
_SAMPLE = 24 << 20
"""Bytes that are looked at to find out what the stream is."""
_LEAST_UNITS = 3
_LEAST_WEIGHT = 8.0
_MANY = 24
"""Units in a row that are no chance."""
_SHARE = 0.3
"""Of what speaks for units without parameter sets, at least so much must be left with the right ones."""
_TRIED = 12
"""Pictures in a row that parameter sets are tried on."""
_MOST_LIKELY = 8
_NEARLY = 0.9
"""Share of the most slices that parameter sets read which others must read to be tried."""
_HEVC = hevc.SliceHeader
_SKIPPED = (hevc.NAL_RASL_N, hevc.NAL_RASL_R)
"""Decoders pass over these behind the picture they begin with."""
_STARTS = 3
"""Places in the stream at which they are."""
_TRUSTED: tuple[Origin, ...] = ("the broken index", "the stream")
"""Sets that are the stream's if one picture decodes whole: others of the run may be damaged."""


@dataclass
class FoundVideo:
    """A video stream."""

    codec: Codec
    sets: Sets
    pictures: list[Picture]
    rate: Fraction | None
    """Pictures a second, as the bitstream says."""
    width: int
    height: int


class NothingFoundError(Exception):
    """No video that can be decoded is in the bytes. The message is one line, fit to show."""


def find_video(media: Media, remains: Remains, like: Remains | None) -> FoundVideo:
    """The pictures in the spans of media. Raises NothingFoundError if there are none, or none that can be decoded."""
    codecs: tuple[Codec, ...] = ("h264", "hevc")
    seen = {one: _row(media, _GRAMMARS[one](()), _SAMPLE) for one in codecs}
    many = False
    for one in sorted(codecs, key=lambda one: -_weight(seen[one])):
        units = seen[one]
        if len(units) < _LEAST_UNITS or _weight(units) < _LEAST_WEIGHT:
            continue
        proven = _prove(media, one, units, remains, like)
        if proven is None:
            many |= len(units) >= _MANY
            continue
        sets, rate, width, height = proven
        grammar = _GRAMMARS[one](sets.units)
        pictures = gather(_row(media, grammar, None), grammar)
        place_all(media.data, pictures, one, sets.units)
        return FoundVideo(one, sets, pictures, rate if sets.timed else None, width, height)
    if many:
        help_on = "; --like GOOD.mp4, a healthy file of the same camera, may help" if like is None else ""
        raise NothingFoundError(f"pictures, but no parameter sets that they can be decoded with{help_on}")
    raise NothingFoundError("no pictures found")


def _weight(units: Sequence[Unit]) -> float:
    return sum(unit.weight + (2 if one.end == unit.start else 0) for one, unit in zip(units, units[1:], strict=False))


def _row(media: Media, grammar: Grammar, most: int | None) -> list[Unit]:
    """Units in the spans of media, or in their first `most` bytes that are not zeros from the start."""
    row: list[Unit] = []
    left = media.size if most is None else most
    for start, end in media.spans:
        if left <= 0:
            break
        start = start if most is None else media.past_zeros(start, end)
        stop = min(end, start + left)
        left -= stop - start
        row += best_row(list(candidates(media, start, stop, grammar, cut=stop == end == media.size)))
    return row


def _prove(
    media: Media, codec: Codec, units: Sequence[Unit], remains: Remains, like: Remains | None
) -> tuple[Sets, Fraction | None, int, int] | None:
    """Parameter sets with which pictures decode, the rate they tell, and the size of what is shown."""
    bare = _GRAMMARS[codec](())
    weight = sum(unit.weight for unit in units if bare.is_slice(unit.kind))
    for sets in _to_try(media, codec, remains, like, units):
        try:
            wide = sets if sets.sized or codec == "hevc" else stretched(sets)
        except BitstreamError:
            continue
        grammar = _GRAMMARS[codec](wide.units)
        row = _row(media, grammar, _SAMPLE)
        own = sum(1.0 for unit in row if grammar.is_slice(unit.kind))
        log.debug("parameter sets of %s: %.0f of %.0f slices", sets.origin, own, weight)
        if own < _SHARE * weight:
            continue
        media.go_on()
        for run in islice(_runs(media, gather(row, grammar)), _STARTS if sets.sized else _STARTS - 1):
            fit = sets if sets.sized else (fitted if codec == "h264" else fitted_hevc)(sets, run[0])
            if fit is None:
                continue
            trial = tried(codec, fit.units, run)
            log.debug("parameter sets of %s: %d of %d pictures decode", sets.origin, trial.whole, trial.tried)
            if trial.proven or (trial.whole and sets.origin in _TRUSTED):
                return fit, trial.rate, trial.width, trial.height
    return None


def _to_try(
    media: Media, codec: Codec, remains: Remains, like: Remains | None, units: Sequence[Unit]
) -> Iterator[Sets]:
    yield from known_sets(media, codec, remains, like, units)
    if codec == "h264":
        yield from searched(media, units)
        return
    fits = [(len([u for u in _row(media, HevcGrammar(s.units), _SAMPLE >> 2) if u.kind < 32]), s) for s in x265_sets()]
    most = max((count for count, _ in fits), default=0)
    likely = [sets for count, sets in sorted(fits, key=lambda fit: -fit[0]) if count >= _NEARLY * most]
    yield from likely[:_MOST_LIKELY]


def _runs(media: Media, pictures: Sequence[Picture]) -> Iterator[list[list[NalUnit]]]:
    """Pictures in a row as NAL units, of which the first can be decoded by itself."""
    count = 0
    for number, picture in enumerate(pictures):
        if not picture.key or not picture.whole_start or picture.cut:
            continue
        run = [picture]
        for later in pictures[number + 1 : number + _TRIED]:
            if later.key or later.cut:
                break
            if any(unit.kind in _SKIPPED for unit in later.units) and isinstance(later.units[-1].header, _HEVC):
                continue
            run.append(later)
        yield [[NalUnit(bytes(media.data[unit.start + PREFIX : unit.end])) for unit in one.units] for one in run]
        count += 1
        if count == _STARTS:
            return
