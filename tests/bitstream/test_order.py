"""Access units that come in a wrong order, and what decode times say about losses."""

from __future__ import annotations

import pytest

from concealer.bitstream import AccessUnit, Codec, StreamParser
from concealer.bitstream.assembly.room import Room
from concealer.bitstream.nal import join_annexb
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse

STEP = 3600


def payloads(codec: Codec, bframes: int, pictures: int = 24, gop: int = 30) -> list[bytes]:
    extra: dict[str, str | int] = {"b-pyramid": "none" if codec == "h264" else 0}
    stream = encode_bytes(clip(pictures, 176, 144), codec, bframes=bframes, gop=gop, extra=extra)
    return [join_annexb(unit.nals) for unit in parse(stream, codec)]


def read(codec: Codec, sent: list[tuple[bytes, int]]) -> list[AccessUnit]:
    """Payloads and the pictures' time that each is decoded at."""
    parser = StreamParser(codec, None, container_framed=True)
    units = [unit for data, at in sent for unit in parser.push(data, pts=at * STEP, dts=at * STEP)]
    return units + parser.flush()


def swapped(data: list[bytes], place: int) -> list[tuple[bytes, int]]:
    mixed = [*data[:place], data[place + 1], data[place], *data[place + 2 :]]
    return [(one, at) for at, one in enumerate(mixed)]


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_two_swapped_units_go_where_they_belong(codec: Codec, bframes: int) -> None:
    data = payloads(codec, bframes)
    straight = read(codec, [(one, at) for at, one in enumerate(data)])
    place = next(at for at in range(8, 20) if straight[at].is_reference and straight[at + 1].kind != "I")
    units = read(codec, swapped(data, place))
    assert [(unit.order, unit.pts) for unit in units] == [(unit.order, unit.pts) for unit in straight]
    assert [at for at, unit in enumerate(units) if unit.moved] == [place, place + 1]
    assert not any(unit.missing_before for unit in units)


def test_a_unit_that_comes_two_places_late_is_no_loss() -> None:
    data = payloads("h264", 0)
    mixed = [*data[:10], data[11], data[12], data[10], *data[13:]]
    units = read("h264", [(one, at) for at, one in enumerate(mixed)])
    # One is missing while it has not come, but never nearly all that frame_num can count.
    assert [len(unit.missing_before) for unit in units if unit.missing_before] == [1]
    assert [unit.poc for unit in units[13:]] == [2 * at for at in range(13, 24)]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_gap_in_time_is_a_loss(codec: Codec) -> None:
    data = payloads(codec, 0)
    units = read(codec, [(one, at) for at, one in enumerate(data) if at != 12])
    assert [at for at, unit in enumerate(units) if unit.missing_before] == [12]
    assert units[12].room_before == 1 and not any(unit.moved for unit in units)


def room(times: list[int | None]) -> list[int | None]:
    known = Room()
    return [known.before(time, time) for time in times]


def test_room_is_what_decode_times_leave() -> None:
    steady: list[int | None] = [at * STEP for at in range(8)]
    assert room([*steady, 8 * STEP, 11 * STEP, 12 * STEP])[-3:] == [0, 2, 0]
    assert room([*steady, None, 9 * STEP])[-2:] == [None, 0]
    assert room([*steady, 3 * STEP])[-1] is None
    assert room([None] * 8) == [None] * 8
    assert set(room([0, 1000, 5000, 5500, 20000, 21000, 40000, 40100])) == {None}


def test_rasl_pictures_of_a_lost_irap_picture_are_kept() -> None:
    stream = encode_bytes(clip(40, 176, 144), "hevc", bframes=3, gop=12, extra={"open-gop": 1})
    whole = parse(stream, "hevc")
    irap = [at for at, unit in enumerate(whole) if unit.is_irap]
    assert any(unit.is_rasl for unit in whole[irap[1] :])
    kept = [join_annexb(unit.nals) for at, unit in enumerate(whole) if at != irap[1]]
    units = read("hevc", [(one, at) for at, one in enumerate(kept)])
    assert not any(unit.rasl_skipped for unit in units)
    assert any(unit.altered for unit in units)
    behind = [join_annexb(unit.nals) for unit in whole[irap[1] :]]
    units = read("hevc", [(one, at) for at, one in enumerate(behind)])
    assert any(unit.rasl_skipped for unit in units) and not any(unit.missing_before for unit in units)
