"""Promises of the concealing decoder: every picture, the right map, in-loop repair, untouched pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concealer.bitstream.nal import Codec, join_annexb
from concealer.damage import Damage, DamageMap
from concealer.decoder.session import ConcealingDecoder
from concealer.picture import Picture
from concealer.repair.policy import Repairer
from tests.decoder.streams import (
    PICTURES,
    access_units,
    decode,
    drop_slices,
    luma,
    paint_grey,
    stock_luma,
    stream,
)

BOTH = pytest.mark.parametrize("codec", ["h264", "hevc"])
STRUCTURES = pytest.mark.parametrize("bframes", [0, 3])


@BOTH
@STRUCTURES
def test_undamaged_stream_is_decoded_as_ever(codec: Codec, bframes: int) -> None:
    data = stream(codec, bframes)
    pictures = decode([join_annexb(u.nals) for u in access_units(data, codec)], codec, repair=paint_grey)
    assert len(pictures) == PICTURES
    assert not any(p.damage.any_hole or p.synthesised for p in pictures)
    assert [p.order for p in pictures] == sorted(p.order for p in pictures)
    assert all(p.outcome is None for p in pictures)
    for ours, reference in zip(pictures, stock_luma(data, codec), strict=True):
        np.testing.assert_array_equal(luma(ours), reference)


@BOTH
@STRUCTURES
@pytest.mark.parametrize("hook", [True, False])
def test_dropped_slices_are_found_and_every_picture_comes_out(codec: Codec, bframes: int, hook: bool) -> None:
    units = access_units(stream(codec, bframes), codec)
    damaged = drop_slices(units, lambda u, s: u > 3 and (u * 5 + s) % 7 == 0)
    pictures = decode(damaged.payloads, codec, repair=paint_grey, hook=hook)
    assert len(pictures) == PICTURES
    assert {p.pts for p in pictures} == set(range(PICTURES))
    assert len(damaged.truth) >= 6
    for picture in pictures:
        truth = damaged.truth.get(picture.order, np.zeros_like(picture.damage.hole))
        np.testing.assert_array_equal(picture.damage.state == Damage.LOST, truth)
        assert not (picture.damage.state == Damage.BROKEN).any()
        if truth.any():
            assert picture.outcome is not None and picture.outcome.method == "grey"
            assert "slice lost" in picture.damage.causes


@BOTH
@STRUCTURES
def test_only_the_hole_is_touched(codec: Codec, bframes: int) -> None:
    units = access_units(stream(codec, bframes), codec)
    damaged = drop_slices(units, lambda u, s: u > 0 and (u * 5 + s) % 7 == 0)
    seen = []

    def check(picture: Picture, damage: DamageMap, references: Any) -> None:
        before = [plane.copy() for plane in picture.planes]
        Repairer()(picture, damage, references)
        for index, (old, new) in enumerate(zip(before, picture.planes, strict=True)):
            outside = ~damage.hole_pixels(int(index > 0), int(index > 0))
            seen.append(int((old != new)[outside].sum()))

    decode(damaged.payloads, codec, repair=check)
    assert len(seen) >= 15 and not any(seen)


@BOTH
@STRUCTURES
def test_painting_the_truth_heals_what_follows(codec: Codec, bframes: int) -> None:
    """In-loop repair with the clean samples leaves far less error in later pictures than painting grey."""
    units = access_units(stream(codec, bframes), codec)
    clean = {p.order: p for p in decode([join_annexb(u.nals) for u in units], codec)}
    target = next(u for u in units[3:] if u.is_reference)
    place = units.index(target)
    damaged = drop_slices(units, lambda u, s: u == place and s == 1)

    def oracle(picture: Picture, damage: DamageMap, references: Any) -> None:
        mask = damage.hole_pixels()
        picture.planes[0][mask] = luma(clean[picture.order])[: mask.shape[0], : mask.shape[1]][mask]

    def later_error(repair: Any) -> float:
        pictures = decode(damaged.payloads, codec, repair=repair)
        errors = [np.square(luma(p).astype(float) - luma(clean[p.order])).mean() for p in pictures if p.index > place]
        return float(np.mean(errors))

    assert later_error(oracle) < 0.3 * later_error(paint_grey)


@BOTH
def test_lost_first_slice_keeps_the_picture(codec: Codec) -> None:
    units = access_units(stream(codec), codec)
    damaged = drop_slices(units, lambda u, s: u == 6 and s == 0)
    pictures = decode(damaged.payloads, codec, repair=Repairer())
    assert len(pictures) == PICTURES
    np.testing.assert_array_equal(pictures[6].damage.hole, damaged.truth[pictures[6].order])
    assert not pictures[6].synthesised


@BOTH
@STRUCTURES
@pytest.mark.parametrize("keep_packet", [True, False])
def test_lost_picture_is_made_up(codec: Codec, bframes: int, keep_packet: bool) -> None:
    """A whole reference picture is lost: with its packet (only other NAL units left in it), or with packet and all."""
    units = access_units(stream(codec, bframes), codec)
    lost = next(i for i, u in enumerate(units) if i > 5 and u.is_reference)
    payloads = [join_annexb(u.nals) for u in units]
    aud = b"\x00\x00\x00\x01" + (b"\x09\xf0" if codec == "h264" else b"\x46\x01\x50")
    decoder = ConcealingDecoder(codec, repair=Repairer(), container_framed=True)
    pictures = []
    for number, payload in enumerate(payloads):
        if number == lost and not keep_packet:
            continue
        pictures += decoder.decode(aud if number == lost else payload, pts=units[number].order * 10)
    pictures += decoder.flush()
    decoder.close()
    assert len(pictures) == PICTURES
    made_up = [p for p in pictures if p.damage.hole.all()]
    assert len(made_up) == 1
    assert [p.pts for p in pictures] == sorted(u.order * 10 for u in units)
    clean = {p.order: p for p in decode(payloads, codec)}
    worst = min(
        10 * np.log10(255**2 / max(np.square(luma(p).astype(float) - luma(clean[p.order])).mean(), 0.5))
        for p in pictures
    )
    assert worst > 18


def test_broken_slice_header_is_concealed_not_raised() -> None:
    units = access_units(stream("h264"), "h264")
    payloads = [join_annexb(u.nals) for u in units]
    nal = units[5].slices[2].nal.data
    payloads[5] = payloads[5].replace(nal, nal[:1] + b"\x00\x00\x03\x00\x00\x03" + nal[7:])
    pictures = decode(payloads, "h264", repair=Repairer())
    assert len(pictures) == PICTURES
    assert pictures[5].damage.any_hole


@BOTH
@pytest.mark.parametrize("probe", [True, False])
def test_known_damaged_byte(codec: Codec, probe: bool) -> None:
    """Recall of the blocks that really changed is high when the transport names the damaged byte."""
    units = access_units(stream(codec), codec)
    clean = decode([join_annexb(u.nals) for u in units], codec)
    hit = total = 0
    for place in (4, 7, 10):
        payloads = [join_annexb(u.nals) for u in units]
        nal = units[place].slices[1].nal.data
        cut = len(nal) // 3
        start = payloads[place].index(nal)
        payloads[place] = payloads[place][: start + cut] + payloads[place][start + cut + len(nal) // 4 :]
        decoder = ConcealingDecoder(codec, container_framed=True, probe_breaks=probe)
        pictures = []
        for number, payload in enumerate(payloads):
            pictures += decoder.decode(payload, pts=number, gaps=(start + cut,) if number == place else ())
        pictures += decoder.flush()
        decoder.close()
        damaged = next(p for p in pictures if p.pts == place)
        wrong = luma(damaged) != luma(clean[place])
        rows, cols = damaged.damage.state.shape
        first, end = (units[place].slices[i].first or 0 for i in (1, 2))
        lines = [a // units[place].cols * units[place].unit for a in (first, end)]
        wrong[: lines[0]] = wrong[lines[1] :] = False
        # Loop filters carry differences at most four samples out of what was decoded wrong.
        hole = damaged.damage.hole_pixels().astype(np.uint8)
        wrong &= (hole > 0) | (cv2.dilate(hole, np.ones((9, 9), np.uint8)) == 0)
        blocks = wrong.reshape(rows, 16, cols, 16).any((1, 3))
        hit += int((blocks & damaged.damage.hole).sum())
        total += int(blocks.sum())
    assert total > 30
    assert hit / total > 0.9


@BOTH
def test_taint_follows_the_damage(codec: Codec) -> None:
    units = access_units(stream(codec), codec)
    clean = decode([join_annexb(u.nals) for u in units], codec)
    damaged = drop_slices(units, lambda u, s: u == 4 and s == 1)
    pictures = decode(damaged.payloads, codec, track_taint=True)
    assert not any((p.damage.state == Damage.TAINTED).any() for p in pictures[:4])
    large = found = 0
    for picture, reference in zip(pictures[5:], clean[5:], strict=True):
        error = np.abs(luma(picture).astype(int) - luma(reference)) > 8
        rows, cols = picture.damage.state.shape
        blocks = error.reshape(rows, 16, cols, 16).any((1, 3))
        large += int(blocks.sum())
        found += int((blocks & (picture.damage.state == Damage.TAINTED)).sum())
    assert large > 50
    assert found / large > 0.95


def test_repair_that_fails_does_not_stop_the_stream() -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    units = access_units(stream("h264"), "h264")
    damaged = drop_slices(units, lambda u, s: u == 4 and s == 1)
    assert len(decode(damaged.payloads, "h264", repair=fail)) == PICTURES


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_garbage_never_raises(data: st.DataObject) -> None:
    codec: Codec = data.draw(st.sampled_from(["h264", "hevc"]))
    whole = bytearray(stream(codec, 3))
    for _ in range(data.draw(st.integers(1, 12))):
        place = data.draw(st.integers(0, len(whole) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "junk"]))
        if kind == "flip":
            whole[place] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            del whole[place : place + data.draw(st.integers(1, 400))]
        else:
            whole[place:place] = data.draw(st.binary(max_size=60))
    decoder = ConcealingDecoder(codec, repair=Repairer("copy"), track_taint=data.draw(st.booleans()))
    pictures = decoder.decode(bytes(whole)) + decoder.flush()
    decoder.close()
    assert len(pictures) <= 3 * PICTURES
