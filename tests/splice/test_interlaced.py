"""Interlaced H.264 made whole: fields, MBAFF frames, and both in turns with progressive frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from concealer.bitstream import AccessUnit, MissingPicture, StreamParser, h264, join_annexb
from concealer.damage import Damage, DamageMap
from concealer.decoder import Settled
from concealer.splice import SplicedUnit, Splicer
from tests.decoder.interlaced_streams import PER_FIELD, in_turns, mbaff, paff
from tests.splice.test_splicer import assert_received_are_kept, assert_shows, payload_of, shown, spliced
from tests.standins.splicing import decode, parse

Lost = Mapping[int, Sequence[int]]


def damaged(units: Sequence[AccessUnit], lost: Lost) -> list[bytes]:
    return [payload_of(unit, lost.get(number, ())) for number, unit in enumerate(units)]


def stream_of(units: Sequence[AccessUnit | SplicedUnit]) -> bytes:
    return b"".join(join_annexb(unit.nals) for unit in units)


def forms(units: Sequence[SplicedUnit]) -> list[tuple[str, int, int]]:
    return [(one.form, one.first, one.end) for unit in units for one in unit.written]


def assert_made_whole(units: Sequence[AccessUnit], lost: Lost) -> list[SplicedUnit]:
    """Nothing received changes, and FFmpeg shows the repair and as many pictures, coded as those sent."""
    payloads = damaged(units, lost)
    found, repaired = spliced(payloads)
    assert len(found) == len(units) and len(repaired) == len(lost)
    assert_received_are_kept(found, payloads)
    assert_shows(found, repaired, least=40)
    whole = parse(stream_of(found), "h264")
    assert [unit.interlaced for unit in whole] == [unit.interlaced for unit in units]
    return found


@pytest.mark.parametrize("cabac", [True, False])
@pytest.mark.parametrize("bottom_first", [False, True])
def test_fields(bottom_first: bool, cabac: bool) -> None:
    """A slice of either field, several, a whole field; intra, as the first field of each pair is, where it came."""
    units = paff(bottom_first, cabac=cabac)
    found = assert_made_whole(units, {2: (1,), 3: (0,), 4: (4,), 5: (2, 3), 6: (3, 4, 5), 7: (0, 1, 2)})
    ranges = [(6, 12), (0, 6), (6, 12), (12, 18), (0, 6), (0, 18), (0, 18)]
    assert forms(found) == [*(("intra", *one) for one in ranges[:-1]), ("inter", *ranges[-1])]


@pytest.mark.parametrize("cabac", [True, False])
@pytest.mark.parametrize("bottom_first", [False, True])
def test_fields_of_b_pictures(bottom_first: bool, cabac: bool) -> None:
    units = paff(bottom_first, cabac=cabac, bframes=True)
    found = assert_made_whole(units, {4: (4,), 6: (0, 1, 2)})
    assert forms(found) == [("inter", 6, 12), ("inter", 0, 18)]


def test_lost_first_field_leads_what_announces_its_sister() -> None:
    units = paff()
    sei = b"\x06\x01\x01\x32\x80"  # picture timing, as many encoders send it with every field
    payload = payload_of(units[4], (0, 1, 2))
    payloads = [*map(payload_of, units[:4]), b"\0\0\0\1\x09\xf0\0\0\0\1" + sei + payload, *map(payload_of, units[5:])]
    found, repaired = spliced(payloads)
    assert [nal.data[0] & 31 for nal in found[4].nals] == [9, 1, 6, 1, 1, 1]
    assert_shows(found, repaired)


def test_lost_second_field_goes_before_what_fills_up() -> None:
    units = paff()
    payload = payload_of(units[4], (3, 4, 5)) + b"\0\0\0\1\x0c\xff\x80"
    payloads = [*map(payload_of, units[:4]), payload, *map(payload_of, units[5:])]
    found, _ = spliced(payloads)
    assert [nal.data[0] & 31 for nal in found[4].nals] == [1, 1, 1, 1, 12]


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("slices", [1, 3])
def test_mbaff_frames(slices: int, bframes: int) -> None:
    units = mbaff(slices, bframes=bframes, gop=8)
    lost: Lost = {3: (1,), 6: (0, 2), 8: (2,)}
    if slices == 1:
        cut = units[5].slices[0].nal.data
        payloads = [payload_of(unit) for unit in units]
        payloads[5] = payloads[5].replace(cut, cut[: len(cut) // 2])
        found, repaired = spliced(payloads, gaps={5: (len(payloads[5]),)})
        assert_received_are_kept(found, payloads, removed=1)
        assert_shows(found, repaired)
    else:
        found = assert_made_whole(units, lost)
        assert {form for form, *_ in forms(found[:8])} == {"inter"}
        assert {form for form, *_ in forms(found[8:])} == {"intra" if units[8].kind == "I" else "inter"}


def test_process_beside_writes_the_same() -> None:
    payloads = damaged(mbaff(bframes=2), {3: (1,), 6: (0, 2)})
    here, _ = spliced(payloads)
    beside, _ = spliced(payloads, own_process=True)
    assert [unit.nals for unit in here] == [unit.nals for unit in beside]


@pytest.mark.parametrize("cabac", [True, False])
@pytest.mark.parametrize("mbaff_frames", [True, False])
def test_fields_and_frames_in_turns(mbaff_frames: bool, cabac: bool) -> None:
    found = assert_made_whole(in_turns(mbaff_frames, cabac), {2: (1,), 4: (5,), 5: (0, 1), 6: (3, 4, 5), 7: (1,)})
    assert "pcm" not in {form for form, *_ in forms(found)}


@pytest.mark.parametrize("bottom_first", [False, True])
@pytest.mark.parametrize("bframes", [False, True])
def test_lost_pair_of_fields(bframes: bool, bottom_first: bool) -> None:
    """It gets a pair; of two reference frames at the least the second field finds that of its parity."""
    units = paff(bottom_first, bframes=bframes)
    victim = 5 if bframes else 4
    payloads = [payload_of(unit) for number, unit in enumerate(units) if number != victim]
    found, repaired = spliced(payloads)
    assert [number for number, unit in enumerate(found) if unit.au is None] == [victim]
    headers = [one.header for one in parse(join_annexb([*units[0].nals[:2], *found[victim].nals]), "h264")[0].slices]
    assert [isinstance(h, h264.SliceHeader) and h.bottom_field for h in headers] == [bottom_first, not bottom_first]
    assert forms(found) == [("inter", 0, PER_FIELD), ("inter" if bframes else "intra", 0, PER_FIELD)]
    assert_received_are_kept(found, payloads)
    assert_shows(found, repaired)


def test_lost_mbaff_frame_keeps_the_order_of_fields() -> None:
    units = mbaff()
    payloads = [payload_of(unit) for number, unit in enumerate(units) if number != 6]
    found, repaired = spliced(payloads)
    assert [number for number, unit in enumerate(found) if unit.au is None] == [6]
    _, _, frames = decode(stream_of(found), "h264")
    assert all(frame.interlaced_frame for frame in frames)
    assert_shows(found, repaired)


@pytest.mark.parametrize("stream", ["fields", "frames"])
def test_lost_idr_picture(stream: str) -> None:
    """Told by hand, as of progressive streams: as two fields."""
    first = again = paff() if stream == "fields" else mbaff()
    size = (first[0].width, first[0].height)
    planes = tuple(np.ascontiguousarray(plane, np.uint8) for plane in decode(stream_of(first), "h264")[0][0])
    order = first[-1].order + 2
    damage = DamageMap(*size)
    damage.mark(damage.state >= 0, Damage.LOST, "picture lost")
    splicer, units = Splicer("h264"), []
    for number, unit in enumerate(first):
        units += splicer.settled(Settled(number, unit.order, None, unit, None, DamageMap(*size), planes))
    missing = MissingPicture("h264", 0, order, 0, is_idr=True)
    units += splicer.settled(Settled(len(first), order, None, None, missing, damage, planes))
    for number, unit in enumerate(again[1:], len(first) + 1):
        place = order + unit.order
        units += splicer.settled(Settled(number, place, None, unit, None, DamageMap(*size), planes))
    splicer.close()
    made = units[len(first)]
    assert [nal.data[0] & 31 for nal in made.nals] == [5, 1]
    pictures, complaints, _ = decode(stream_of(units), "h264")
    assert not complaints and len(pictures) == len(first) + len(again)
    assert np.abs(pictures[len(first)][0] - planes[0][: pictures[0][0].shape[0], : pictures[0][0].shape[1]]).mean() < 2


def test_a_slice_with_the_rest_of_the_next_picture_stays_without_that() -> None:
    """The start of an access unit was lost: what follows hangs behind the slice before, which arrived whole."""
    units = mbaff(1)
    payloads = [payload_of(unit) for unit in units]
    whole, rest = payloads[5], payloads[6][len(payloads[6]) // 2 :]
    payloads[5] = whole + rest
    del payloads[6]
    found, _ = spliced(payloads, gaps={5: (len(whole),)})
    assert forms(found[5:6]) == [("cut", 0, 110)]
    assert found[5].nals[-1].data == units[5].slices[0].nal.data


@pytest.mark.parametrize("missing", [3, 20, 60])
def test_a_slice_without_its_end_does_not_stay(missing: int) -> None:
    """Nor where the decoder did not notice."""
    units = mbaff(1)
    payloads = [payload_of(unit) for unit in units]
    whole, rest = payloads[5], payloads[6][len(payloads[6]) // 2 :]
    payloads[5] = whole[:-missing] + rest
    del payloads[6]
    found, _ = spliced(payloads, gaps={5: (len(whole) - missing,)})
    assert {form for form, *_ in forms(found[5:6])} == {"inter"}
    assert len(shown(found)) == len(found)


def test_while_somebody_waits() -> None:
    """As much residual as there is time for, and one search for motion."""
    for units in (mbaff(bframes=2), paff(bframes=True)):
        payloads = damaged(units, {4: (1,), 6: (0, 2)})
        found, repaired = spliced(payloads, quick=True)
        assert [form for form, *_ in forms(found)].count("inter") >= 3
        assert_received_are_kept(found, payloads)
        assert_shows(found, repaired, least=25)


def test_in_a_hurry_fields_are_repeated() -> None:
    units = paff(bframes=True)
    found, _ = spliced(damaged(units, {4: (4,), 6: (0, 1, 2)}), hurry=True)
    assert {form for form, *_ in forms(found)} == {"skip"}
    assert len(shown(found)) == len(units)


def test_undamaged_streams_leave_as_they_came() -> None:
    for units in (paff(), mbaff(), in_turns(True), in_turns(False)):
        payloads = [payload_of(unit) for unit in units]
        found, _ = spliced(payloads)
        assert not any(unit.changed for unit in found)
        assert [join_annexb(unit.nals) for unit in found] == payloads
        parser = StreamParser("h264")
        assert len(parser.push(b"".join(payloads)) + parser.flush()) == len(units)
