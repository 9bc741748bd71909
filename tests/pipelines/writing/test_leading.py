"""Decode times that are missing or wrong, and presentation times far from them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from pipelines import Settings, conceal_file
from pipelines.writing.leading import LeadingTimes
from tests.media import clip, encode_file

PICTURES = 30
WRONG = 1 << 29
"""What one bit of a time in a transport stream is worth, about 100 minutes."""
Times = tuple[int | None, int | None]


def through(times: list[Times], duration: int = 3600) -> list[Times]:
    """(presentation, decode) times in 90 kHz, handed on."""
    leading, given = LeadingTimes(), []
    for pts, dts in times:
        packet = av.Packet(b"\0")
        packet.pts, packet.dts, packet.duration, packet.time_base = pts, dts, duration, Fraction(1, 90_000)
        given += leading.push(packet)
    return [(packet.pts, packet.dts) for packet in given + leading.flush()]


RIGHT: list[Times] = [(3600 * n + 7200, 3600 * n) for n in range(8)]


@pytest.mark.parametrize("duration", [3600, 0])
@pytest.mark.parametrize("place", [0, 4, 7])
def test_a_decode_time_far_from_all_others_is_replaced(place: int, duration: int) -> None:
    wrong = [*RIGHT[:place], (RIGHT[place][0], WRONG), *RIGHT[place + 1 :]]
    mended = through(wrong, duration)
    assert mended[:place] + mended[place + 1 :] == RIGHT[:place] + RIGHT[place + 1 :]
    pts, dts = mended[place]
    assert pts == RIGHT[place][0] and dts is not None and abs(dts - 3600 * place) <= 3600
    assert all((a[1] or 0) < (b[1] or 0) for a, b in zip(mended, mended[1:], strict=False))


@pytest.mark.parametrize("place", [0, 4, 7])
def test_a_presentation_time_far_from_all_others_is_replaced(place: int) -> None:
    wrong = [*RIGHT[:place], (WRONG, RIGHT[place][1]), *RIGHT[place + 1 :]]
    assert through(wrong) == RIGHT


@pytest.mark.parametrize("place", [4, 7])
def test_a_decode_time_a_second_behind_its_presentation_is_replaced(place: int) -> None:
    wrong = [*RIGHT[:place], (RIGHT[place][0], RIGHT[place][0] + 90_000), *RIGHT[place + 1 :]]
    assert through(wrong) == RIGHT


def test_a_clock_that_begins_anew_and_long_intervals_stay() -> None:
    anew: list[Times] = [*RIGHT, *((WRONG + 3600 * n + 7200, WRONG + 3600 * n) for n in range(4))]
    assert through(anew) == anew
    minute = 60 * 90_000
    slow: list[Times] = [(minute * (n + 2), minute * n) for n in range(4)]
    assert through(slow, minute) == slow


def test_leading_packets_without_a_decode_time_get_theirs() -> None:
    assert through([(7200, None), (10_800, None), *RIGHT[2:]]) == RIGHT


def flip_time(path: Path, target: Path, place: int, which: str) -> None:
    """A copy of a transport stream in which the first bit of a time of the video's packet at `place` is flipped."""
    data = bytearray(path.read_bytes())
    begins = [at for at in range(0, len(data), 188) if data[at + 1] & 0x40]
    heads = [at for at in begins if (found := data[at : at + 188].find(b"\0\0\1\xe0")) > 0 and found < 188]
    at = heads[place]
    at += data[at : at + 188].find(b"\0\0\1\xe0")
    assert data[at + 7] >> 6 == 3, "both times are there"
    data[at + (9 if which == "pts" else 14)] ^= 0x02
    target.write_bytes(data)


@pytest.mark.parametrize("which", ["pts", "dts"])
@pytest.mark.parametrize("place", [0, 12])
def test_a_splice_shows_every_picture_of_a_stream_with_a_flipped_time(tmp_path: Path, place: int, which: str) -> None:
    whole, damaged, out = tmp_path / "whole.ts", tmp_path / "damaged.ts", tmp_path / "out.ts"
    encode_file(whole, clip(PICTURES, 176, 144), "h264", bframes=2, gop=30)
    flip_time(whole, damaged, place, which)
    conceal_file(damaged, out, Settings(output="splice"))
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == PICTURES
    assert None not in times and max(times) - min(times) < 2 * PICTURES / 25
