"""Pictures and samples of sound a second: what the bitstream says, held against how much of both there is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.salvage.found_sound import FoundSound
from pipelines.salvage.fragments import Anchors
from pipelines.salvage.pictures import Picture
from pipelines.salvage.usual import PICTURES

_ASSUMED = Fraction(30)
_SAME = 0.03
"""Share by which a rate that the bitstream tells may differ from what the sound says and be right."""
_SNAP = 0.012
"""Share by which a measured rate is taken for a usual one."""
_LONG_RUN = 4
"""Pictures between stretches of sound from which on what lies between the first and the last is not all."""
_MOST_TAKEN = 0.05
"""Share by which holes may be thought to have changed how sound and pictures go together."""
_LEAST_RUNS = 8
"""Stretches of sound between pictures from which on they tell the rate."""


class Between(Protocol):
    """Pictures and blocks of sound between two holes."""

    @property
    def pictures(self) -> range: ...
    @property
    def blocks(self) -> range: ...
    @property
    def hole(self) -> int: ...


@dataclass(frozen=True)
class Pace:
    """How sound and pictures go together."""

    samples: float
    """Of sound for a picture."""
    slack: float
    """Share by which that may be wrong."""

    def rate(self, sound_rate: int) -> float:
        """Pictures a second."""
        return sound_rate / self.samples


def pace_of(pictures: Sequence[Picture], sound: FoundSound, parts: Sequence[Between], anchors: Anchors) -> Pace | None:
    """Samples of sound for a picture: the slope of what comes before each stretch of sound in the file, and where there
    are few stretches how much there is of both."""
    told = _by_anchors(anchors)
    if told is not None:
        return told
    starts = [picture.start for picture in pictures]
    across: list[npt.NDArray[np.float64]] = []
    for part in parts:
        heads = _heads(starts, sound, part)
        if len(heads) > 1:
            table = np.array(heads, float)
            across.append(table - table.mean(axis=0))
    runs = sum(map(len, across))
    if runs >= _LEAST_RUNS and len(pictures) < _LONG_RUN * runs:
        x, y = np.concatenate(across).T
        weight = float(x @ x)
        slope = float(x @ y) / weight
        error = float(np.sqrt(((y - slope * x) ** 2).sum() / max(1, runs - 1 - len(across)) / weight))
        if slope > 0:
            return Pace(slope, max(3 * error / slope, 1e-4))
    if not sound.length:
        return None
    # Of a few long stretches one more or less of either kind counts, and a hole may have taken more of one than of the
    # other: half of its bytes, as a rule, are not the half that is expected.
    size = sum(p.end - p.start for p in pictures) + sum(end - start for start, end in sound.blocks)
    taken = sum(part.hole for part in parts) / 2 / size
    return Pace(sound.length / len(pictures), max(0.5 / max(runs, 4), 2 / len(pictures)) + min(taken, _MOST_TAKEN))


def _by_anchors(anchors: Anchors) -> Pace | None:
    """From the first fragment that is told of to the last."""
    if len(anchors.pairs) < 2 or anchors.pairs[-1][0] <= anchors.pairs[0][0]:
        return None
    count = anchors.pairs[-1][0] - anchors.pairs[0][0]
    samples = anchors.pairs[-1][1] - anchors.pairs[0][1]
    return Pace(samples / count, 2 / count) if samples > 0 else None


def _heads(starts: Sequence[int], sound: FoundSound, part: Between) -> list[tuple[int, int]]:
    """Of a part, before each stretch of sound behind a picture: pictures, and samples."""
    heads: list[tuple[int, int]] = []
    heard = 0
    for number in part.blocks:
        start, end = sound.blocks[number]
        behind = bisect_left(starts, start)
        if behind > part.pictures.start and (not heads or behind > heads[-1][0]):
            heads.append((behind, heard))
        heard += (end - start) // sound.block_size if sound.block_size else sound.samples_each
    return heads


def sound_rate_of(sound: FoundSound, pace: Pace | None, told: Fraction | None) -> int:
    """The rate, of those the sound may have, with which the pictures come at the rate that is told, or a usual one."""
    if pace is None or len(sound.rates) == 1:
        return sound.rates[0]
    usual = PICTURES if told is None else (told, told / 2)

    def distance(rate: int) -> float:
        return min(abs(pace.rate(rate) / float(one) - 1) for one in usual)

    order = {rate: place for place, rate in enumerate(sound.rates)}
    slack = min(pace.slack, 0.04)
    return min(sound.rates, key=lambda rate: (max(distance(rate), slack), order[rate]))


def measured_rate(pace: Pace | None, sound_rate: int, told: Fraction | None, told_by: str) -> tuple[Fraction, str]:
    """Pictures a second, and what says so."""
    if pace is None:
        return (told, told_by) if told is not None else (_ASSUMED, "an assumption")
    implied = pace.rate(sound_rate)
    if told is not None and abs(implied / float(told) - 1) < _SAME + pace.slack:
        return told, told_by
    # Two fields a picture, or a rate that nobody kept: the sound knows better.
    slack = max(_SNAP, pace.slack)
    near = [one for one in PICTURES if abs(implied / float(one) - 1) <= slack]
    # Where holes leave much open the most frequent rate counts, not the nearest.
    close = [one for one in near if slack <= _MOST_TAKEN and abs(implied / float(one) - 1) <= slack / 2]
    if near:
        return (close or near)[0] if len(near) > 1 and pace.slack > _SNAP else _nearest(near, implied), "the sound"
    return Fraction(implied).limit_denominator(1001), "the sound"


def _nearest(rates: Sequence[Fraction], implied: float) -> Fraction:
    return min(rates, key=lambda one: abs(implied / float(one) - 1))
