"""Lost pictures get the place and time that they had: what follows, and the times, leave no other."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest

from concealer.bitstream import AccessUnit, Codec, MissingPicture, StreamParser
from concealer.bitstream.nal import join_annexb
from concealer.decoder import ConcealingDecoder, DecodedPicture
from concealer.decoder.prepare import prepare
from concealer.decoder.rules import rules_of
from concealer.decoder.slots import Slots
from concealer.repair import Repairer
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse

STEP = 3600
PICTURES = 60
STRUCTURES: dict[str, tuple[int, dict[str, str | int]]] = {
    "P": (0, {}),
    "adaptive": (3, {"b-adapt": 2, "b-pyramid": "normal", "ref": 3}),
    "plain": (2, {"b-adapt": 0, "b-pyramid": "none"}),
}


@cache
def access_units(structure: str) -> tuple[list[AccessUnit], list[int]]:
    """Access units in decode order, and their places in output order."""
    bframes, extra = STRUCTURES[structure]
    units = parse(encode_bytes(clip(PICTURES, 176, 144, seed=4), "h264", bframes=bframes, gop=30, extra=extra), "h264")
    ordered = sorted(unit.order for unit in units)
    return units, [ordered.index(unit.order) for unit in units]


def decode(codec: Codec, units: list[AccessUnit], places: list[int], lost: set[int]) -> list[DecodedPicture]:
    delay = max(number - place for number, place in enumerate(places))
    decoder = ConcealingDecoder(codec, repair=Repairer(), container_framed=True, lookahead=3)
    pictures = []
    for number, (unit, place) in enumerate(zip(units, places, strict=True)):
        if number not in lost:
            pts, dts = place * STEP, (number - delay) * STEP
            pictures += decoder.decode(join_annexb(unit.nals), pts=pts, dts=dts, tag=number)
    pictures += decoder.flush()
    decoder.close()
    return pictures


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("structure", STRUCTURES)
def test_lost_reference_pictures_are_shown_at_their_time(structure: str, seed: int) -> None:
    units, places = access_units(structure)
    chance = random.Random(seed)
    # Not next to an IDR picture: what is lost right before one leaves no trace.
    safe = [n for n in range(10, PICTURES - 5) if not any(unit.is_idr for unit in units[n : n + 5])]
    lost = set(chance.sample(safe, 4))
    pictures = decode("h264", units, places, lost)
    made = sorted(picture.pts // STEP for picture in pictures if picture.synthesised and picture.pts is not None)
    assert made == sorted(places[number] for number in lost if units[number].is_reference)
    times = [picture.pts for picture in pictures]
    assert None not in times and times == sorted(set(times), key=lambda time: time or 0)


def test_nothing_is_lost_where_pictures_come_at_a_varying_rate() -> None:
    units, _ = access_units("P")
    chance = random.Random(1)
    times = sorted(chance.sample(range(4 * PICTURES), PICTURES))
    decoder = ConcealingDecoder("h264", repair=Repairer(), container_framed=True)
    pictures = []
    for unit, time in zip(units, times, strict=True):
        pictures += decoder.decode(join_annexb(unit.nals), pts=time * 1200, dts=time * 1200)
    pictures += decoder.flush()
    decoder.close()
    assert [picture.pts for picture in pictures] == [time * 1200 for time in times]
    assert not any(picture.synthesised or picture.damage.any_hole for picture in pictures)


def test_a_loss_that_times_leave_no_room_for_is_not_shown() -> None:
    """Times that were made anew after the loss: the picture is decoded, as others refer to it."""
    units, _ = access_units("P")
    kept = [unit for number, unit in enumerate(units) if number != 20]
    decoder = ConcealingDecoder("h264", repair=Repairer(), container_framed=True)
    pictures = []
    for number, unit in enumerate(kept):
        pictures += decoder.decode(join_annexb(unit.nals), pts=number * STEP, dts=number * STEP)
    pictures += decoder.flush()
    decoder.close()
    assert [picture.pts for picture in pictures] == [number * STEP for number in range(PICTURES - 1)]
    assert not any(picture.synthesised for picture in pictures)


@pytest.mark.parametrize("counted", [True, False])
def test_a_damaged_count_does_not_fill_the_memory(counted: bool) -> None:
    """Places between a picture and one of a count that a flipped bit took far away were listed one by one."""
    units, _ = access_units("P")
    slots = Slots()
    for unit in units[:10]:
        slots.take(unit.order)
    lost = MissingPicture("h264", poc=units[10].poc or 0, order=units[10].order)
    far = replace(units[11], order=1 << 40, missing_before=[lost], room_before=2)
    assert slots.fill(far, [units[12]], 2, counted) == []
    assert lost.order == units[10].order


def test_recording_cut_at_an_intra_picture_has_no_loss() -> None:
    stream = encode_bytes(clip(90, 176, 144), "h264", bframes=2, gop=20, extra={"open-gop": 1})
    units = parse(stream, "h264")
    ordered = sorted(unit.order for unit in units)
    places = [ordered.index(unit.order) for unit in units]
    intra = [number for number, unit in enumerate(units) if unit.kind == "I"]
    assert not units[intra[3]].is_idr
    pictures = decode("h264", units, places, set(range(intra[1], intra[3])))
    assert not any(picture.synthesised or picture.damage.any_hole for picture in pictures)
    assert len(pictures) == 90 - (intra[3] - intra[1])


def test_interlaced_pictures_are_left_to_the_decoder_with_all_that_arrived() -> None:
    """Cut at the damage, it would fill P pictures from their own samples."""
    stream = encode_bytes(clip(8, 176, 160), "h264", extra={"tff": 1})
    parser = StreamParser("h264", None, container_framed=True)
    for unit in parse(stream, "h264"):
        data = join_annexb(unit.nals)
        (read,) = parser.push(data, gaps=[len(data) // 2])
        assert read.interlaced == "mbaff" and not read.coverage.is_intact
        assert prepare(read, rules_of("h264")).nals == read.nals
