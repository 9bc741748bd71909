"""Recordings without an index, end to end: pictures, sound and their times come back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.salvage_files import RECORDINGS, Broken, Recording, boxes, broken, has_gstreamer, make, packets, x264
from benchmarks.salvage_measure import Outcome, outcome
from concealer.bitstream import Codec
from pipelines.cli import main
from pipelines.errors import InputError, Interrupted
from pipelines.reading import Source
from tests.media import clip, decode_luma, encode_file

_SECONDS = 3.0
_SYNC = 0.0401
"""Seconds."""
_BY_NAME = {recording.name: recording for recording in RECORDINGS}
_FRAGMENTED = "fragmented"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings by name, made when they are asked for."""
    folder = tmp_path_factory.mktemp("recordings")

    class Made(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            recording = _BY_NAME[name]
            path = folder / f"{len(self)}{recording.suffix}"
            self[name] = make(recording, path, _SECONDS)
            return path

    return Made()


def _hold(found: Outcome, sync: float = _SYNC) -> None:
    assert found.pictures_found >= 0.9 * found.pictures > 0
    assert found.sound_found >= 0.9 * found.sound
    assert found.sync is None or found.sync <= sync


CASES = [
    ("medium, B-pictures", "no moov", "x264's own message"),
    ("medium, B-pictures", "zeroed middle", "x264's own message"),
    ("medium, B-pictures", "moov broken", "x264's own message"),
    ("medium, B-pictures", "tables broken", "the broken index"),
    ("slow, B-pyramid, MOV with PCM", "no moov", "x264's own message"),
    ("slow, B-pyramid, MOV with PCM", "no head", "a search"),
    ("four slices, 44.1 kHz mono", "truncated", "x264's own message"),
    ("baseline 3GP with AMR", "zeroed middle", "x264's own message"),
    ("parameter sets in band", "holes", "the stream"),
    ("10 bit", "truncated", "x264's own message"),
    ("interlaced", "no moov", "x264's own message"),
    ("open GOP, intra refresh", "no moov", "x264's own message"),
    (_FRAGMENTED, "no moov", "x264's own message"),
    (_FRAGMENTED, "zeroed middle", "x264's own message"),
    ("hvc1", "no moov", "a search"),
    ("hev1, in band", "zeroed middle", "the stream"),
]


@pytest.mark.parametrize(("name", "way", "sets"), CASES, ids=[f"{name}-{way}" for name, way, _ in CASES])
def test_nine_in_ten_come_back_in_sync(
    recorded: dict[str, Path], tmp_path: Path, name: str, way: str, sets: str
) -> None:
    original = recorded[name]
    found = outcome(original, broken(original, way, tmp_path / f"broken{original.suffix}"))
    _hold(found)
    assert found.parameter_sets == sets
    assert "index rebuilt: " in found.told


@pytest.mark.parametrize("name", [one.name for one in RECORDINGS if one.pipeline])
def test_other_muxers(recorded: dict[str, Path], tmp_path: Path, name: str) -> None:
    if not has_gstreamer():
        pytest.skip("no gst-launch-1.0 here")
    try:
        original = recorded[name]
    except Exception as error:  # an element that is not installed
        pytest.skip(f"cannot be made here: {error}")
    _hold(outcome(original, broken(original, "no moov", tmp_path / f"broken{original.suffix}")))


def test_times_are_those_of_the_recording(recorded: dict[str, Path], tmp_path: Path) -> None:
    """29.97 pictures a second with B-pictures: the rate is found by the sound, each picture at its time."""
    recording = _BY_NAME["29.97, 360p"]
    original = make(recording, tmp_path / "whole.mp4", _SECONDS)
    found = outcome(original, broken(original, "no moov", tmp_path / "broken.mp4"))
    _hold(found, 0.001)
    assert found.drift < 0.001
    assert "29.97 pictures a second from the sound" in found.told


def test_the_command_says_what_it_did(
    recorded: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = recorded["medium, B-pictures"]
    copy = broken(original, "zeroed middle", tmp_path / "broken.mp4")
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    assert main([str(copy.path), str(out), "--report", str(report), "--preset", "ultrafast"]) == 0
    told = capsys.readouterr().err
    assert "index rebuilt: " in told and "parameter sets from x264's own message" in told
    salvaged = json.loads(report.read_text())["totals"]["salvaged"]
    assert salvaged["codec"] == "h264" and salvaged["pictures"] > 50
    assert salvaged["rate_from"] == "the sound" and salvaged["assumed"] == ["colours"]
    assert json.loads(report.read_text())["salvaged"] == salvaged
    assert len(packets(out)["video"]) >= salvaged["pictures"]
    page = tmp_path / "report.html"
    assert main([str(copy.path), str(out), "-y", "-q", "--report", str(page), "--preset", "ultrafast"]) == 0
    assert "parameter sets from x264&#39;s own message" in page.read_text()


def test_an_undamaged_stream_without_index_is_copied_bit_for_bit(recorded: dict[str, Path], tmp_path: Path) -> None:
    original = recorded["medium, B-pictures"]
    copy, out = broken(original, "no moov", tmp_path / "broken.mp4"), tmp_path / "out.mp4"
    assert main([str(copy.path), str(out), "-q"]) == 0
    with av.open(str(original)) as one, av.open(str(out)) as other:
        for kind in ("video", "audio"):
            whole, found = ([bytes(p) for p in c.demux(**{kind: 0}) if p.size] for c in (one, other))
            assert whole == found
    with av.open(str(original)) as one, av.open(str(out)) as other:
        for first, second in zip(one.decode(video=0), other.decode(video=0), strict=True):
            assert first.time == second.time
            assert (first.to_ndarray() == second.to_ndarray()).all()


def test_a_sibling_gives_what_the_stream_lacks(tmp_path: Path) -> None:
    """A size that is not usual, nothing of the encoder in the stream: only a sibling knows."""
    odd = Recording("odd", "x265", "FFmpeg", "hevc", size=(328, 200), params={"keyint": 25, "rd": 2}, sound="")
    original, like = make(odd, tmp_path / "one.mp4", 2.0), make(odd, tmp_path / "other.mp4", 1.0)
    copy = broken(original, "no moov", tmp_path / "broken.mp4")
    with pytest.raises(InputError, match="--like GOOD.mp4"):
        outcome(original, copy)
    found = outcome(original, copy, str(like))
    _hold(found)
    assert found.parameter_sets == "the sibling" and "from the sibling" in found.told


def test_a_sibling_that_is_none_is_refused(recorded: dict[str, Path], tmp_path: Path) -> None:
    original = recorded["medium, B-pictures"]
    copy = broken(original, "no moov", tmp_path / "broken.mp4")
    with pytest.raises(InputError, match="sibling"):
        Source(str(copy.path), like=str(copy.path))


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_an_index_that_is_whole_is_left_alone(recorded: dict[str, Path], tmp_path: Path, cut: bool) -> None:
    data = make(x264("front", options={"movflags": "faststart"}), tmp_path / "front.mp4", 2.0).read_bytes()
    path = tmp_path / "file.mp4"
    path.write_bytes(data[: len(data) * 3 // 4] if cut else data)
    source = Source(str(path))
    assert source.salvaged is None
    source.close()


def test_an_index_that_points_elsewhere_is_made_anew(recorded: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(recorded["medium, B-pictures"].read_bytes())
    for name in (b"stco",):
        place = data.find(name, data.find(b"moov"))
        while place >= 0:
            count = int.from_bytes(data[place + 8 : place + 12], "big")
            for at in range(place + 12, place + 12 + 4 * count, 4):
                data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 333).to_bytes(4, "big")
            place = data.find(name, place + 1)
    path = tmp_path / "shifted.mp4"
    path.write_bytes(data)
    found = outcome(recorded["medium, B-pictures"], Broken(path, ()))
    _hold(found)
    assert found.parameter_sets == "the broken index"


@pytest.mark.parametrize(("name", "box"), [("medium, B-pictures", b"avcC"), ("hvc1", b"hvcC")])
@pytest.mark.parametrize("place", [6, 12], ids=["all", "the first set"])
def test_damaged_parameter_sets_in_an_index_are_found_elsewhere(
    recorded: dict[str, Path], tmp_path: Path, name: str, box: bytes, place: int
) -> None:
    """An index that is right about everything else is of no use without them."""
    data = bytearray(recorded[name].read_bytes())
    start = data.rindex(box) + len(box)
    end = start - 2 * len(box) + int.from_bytes(data[start - 8 : start - 4], "big")
    data[start + place : end] = bytes(end - start - place)
    path = tmp_path / f"sets{recorded[name].suffix}"
    path.write_bytes(data)
    _hold(outcome(recorded[name], Broken(path, ())))


@pytest.mark.parametrize("fragments", [False, True])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("kind", ["codec", "track"])
def test_pictures_under_a_damaged_name_are_found(tmp_path: Path, codec: Codec, kind: str, fragments: bool) -> None:
    """One bit of the four letters that say what a track holds, and libavformat knows no codec, or no video."""
    options = {"movflags": "frag_keyframe+empty_moov"} if fragments else {}
    original = encode_file(tmp_path / "whole.mp4", clip(24), codec, gop=12, audio=True, muxer_options=options)
    whole = decode_luma(original)
    name = b"vide" if kind == "track" else b"avc1" if codec == "h264" else b"hev1"
    for place in range(len(name)):
        data = bytearray(original.read_bytes())
        data[data.rindex(name) + place] ^= 0x10
        (tmp_path / "damaged.mp4").write_bytes(data)
        assert main(["-q", "-y", str(tmp_path / "damaged.mp4"), str(tmp_path / "out.mkv")]) == 0
        assert np.array_equal(decode_luma(tmp_path / "out.mkv"), whole)


@pytest.mark.parametrize("seed", [11, 13])
def test_noise_is_not_taken_for_sound_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """PCM that is not smooth was found at more samples a second than a file can tell."""

    def noise(seconds: float, rate: int, channels: int) -> npt.NDArray[np.float32]:
        """Tones that come and go in white noise."""
        rng = np.random.default_rng(seed)
        time = np.arange(round(seconds * rate)) / rate
        tones = sum(np.sin(2 * np.pi * pitch * time) for pitch in rng.uniform(80, 1200, 3))
        hiss = rng.normal(0, rng.uniform(0.005, 0.2), (channels, len(time)))
        swell = np.clip(np.sin(2 * np.pi * rng.uniform(0.3, 2) * time), 0, 1)
        return (swell * tones / 15 + hiss).astype(np.float32)

    monkeypatch.setattr("benchmarks.salvage_files.tone", noise)
    recording = _BY_NAME["slow, B-pyramid, MOV with PCM"]
    original = make(recording, tmp_path / f"noise{recording.suffix}", _SECONDS)
    found = outcome(original, broken(original, "no moov", tmp_path / f"broken{recording.suffix}"))
    assert found.pictures_found >= 0.9 * found.pictures > 0


def test_what_was_cut_out_of_a_recording_stays_out(recorded: dict[str, Path], tmp_path: Path) -> None:
    """Samples of the start that an editor took out of the index, and left in the file."""
    with av.open(str(recorded["medium, B-pictures"])) as whole:
        extra = b"".join(bytes(packet) for packet in whole.demux(video=0))
    data = make(x264("kept", options={"movflags": "faststart"}), tmp_path / "kept.mp4", 2.0).read_bytes()
    moov = next(data[a:b] for kind, a, b in boxes(data) if kind == b"moov")
    start, end = next((a, b) for kind, a, b in boxes(data) if kind == b"mdat")
    body = extra + data[start + 8 : end]
    shift = len(extra)
    fresh = bytearray(moov)
    place = fresh.find(b"stco")
    while place >= 0:
        for at in range(place + 12, place + 12 + 4 * int.from_bytes(fresh[place + 8 : place + 12], "big"), 4):
            fresh[at : at + 4] = (int.from_bytes(fresh[at : at + 4], "big") + shift).to_bytes(4, "big")
        place = fresh.find(b"stco", place + 1)
    path = tmp_path / "edited.mp4"
    front = data[:start].replace(moov, bytes(fresh))
    path.write_bytes(front + (len(body) + 8).to_bytes(4, "big") + b"mdat" + body)
    source = Source(str(path))
    assert source.salvaged is None
    assert len(packets(path)["video"]) == 50
    source.close()


@pytest.mark.parametrize("kind", ["noise", "zeros", "sound", "empty moov"])
def test_a_file_with_nothing_in_it_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path, out = tmp_path / "nothing.mp4", tmp_path / "out.mp4"
    noise = random.Random(7).randbytes(300_000)
    head = b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom"
    if kind == "sound":
        make(x264("heard", sound="aac"), tmp_path / "heard.mp4", 1.0)
        with av.open(str(tmp_path / "heard.mp4")) as whole:
            sound = b"".join(bytes(packet) for packet in whole.demux(audio=0))
        path.write_bytes(head + b"\x00\x00\x00\x00mdat" + sound)
    else:
        body = {"noise": noise, "zeros": bytes(300_000), "empty moov": b"\x00\x00\x00\x08moov"}[kind]
        path.write_bytes(head + b"\x00\x00\x00\x00mdat" * (kind != "empty moov") + body)
    assert main([str(path), str(out)]) == 3
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and "nothing.mp4" in told[0]
    assert not out.exists()


def test_it_can_be_interrupted(recorded: dict[str, Path], tmp_path: Path) -> None:
    original = recorded["medium, B-pictures"]
    copy = broken(original, "no moov", tmp_path / "broken.mp4")
    with pytest.raises(Interrupted):
        Source(str(copy.path), stopped=lambda: True)


def test_pictures_behind_a_long_hole_are_found(recorded: dict[str, Path], tmp_path: Path) -> None:
    data = recorded["parameter sets in band"].read_bytes()
    start = data.find(b"mdat") + 4
    path = tmp_path / "late.mp4"
    path.write_bytes(bytes(30 << 20) + data[start : data.rfind(b"moov") - 4])
    source = Source(str(path))
    assert source.salvaged is not None and source.salvaged.pictures == 75
    source.close()


@pytest.mark.parametrize("seed", range(5))
def test_garbage_never_raises_anything_else(recorded: dict[str, Path], tmp_path: Path, seed: int) -> None:
    data = bytearray(recorded["medium, B-pictures"].read_bytes())
    chance = random.Random(seed)
    data = data[: data.find(b"moov") - 4]
    for _ in range(chance.randrange(1, 40)):
        place, size = chance.randrange(len(data)), chance.randrange(1, 3000)
        data[place : place + size] = chance.randbytes(min(size, len(data) - place))
    path = tmp_path / "garbage.mp4"
    path.write_bytes(data[chance.randrange(200) :])
    try:
        source = Source(str(path))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert source.salvaged is not None and source.salvaged.pictures > 0
        source.close()
