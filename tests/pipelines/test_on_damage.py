"""`--on-damage` and `--min-confidence`: what is shown in place of damaged pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import av
import numpy as np
import pytest

from concealer.bitstream import PARAMETER_SETS, join_annexb, nal_type, split_annexb
from pipelines.cli import main
from tests.media import Codec, clip, decode_luma, encode_bytes
from tests.pipelines.files import drop_slices

CODECS = get_args(Codec)
GOP, PICTURES, HIT = 10, 30, 13
"""The picture that is hit, and all up to the next IDR picture, are not clean."""
WIDTH, SLICES = 176, 4


def _damaged(folder: Path, codec: Codec, hit: int = HIT) -> Path:
    """One slice of picture `hit` is missing; HEVC: of one slice a picture, the end of it is cut."""
    slices = SLICES if codec == "h264" else 1
    data = encode_bytes(clip(PICTURES, WIDTH, 144), codec, slices=slices, gop=GOP, crf=20)
    data = drop_slices(data, codec, {hit * slices + 1}) if codec == "h264" else _cut(data, hit)
    path = folder / f"in.{codec}"
    path.write_bytes(data)
    return path


def _cut(data: bytes, hit: int) -> bytes:
    """The slice of picture `hit` without its second half."""
    parts = data.split(b"\x00\x00\x01")
    slices = [number for number, part in enumerate(parts) if number and part[0] >> 1 & 63 < 32]
    cut = parts[slices[hit]]
    parts[slices[hit]] = cut[: len(cut) // 2]
    return b"\x00\x00\x01".join(parts)


def _conceal(source: Path, target: Path, *options: str) -> dict[str, object]:
    """The report."""
    report = target.with_suffix(".json")
    arguments = ["--input-format", source.suffix[1:], "--encoder", "ffv1", "-q", "-y", "--report", str(report)]
    assert main([str(source), str(target), *arguments, *options]) == 0
    found = json.loads(report.read_text())
    assert isinstance(found, dict)
    return found


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]


@pytest.mark.parametrize("codec", CODECS)
def test_hold_repeats_the_last_good_picture_until_the_next_clean_one(tmp_path: Path, codec: Codec) -> None:
    source = _damaged(tmp_path, codec)
    repaired = _conceal(source, tmp_path / "conceal.mkv")
    report = _conceal(source, tmp_path / "hold.mkv", "--on-damage", "hold")
    concealed, held = decode_luma(tmp_path / "conceal.mkv"), decode_luma(tmp_path / "hold.mkv")
    assert len(held) == len(concealed) == PICTURES
    assert _times(tmp_path / "hold.mkv") == _times(tmp_path / "conceal.mkv")
    end = (HIT // GOP + 1) * GOP
    for place in range(PICTURES):
        shown = HIT - 1 if HIT <= place < end else place
        assert np.array_equal(held[place], concealed[shown]), place
    assert report["totals"]["totals"]["held"] == end - HIT  # type: ignore[index]
    pictures = report["pictures"]
    assert isinstance(pictures, list)
    assert [place for place, one in enumerate(pictures) if one.get("held")] == list(range(HIT, end))
    assert repaired["totals"]["totals"]["held"] == 0  # type: ignore[index]


@pytest.mark.parametrize("codec", CODECS)
def test_drop_leaves_out_what_is_not_clean_and_says_how_many(
    tmp_path: Path, codec: Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _damaged(tmp_path, codec)
    _conceal(source, tmp_path / "conceal.mkv")
    target = tmp_path / "drop.mkv"
    arguments = ["--input-format", source.suffix[1:], "--encoder", "ffv1", "--on-damage", "drop"]
    assert main([str(source), str(target), *arguments]) == 0
    end = (HIT // GOP + 1) * GOP
    assert f"{end - HIT} pictures dropped" in capsys.readouterr().err
    concealed, times = decode_luma(tmp_path / "conceal.mkv"), _times(tmp_path / "conceal.mkv")
    kept = [place for place in range(PICTURES) if not HIT <= place < end]
    assert _times(target) == [times[place] for place in kept]
    for one, place in zip(decode_luma(target), kept, strict=True):
        assert np.array_equal(one, concealed[place])


def test_every_repaired_picture_has_a_confidence_and_the_least_one_decides(tmp_path: Path) -> None:
    source = _damaged(tmp_path, "h264")
    pictures = _conceal(source, tmp_path / "conceal.mkv")["pictures"]
    assert isinstance(pictures, list)
    touched = {place: one["confidence"] for place, one in enumerate(pictures) if "confidence" in one}
    assert list(touched) == list(range(HIT, (HIT // GOP + 1) * GOP))
    assert all(0 <= confidence < 1 for confidence in touched.values())
    assert all("expected_psnr" in pictures[place] for place in touched)
    for least in (0.0, sorted(touched.values())[len(touched) // 2]):
        target = tmp_path / f"{least}.mkv"
        report = _conceal(source, target, "--on-damage", "drop", "--min-confidence", str(least))
        kept = sum(confidence >= least for confidence in touched.values())
        dropped = report["totals"]["totals"]["dropped"]  # type: ignore[index]
        assert dropped == pytest.approx(len(touched) - kept, abs=least > 0)  # the report rounds


def test_a_damaged_picture_nobody_refers_to_is_dropped_alone(tmp_path: Path) -> None:
    data = encode_bytes(clip(PICTURES, WIDTH, 144), "h264", slices=SLICES, bframes=2, gop=PICTURES, crf=20,
                        extra={"b-pyramid": "none", "b-adapt": 0})  # fmt: skip
    source = tmp_path / "in.h264"
    # In decode order I P B B P B B ...: the third picture is a B-picture.
    source.write_bytes(drop_slices(data, "h264", {2 * SLICES + 1}))
    report = _conceal(source, tmp_path / "out.mkv", "--on-damage", "drop")
    assert report["totals"]["totals"]["dropped"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--min-confidence", "0.5"], "--on-damage conceal shows every picture"),
        (["--on-damage", "hold", "--min-confidence", "1.5"], "0 to 1"),
        (["--on-damage", "hold", "--min-confidence", "nan"], "0 to 1"),
        (["--on-damage", "hold", "--splice"], "splice encodes nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _damaged(tmp_path, "h264")
    assert main([str(source), str(tmp_path / "out.mkv"), *options]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out.mkv").exists()


def test_a_file_of_which_nothing_is_left_to_show_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _damaged(tmp_path, "h264", hit=0)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 4])  # within the first GOP
    assert main([str(source), str(tmp_path / "out.mkv"), "--input-format", "h264", "--on-damage", "drop"]) == 1
    message = capsys.readouterr().err
    assert "every picture is damaged" in message
    assert not (tmp_path / "out.mkv").exists()


def _joined(folder: Path, codec: Codec, pictures: int) -> Path:
    """A stream that begins five pictures into a group, with its parameter sets in front."""
    nals = split_annexb(encode_bytes(clip(PICTURES, WIDTH, 144), codec, slices=1, gop=GOP, crf=20))
    sets = [nal for nal in nals if nal_type(codec, nal) in PARAMETER_SETS[codec]][: len(PARAMETER_SETS[codec])]
    slices = [nal for nal in nals if nal_type(codec, nal) in ((1, 5) if codec == "h264" else range(32))]
    path = folder / f"joined.{codec}"
    path.write_bytes(join_annexb([*sets, *slices[5 : 5 + pictures]]))
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_joined_in_mid_gop_begins_with_its_first_picture_of_use(tmp_path: Path, codec: Codec) -> None:
    source, target = _joined(tmp_path, codec, PICTURES - 5), tmp_path / "out.mkv"
    report = _conceal(source, target, "--always-encode")
    assert report["totals"]["totals"]["dropped"] == GOP - 5  # type: ignore[index]
    shown, clean = decode_luma(target), decode_luma(source)  # of which FFmpeg shows nothing before the intra picture
    assert len(shown) == len(clean) == PICTURES - GOP
    assert all(np.array_equal(one, other) for one, other in zip(shown, clean, strict=True))


@pytest.mark.parametrize("codec", CODECS)
def test_a_file_with_nothing_of_use_is_shown_as_it_is(tmp_path: Path, codec: Codec) -> None:
    source, target = _joined(tmp_path, codec, 4), tmp_path / "out.mkv"
    report = _conceal(source, target, "--always-encode")
    assert report["totals"]["totals"]["dropped"] == 0  # type: ignore[index]
    assert report["totals"]["totals"]["without_references"] == 4  # type: ignore[index]
    assert len(decode_luma(target)) == 4
