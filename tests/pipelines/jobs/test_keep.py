"""Damaged files of which only what is damaged changes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from concealer.bitstream import join_length_prefixed, parse_extradata
from pipelines import (
    ConcealError,
    ConcealResult,
    EncoderSettings,
    Settings,
    SpliceTotals,
    Totals,
    UsageError,
    conceal_file,
)
from pipelines.cli import main
from pipelines.jobs import OutputMode, span_results
from pipelines.jobs.parameter_sets import with_more_sets
from pipelines.jobs.survey import PIECE, Span, Survey
from pipelines.reading import VideoPayload
from pipelines.summary import summary
from pipelines.writing import with_data
from tests.media import Codec, clip, decode_luma, encode_file
from tests.pipelines.files import damage_samples, packets_of, picture_times

PICTURES, GOP = 60, 12
FAST = EncoderSettings(preset="ultrafast")
CLOSED: dict[Codec, dict[str, str | int]] = {"h264": {"keyint": GOP}, "hevc": {"keyint": GOP, "open-gop": 0}}


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-9))


def whole_file(path: Path, codec: Codec, *, bframes: int = 2, extra: dict[str, str | int] | None = None) -> Path:
    options = {**CLOSED[codec], "min-keyint": GOP, **(extra or {})}
    frames = clip(PICTURES, 176, 192)  # three rows of CTBs, one for each slice
    return encode_file(path, frames, codec, bframes=bframes, slices=3, gop=GOP, extra=options, audio=True)


def remuxed(source: Path, target: Path) -> Path:
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in opened.streams}
        for packet in opened.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return target


def cut_at_start(source: Path, target: Path, count: int) -> Path:
    """Without the first access units of the video, as a receiver records that was switched on in between."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in opened.streams}
        seen = 0
        for packet in opened.demux():
            video = packet.stream.type == "video"
            seen += video
            if packet.size and not (video and seen <= count):
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    return target


def video_bytes(path: Path) -> list[bytes]:
    return packets_of(path, "video")


@pytest.mark.parametrize("output", ["auto", "gop"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_whole_groups_stay_byte_for_byte(tmp_path: Path, codec: Codec, suffix: str, output: OutputMode) -> None:
    whole = whole_file(tmp_path / "whole.mkv", codec)
    damaged, out = tmp_path / f"damaged{suffix}", tmp_path / f"out{suffix}"
    remuxed(damage_samples(whole, tmp_path / "lost.mkv", {2 * GOP + 3}), damaged)
    result = conceal_file(damaged, out, Settings(output=output))
    assert (result.pictures, result.damaged_pictures, result.totals.repaired) == (PICTURES, 1, 1)
    assert result.kept is not None and result.kept.route == ("splice" if output == "auto" else "gop")
    before, after = video_bytes(damaged), video_bytes(out)
    assert len(after) == PICTURES
    touched = range(2 * GOP, 3 * GOP) if output == "gop" else range(2 * GOP + 3, 2 * GOP + 4)
    for number in set(range(PICTURES)) - set(touched):
        assert after[number].endswith(before[number]), f"access unit {number} was changed"
    assert packets_of(out, "audio") == packets_of(damaged, "audio")
    assert picture_times(out) == pytest.approx(picture_times(damaged), abs=1e-3)
    quality = [psnr(a, b) for a, b in zip(decode_luma(out), decode_luma(whole), strict=True)]
    assert min(quality) > 20
    assert all(value > 90 for number, value in enumerate(quality) if not 2 * GOP <= number < 3 * GOP)


@pytest.mark.parametrize("output", ["auto", "gop"])
@pytest.mark.parametrize(("codec", "suffix"), [("h264", ".ts"), ("hevc", ".mkv")])
def test_spans_are_repaired_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec, suffix: str, output: OutputMode
) -> None:
    monkeypatch.setattr(span_results, "_LEAST_SHARE", 1)
    whole = whole_file(tmp_path / "whole.mkv", codec)
    damaged = tmp_path / f"damaged{suffix}"
    remuxed(damage_samples(whole, tmp_path / "lost.mkv", {3, 2 * GOP + 3, 4 * GOP + 1}), damaged)
    made = []
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}{suffix}"
        result = conceal_file(damaged, out, Settings(jobs=jobs, output=output))
        assert result.totals.repaired == 3
        made.append((video_bytes(out), packets_of(out, "audio"), picture_times(out)))
        assert result.kept is not None and result.kept.bytes_kept > 0
    assert made[0] == made[1]
    assert not list(tmp_path.glob(".*"))


def test_a_group_that_is_encoded_leaves_the_parameter_sets_of_the_others(tmp_path: Path) -> None:
    """The header of an MP4 file holds both, so that players that read no sets within samples play across the seams."""
    whole = whole_file(tmp_path / "whole.mp4", "h264")
    damage_samples(whole, tmp_path / "damaged.mp4", {GOP + 2})
    conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mp4", Settings(output="gop"))
    kinds = {data[4] & 31 for data in video_bytes(tmp_path / "out.mp4")}
    assert not kinds & {7, 8}
    with av.open(str(tmp_path / "out.mp4")) as container:
        header = container.streams.video[0].codec_context.extradata
        assert header is not None and header[5] & 31 == 2


def test_where_splicing_is_refused_groups_are_encoded(tmp_path: Path) -> None:
    whole = whole_file(tmp_path / "whole.mp4", "hevc", bframes=0, extra={"scaling-list": "default"})
    damage_samples(whole, tmp_path / "damaged.mp4", {GOP + 2})
    result = conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mp4")
    assert result.action == "repaired" and result.kept is not None
    assert (result.kept.route, result.kept.groups_encoded) == ("gop", 1)
    assert len(decode_luma(tmp_path / "out.mp4")) == PICTURES


def test_interlaced_files_are_spliced(tmp_path: Path) -> None:
    whole = whole_file(tmp_path / "whole.mp4", "h264", bframes=2, extra={"tff": 1, "slices": 3})
    damage_samples(whole, tmp_path / "damaged.mp4", {GOP + 2})
    result = conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mp4")
    assert result.action == "spliced" and result.kept is not None and result.kept.bytes_kept
    assert len(decode_luma(tmp_path / "out.mp4")) == PICTURES


def test_open_groups_are_spliced_from_any_entry(tmp_path: Path) -> None:
    whole = whole_file(tmp_path / "whole.mkv", "hevc", bframes=3, extra={"open-gop": 1})
    damage_samples(whole, tmp_path / "damaged.mkv", {3 * GOP + 4})
    result = conceal_file(tmp_path / "damaged.mkv", tmp_path / "out.mkv")
    assert result.kept is not None and result.kept.route == "splice" and result.kept.bytes_kept > 0
    whole_luma = decode_luma(whole)
    quality = [psnr(a, b) for a, b in zip(decode_luma(tmp_path / "out.mkv"), whole_luma, strict=True)]
    assert min(quality) > 20 and all(value > 90 for value in quality[: 2 * GOP])


@pytest.mark.parametrize("output", ["auto", "gop"])
@pytest.mark.parametrize("lost", [{0}, {PICTURES - 1}, {GOP - 1, GOP, GOP + 1}, set(range(5, PICTURES, 7))])
def test_damage_anywhere(tmp_path: Path, lost: set[int], output: OutputMode) -> None:
    whole = whole_file(tmp_path / "whole.mp4", "h264")
    damage_samples(whole, tmp_path / "damaged.mp4", lost)
    result = conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mp4", Settings(output=output))
    assert result.damaged_pictures == len(lost)
    assert len(decode_luma(tmp_path / "out.mp4")) == PICTURES


def test_an_encoder_s_options_mean_that_all_is_encoded(tmp_path: Path) -> None:
    whole = whole_file(tmp_path / "whole.mp4", "h264")
    damage_samples(whole, tmp_path / "damaged.mp4", {GOP + 2})
    result = conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mkv", Settings(encoder=FAST))
    assert (result.action, result.kept) == ("repaired", None)


def test_what_has_no_groups_to_be_kept_is_said_in_one_line(tmp_path: Path) -> None:
    raw = encode_file(tmp_path / "whole.264", clip(12, 176, 144), "h264")
    with pytest.raises(UsageError, match="needs a file with times"):
        conceal_file(raw, tmp_path / "out.264", Settings(output="gop"))
    whole = whole_file(tmp_path / "whole.mp4", "h264", extra={"open-gop": 1})
    middle = cut_at_start(whole, tmp_path / "middle.mkv", 4)
    damage_samples(middle, tmp_path / "damaged.mkv", {GOP + 2})
    with pytest.raises(ConcealError, match="single groups of pictures cannot be encoded anew: it is damaged before"):
        conceal_file(tmp_path / "damaged.mkv", tmp_path / "out.mkv", Settings(output="gop"))


def test_groups_of_a_recording_that_begins_in_mid_gop_are_encoded(tmp_path: Path) -> None:
    middle = cut_at_start(whole_file(tmp_path / "whole.mp4", "h264"), tmp_path / "middle.mkv", 4)
    damage_samples(middle, tmp_path / "damaged.mkv", {2 * GOP + 2})
    result = conceal_file(tmp_path / "damaged.mkv", tmp_path / "out.mkv", Settings(output="gop"))
    assert result.kept is not None and (result.kept.groups_encoded, result.kept.pictures_encoded) == (1, GOP)
    before, after = video_bytes(tmp_path / "damaged.mkv"), video_bytes(tmp_path / "out.mkv")
    assert len(after) == PICTURES - 4 and after[: 2 * GOP - 4] == before[: 2 * GOP - 4]
    assert len(decode_luma(tmp_path / "out.mkv")) == PICTURES - GOP


def test_the_report_tells_of_every_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = whole_file(tmp_path / "whole.mp4", "h264")
    damage_samples(whole, tmp_path / "damaged.mp4", {GOP + 2})
    report = tmp_path / "report.json"
    command = [str(tmp_path / "damaged.mp4"), str(tmp_path / "out.mp4"), "--report", str(report)]
    assert main(command) == 0
    assert report.read_text().count('"pts"') >= PICTURES
    assert "1 of 60 pictures repaired in the stream" in capsys.readouterr().err
    assert main([*command, "-y", "--output", "gop"]) == 0
    assert "in 1 group of pictures, all else kept" in capsys.readouterr().err


def test_spans_reach_from_entry_to_entry() -> None:
    survey = Survey("h264", None)
    start = b"\0\0\0\1"
    for number in range(40):
        kind = 5 if number % 10 == 0 else 1
        survey.payload(VideoPayload(0, start + bytes([0x60 | kind]) + b"\x88", number, number, 1))
    assert survey.spans(closed=True) == []
    survey.places.damaged = {12, 25, 33}
    assert survey.spans(closed=True) == [Span(0, 10, 40)]
    survey.places.damaged = {5, 25}
    assert survey.spans(closed=False) == [Span(0, 0, 10), Span(10, 20, 30)]


def test_a_long_span_is_cut_where_nothing_is_missing() -> None:
    survey = Survey("h264", None)
    for number in range(4 * PIECE):
        kind = 5 if number % 50 == 0 else 1
        survey.payload(VideoPayload(0, b"\0\0\0\1" + bytes([0x60 | kind]) + b"\x88", number, number, 1))
    survey.places.damaged = set(range(25, 4 * PIECE, 50))
    cuts = [n * PIECE for n in range(4)]
    assert survey.spans(closed=True) == [Span(cut, cut, cut + PIECE) for cut in cuts]
    survey.places.damaged |= {PIECE, 2 * PIECE + 1, 3 * PIECE - 1}  # what begins there must be whole
    assert [span.first for span in survey.spans(closed=True)] == [0, PIECE + 50, 2 * PIECE + 50]
    survey.places.incomplete.add(PIECE + 35)  # a picture missing beside it may show only at the cut
    assert [span.first for span in survey.spans(closed=True)] == [0, PIECE + 100, 2 * PIECE + 100]


def test_parameter_sets_within_samples_change_nothing_if_they_are_those_of_the_header(tmp_path: Path) -> None:
    """Some muxers leave them before every IDR picture."""
    whole = whole_file(tmp_path / "whole.mp4", "h264")
    with av.open(str(whole)) as opened, av.open(str(tmp_path / "sets.mp4"), "w") as out:
        source = opened.streams.video[0]
        header = source.codec_context.extradata
        assert header is not None
        sets = join_length_prefixed(parse_extradata("h264", header).parameter_sets, 4)
        stream = out.add_stream_from_template(source, opaque=True)
        for packet in opened.demux(source):
            if packet.size:
                made = with_data(packet, sets + bytes(packet)) if packet.is_keyframe else packet
                made.stream = stream
                out.mux(made)
    damage_samples(tmp_path / "sets.mp4", tmp_path / "damaged.mp4", {3 * GOP + 2})
    result = conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mp4")
    assert result.kept is not None and result.kept.bytes_kept > 0


def test_a_header_that_is_cut_takes_no_more_sets() -> None:
    assert with_more_sets(b"\x01\x64\x00\x0d\xff\xe1\x00\x20short", [], 4) is None


def test_times_are_those_of_the_input(tmp_path: Path) -> None:
    whole = whole_file(tmp_path / "whole.mp4", "h264", bframes=3)
    damage_samples(whole, tmp_path / "damaged.mp4", {GOP + 2})
    conceal_file(tmp_path / "damaged.mp4", tmp_path / "out.mp4", Settings(output="gop"))
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        times = [(p.pts, p.dts) for p in container.demux(stream) if p.size]
    assert all(pts is not None and dts is not None and dts <= pts for pts, dts in times)
    decode = [dts for _, dts in times if dts is not None]
    assert decode == sorted(set(decode))
    assert isinstance(stream.time_base, Fraction)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
@pytest.mark.parametrize(("codec", "open_gop"), [("h264", 0), ("h264", 1), ("hevc", 0), ("hevc", 1)])
def test_a_recording_that_begins_in_mid_gop_is_kept_too(
    tmp_path: Path, codec: Codec, open_gop: int, suffix: str
) -> None:
    """Open groups of H.264 begin at recovery points: such a recording has no IDR picture at all."""
    whole = whole_file(tmp_path / "whole.mkv", codec, extra={"open-gop": open_gop, "repeat-headers": 1})
    lost = damage_samples(whole, tmp_path / "lost.mkv", {3 * GOP + 3})
    damaged, out = cut_at_start(lost, tmp_path / f"damaged{suffix}", 5), tmp_path / f"out{suffix}"
    result = conceal_file(damaged, out)
    assert result.kept is not None and result.kept.route == "splice"
    assert (result.pictures, result.totals.repaired) == (PICTURES - 5, 1)
    before, after = video_bytes(damaged), video_bytes(out)
    assert [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]] == [
        3 * GOP + 3 - 5
    ]
    assert result.kept.bytes_kept > sum(map(len, before)) / 4  # of groups that were not touched
    assert packets_of(out, "audio") == packets_of(damaged, "audio")


def test_damage_before_the_first_entry_alone_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recorded from mid-GOP on, a picture lost before the first that decoding can begin with: nothing to repair."""
    fields: dict[str, str | int] = {"tff": 1, "keyint": 7, "min-keyint": 7}
    whole = encode_file(tmp_path / "whole.mp4", clip(21, 176, 160), "h264", bframes=2, gop=7, extra=fields)
    joined = tmp_path / "joined.mkv"
    with av.open(str(whole)) as opened, av.open(str(joined), "w") as out:
        stream = out.add_stream_from_template(opened.streams.video[0], opaque=True)
        for number, packet in enumerate(packet for packet in opened.demux(video=0) if packet.size):
            if number in (1, 2, 3, 5, 6, 7):
                packet.stream = stream
                out.mux(packet)
    assert main([str(joined), str(tmp_path / "out.mkv")]) == 0
    assert capsys.readouterr().err.count("\n") <= 2 and len(decode_luma(tmp_path / "out.mkv")) >= 1


def test_nothing_is_called_repaired_where_nothing_changed() -> None:
    totals = Totals(pictures=8, damaged=1, causes={"picture lost": 1})
    left = ConcealResult("in", "out", "spliced", totals, splice=SpliceTotals(kept=21, bytes_in=10, bytes_out=10))
    assert "1 of 8 pictures damaged, left as they came" in summary(left) and "repaired" not in summary(left)
    left.splice = SpliceTotals(kept=20, inserted=1, bytes_in=10, bytes_out=12)
    assert "1 of 8 pictures repaired in the stream" in summary(left)
