"""Damaged bytes in the headers of packets: streams and headers that nobody sent, pictures without a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.media import clip, encode_file
from tests.pipelines.files import packets_of, picture_times
from tests.pipelines.transport_streams import VIDEO, packets, pid_of

PICTURES = 36
VIDEO_TAG, SOUND_TAG = 9, 8


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """(type, place of the body) of FLV's tags."""
    at = 13
    while at + 15 < len(data):
        yield data[at], at + 11
        at += 11 + int.from_bytes(data[at + 1 : at + 4], "big") + 4


def _changed(source: Path, target: Path, kind: int, number: int, offset: int, value: int) -> Path:
    """One byte of the body of one tag replaced."""
    data = bytearray(source.read_bytes())
    places = [place for tag, place in _tags(data) if tag == kind]
    data[places[number] + offset] = value
    target.write_bytes(data)
    return target


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stray") / "whole.flv"
    encode_file(path, clip(PICTURES), bframes=2, gop=12, audio=True)
    return path


@pytest.mark.parametrize("suffix", [".flv", ".mkv"])
@pytest.mark.parametrize("number", [1, 2, 9])
def test_a_stream_of_one_damaged_packet_does_not_cost_the_others(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, suffix: str
) -> None:
    """The codec of one packet of sound is read as another: a stream of its own to libavformat."""
    source = _changed(whole, tmp_path / "in.flv", SOUND_TAG, number, 0, 0x12)
    out = tmp_path / f"out{suffix}"
    assert main([str(source), str(out)]) == 0
    assert len(packets_of(out, "video")) == PICTURES
    sound = packets_of(whole, "audio")
    written = [packet for packet in packets_of(out, "audio") if packet in sound]
    assert len(written) >= len(sound) - 1 or "left out" in capsys.readouterr().err


@pytest.mark.parametrize("way", [["--preset", "ultrafast"], ["--splice"]], ids=["repair", "splice"])
def test_a_picture_taken_for_a_header_costs_that_picture_alone(whole: Path, tmp_path: Path, way: list[str]) -> None:
    source = _changed(whole, tmp_path / "in.flv", VIDEO_TAG, 16, 1, 0)
    out = tmp_path / "out.flv"
    assert main([*way, str(source), str(out)]) == 0
    times = picture_times(out)
    assert len(times) == PICTURES
    assert all(round((after - before) * 25) == 1 for before, after in zip(times, times[1:], strict=False))


def _without_time(packet: bytes) -> bytes:
    """The first packet of a PES packet with its PTS and DTS taken out of the header."""
    start = 5 + packet[4] if packet[3] & 0x20 else 4
    assert packet[start : start + 3] == b"\0\0\1"
    return packet[: start + 7] + b"\0" + packet[start + 8 :]


@pytest.mark.parametrize("way", [[], ["--splice"]], ids=["copy", "splice"])
@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
def test_a_picture_without_a_time_is_copied(tmp_path: Path, suffix: str, way: list[str]) -> None:
    whole = encode_file(tmp_path / "whole.ts", clip(PICTURES), bframes=2, gop=12)
    starts = [n for n, p in enumerate(packets(whole.read_bytes())) if pid_of(p) == VIDEO and p[1] & 0x40]
    damaged = list(packets(whole.read_bytes()))
    damaged[starts[17]] = _without_time(damaged[starts[17]])
    source, out = tmp_path / "in.ts", tmp_path / f"out{suffix}"
    source.write_bytes(b"".join(damaged))
    assert main([*way, str(source), str(out)]) == 0
    times = picture_times(out)
    assert len(times) == PICTURES
    assert all(round((after - before) * 25) == 1 for before, after in zip(times, times[1:], strict=False))
