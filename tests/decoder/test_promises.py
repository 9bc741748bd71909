"""What damaged pictures, and those predicted from them, are held to be worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from concealer.bitstream import AccessUnit, Codec, StreamParser, join_annexb
from concealer.decoder import DecodedPicture
from concealer.decoder.promising import FIGURES, Aftermath, Model
from concealer.front_door import open_decoder
from concealer.repair import Repairer
from tests.media import clip, encode_bytes

CODECS: tuple[Codec, ...] = get_args(Codec)
GOP, PICTURES, HIT = 12, 30, 14


def _units(codec: Codec, bframes: int = 0, slices: int = 1, **extra: int | str) -> list[AccessUnit]:
    parser = StreamParser(codec)
    data = encode_bytes(clip(PICTURES), codec, bframes=bframes, slices=slices, gop=GOP, crf=20, extra=extra)
    return parser.push(data) + parser.flush()


def _decode(
    codec: Codec,
    units: Sequence[AccessUnit],
    arrives: Callable[[int, bytes], bytes] = lambda _, payload: payload,
    repairer: Repairer | None = None,
) -> list[DecodedPicture]:
    decoder = open_decoder(codec, repairer=repairer, container_framed=True)
    pictures = []
    for number, unit in enumerate(units):
        payload = arrives(number, join_annexb(unit.nals))
        if payload:
            pictures += decoder.decode(payload, pts=number)
    pictures += decoder.flush()
    decoder.close()
    return pictures


def _cut(number: int, payload: bytes) -> bytes:
    return payload[: len(payload) // 2] if number == HIT else payload


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_that_no_damage_touches_are_promised_nothing_but_themselves(codec: Codec) -> None:
    pictures = _decode(codec, _units(codec, bframes=2), repairer=Repairer())
    assert len(pictures) == PICTURES
    assert all(one.promise is None and one.confidence == 1.0 for one in pictures)


@pytest.mark.parametrize("codec", CODECS)
def test_damage_and_all_that_is_predicted_from_it_has_a_confidence_until_the_next_idr_picture(codec: Codec) -> None:
    units = _units(codec)
    whole = _decode(codec, units)
    pictures = _decode(codec, units, _cut, Repairer())
    touched = [number for number, one in enumerate(pictures) if one.promise is not None]
    assert touched == list(range(HIT, 2 * GOP))
    for clean, one in zip(whole, pictures, strict=True):
        assert one.promise is None or 0.0 <= one.promise.confidence < 1.0
        if one.confidence == 1.0:
            assert np.array_equal(clean.frame.to_ndarray(format="gray8"), one.frame.to_ndarray(format="gray8"))


@pytest.mark.parametrize("codec", CODECS)
def test_what_nobody_repairs_is_expected_to_be_worse(codec: Codec) -> None:
    units = _units(codec)
    repaired = _decode(codec, units, _cut, Repairer())[HIT]
    left = _decode(codec, units, _cut)[HIT]
    assert repaired.promise is not None and left.promise is not None
    assert left.promise.expected_psnr < repaired.promise.expected_psnr
    assert left.confidence <= repaired.confidence


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_lost_whole_has_a_promise(codec: Codec) -> None:
    pictures = _decode(codec, _units(codec), lambda number, payload: b"" if number == HIT else payload, Repairer())
    assert len(pictures) == PICTURES
    lost = pictures[HIT]
    assert lost.synthesised
    assert lost.promise is not None
    assert pictures[HIT + 1].promise is not None


def test_damage_of_a_picture_that_nobody_refers_to_does_not_spread() -> None:
    units = _units("h264", bframes=2, slices=4, **{"b-pyramid": "none", "b-adapt": 0})
    hit = next(number for number, unit in enumerate(units) if number > 3 and not unit.is_reference)

    def lose(number: int, payload: bytes) -> bytes:
        kept = units[number].nals[:-1] if number == hit else units[number].nals
        return join_annexb(kept)

    pictures = _decode("h264", units, lose, Repairer())
    assert [one.pts for one in pictures if one.promise is not None] == [hit]


def test_an_intra_picture_that_announces_nothing_does_not_end_damage_at_once() -> None:
    """Pictures behind it may refer to those before it."""
    unit = _units("h264")[1]
    plain = [replace(unit, order=order, kind="I" if order in (4, 8) else "P") for order in range(1, 12)]
    aftermath = Aftermath()
    aftermath.begins(0)
    touched = []
    for one in plain:
        aftermath.arrives(one)
        touched.append(aftermath.touches(one.order))
    assert touched == [True] * 7 + [False] * 4
    aftermath.begins(12)
    assert aftermath.touches(13)
    aftermath.arrives(replace(unit, order=14, is_idr=True))
    assert not aftermath.touches(14)


def test_damage_among_the_leading_pictures_does_not_reach_behind_the_end() -> None:
    unit = _units("hevc")[1]
    aftermath = Aftermath()
    aftermath.begins(0)
    aftermath.arrives(replace(unit, order=8, is_irap=True))
    aftermath.begins(6)
    assert aftermath.touches(7)
    assert not aftermath.touches(9)


def test_confidence_is_never_that_of_an_untouched_picture() -> None:
    weights, figures = np.zeros(len(FIGURES)), np.zeros(len(FIGURES))
    figures[0] = 1.0
    said = []
    for odds in (-1e6, -np.log(3.0), 0.0, np.log(9.0), 1e6):
        weights[0] = odds
        said.append(Model(weights, weights).promise(figures).confidence)
    assert said == pytest.approx([0.0, 0.25, 0.5, 0.9, 0.999])
