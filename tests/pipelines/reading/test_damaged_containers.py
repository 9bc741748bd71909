"""Containers damaged in themselves: reading goes on behind the damage, and what was not read is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import EncoderSettings, Settings, conceal_file
from pipelines.cli import main
from pipelines.reading.boxes import BoxMap, PatchedFile
from tests.media import clip, encode_file
from tests.pipelines.files import picture_times

FAST = EncoderSettings(preset="ultrafast")
PICTURES = 48


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures with sound, each twelfth a key picture, as whole.mp4, fragments.mp4, clusters.mkv and whole.flv."""
    folder = tmp_path_factory.mktemp("containers")
    frames = clip(PICTURES)
    encode_file(folder / "whole.mp4", frames, gop=12, audio=True)
    encode_file(folder / "whole.flv", frames, gop=12, audio=True)
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    encode_file(folder / "fragments.mp4", frames, gop=12, audio=True, muxer_options=fragmented)
    encode_file(folder / "clusters.mkv", frames, gop=12, audio=True, muxer_options={"cluster_time_limit": "480"})
    return folder


def _all_places(data: bytes, wanted: bytes) -> list[int]:
    places, at = [], data.find(wanted)
    while at >= 0:
        places.append(at)
        at = data.find(wanted, at + 1)
    return places


def _fragment_zeroed(data: bytes) -> bytes:
    """From the second fragment's header on, 4 KiB: its media data's header goes too."""
    at = _all_places(data, b"moof")[1] - 4
    return data[:at] + bytes(4096) + data[at + 4096 :]


def _fragment_scrambled(data: bytes) -> bytes:
    """The inside of the second fragment's header, whose own size stays."""
    at = _all_places(data, b"moof")[1] + 4
    return data[:at] + bytes(range(200)) + data[at + 200 :]


def _fragment_too_long(data: bytes) -> bytes:
    at = _all_places(data, b"moof")[1] - 4
    return data[:at] + (int.from_bytes(data[at : at + 4], "big") + 700).to_bytes(4, "big") + data[at + 4 :]


def _fragment_too_short(data: bytes) -> bytes:
    at = _all_places(data, b"moof")[1] - 4
    return data[:at] + (100).to_bytes(4, "big") + data[at + 4 :]


def _media_too_long(data: bytes) -> bytes:
    at = _all_places(data, b"mdat")[1] - 4
    return data[:at] + (1 << 30).to_bytes(4, "big") + data[at + 4 :]


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (_fragment_zeroed, 12),
        (_fragment_scrambled, 12),
        (_fragment_too_long, 0),
        (_fragment_too_short, 0),
        (_media_too_long, 0),
    ],
)
def test_reading_goes_on_at_the_next_fragment(
    files: Path, tmp_path: Path, damage: Callable[[bytes], bytes], lost: int
) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mkv"
    source.write_bytes(damage((files / "fragments.mp4").read_bytes()))
    result = conceal_file(source, out)
    assert result.pictures == PICTURES - lost
    assert (result.unread > 4096) == bool(lost)
    assert result.exact == (not lost)
    times, clean = picture_times(out), picture_times(files / "fragments.mp4")
    assert times == pytest.approx(clean[:12] + clean[12 + lost :], abs=2e-3)


@pytest.mark.parametrize(
    ("name", "box", "place"),
    [
        *(("fragments.mp4", b"moof", place) for place in range(16)),
        *(("fragments.mp4", b"moov", place) for place in range(8)),
        *(("whole.mp4", b"moov", place) for place in range(8)),
        *(("fragments.mp4", b"traf", place) for place in range(4, 8)),
    ],
)
@pytest.mark.parametrize("bit", [1, 64])
def test_headers_are_known_by_what_is_in_them(
    files: Path, tmp_path: Path, name: str, box: bytes, place: int, bit: int
) -> None:
    """One bit of a size or a name, and libavformat passes over all that the box describes."""
    data = bytearray((files / name).read_bytes())
    starts = _all_places(data, box)
    data[starts[len(starts) // 2] - 4 + place] ^= bit
    source, out = tmp_path / "in.mp4", tmp_path / "out.mkv"
    source.write_bytes(data)
    assert conceal_file(source, out).pictures == PICTURES
    conceal_file(files / name, tmp_path / "whole.mkv")
    assert picture_times(out) == picture_times(tmp_path / "whole.mkv")


def test_media_whose_header_is_destroyed_is_read_by_its_index(files: Path, tmp_path: Path) -> None:
    data = (files / "whole.mp4").read_bytes()
    at = data.find(b"mdat") - 4
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(data[:at] + bytes(8) + data[at + 8 :])
    assert conceal_file(source, out).pictures == PICTURES


def test_a_whole_file_is_not_touched(files: Path) -> None:
    for name in ("whole.mp4", "fragments.mp4"):
        path = files / name
        with open(path, "rb") as file:
            boxes = BoxMap(file, path.stat().st_size)
        assert not boxes.patches and not boxes.mendable and boxes.skipped == 0
        assert {box.kind for box in boxes.boxes} >= {b"moov", b"mdat"}


def test_patches_are_seen_by_whatever_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    file = PatchedFile(str(path), {3: b"abc"})
    assert file.read() == b"012abc6789"
    file.seek(4)
    assert (file.read(1), file.read(3), file.tell()) == (b"b", b"c67", 8)
    file.close()


def test_a_destroyed_cluster_is_told(
    files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    data = (files / "clusters.mkv").read_bytes()
    places = _all_places(data, b"\x1f\x43\xb6\x75")
    assert len(places) > 3
    source, out = tmp_path / "in.mkv", tmp_path / "out.mkv"
    source.write_bytes(data[: places[1]] + bytes(places[2] - places[1]) + data[places[2] :])
    with caplog.at_level(logging.WARNING):
        assert main([str(source), str(out)]) == 0
    told = capsys.readouterr().err
    assert "bytes of the input not read" in told and "bit-exactly" not in told
    assert "passed over" in caplog.text


@pytest.mark.parametrize("name", ["whole.mp4", "fragments.mp4", "clusters.mkv", "whole.flv"])
def test_nothing_is_told_of_a_whole_file(files: Path, tmp_path: Path, name: str) -> None:
    result = conceal_file(files / name, tmp_path / "out.mkv")
    assert (result.unread, result.pictures, result.exact) == (0, PICTURES, True)


def test_a_sample_beyond_the_end_does_not_end_the_reading(files: Path, tmp_path: Path) -> None:
    """The place of the thirteenth picture lies beyond the end; those behind it are there."""
    data = (files / "whole.mp4").read_bytes()
    at = data.find(b"stco") + 8
    count = int.from_bytes(data[at : at + 4], "big")
    assert count > 20
    place = at + 4 + 4 * 12
    source = tmp_path / "in.mp4"
    source.write_bytes(data[:place] + (1 << 30).to_bytes(4, "big") + data[place + 4 :])
    result = conceal_file(source, tmp_path / "out.mkv", Settings(encoder=FAST))
    assert result.pictures >= PICTURES - 3
