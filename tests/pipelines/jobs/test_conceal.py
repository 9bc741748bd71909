"""Whole files through the pipeline: nothing lost, damage repaired, whole streams untouched."""

from __future__ import annotations

import hashlib
import json
import random
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines import (
    ConcealError,
    EncoderSettings,
    InputError,
    Interrupted,
    OutputError,
    Settings,
    UsageError,
    conceal_file,
)
from pipelines.jobs import OutputMode
from pipelines.reading import Source
from pipelines.writing.hdr import content_light, mastering_display
from tests.media import clip, decode_luma, encode_bytes
from tests.pipelines.files import damage_samples, hdr_file, packets_of, picture_times, rich_file

FAST = EncoderSettings(preset="ultrafast")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 10 * np.log10(255**2 / max(error, 1e-9))


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.ts", "hevc.mp4", "hevc.mkv", "hevc.ts"])
def test_whole_file_is_copied_bit_exactly(media: Path, tmp_path: Path, name: str) -> None:
    result = conceal_file(media / name, tmp_path / name)
    assert result.action == "copied"
    assert (result.pictures, result.damaged_pictures) == (24, 0)
    for kind in ("video", "audio"):
        assert packets_of(tmp_path / name, kind) == packets_of(media / name, kind)
    assert picture_times(tmp_path / name) == pytest.approx(picture_times(media / name), abs=1e-3)


@pytest.mark.parametrize("name", ["h264.264", "hevc.265"])
def test_whole_elementary_stream_is_copied_byte_by_byte(media: Path, tmp_path: Path, name: str) -> None:
    assert conceal_file(media / name, tmp_path / name).action == "copied"
    assert (tmp_path / name).read_bytes() == (media / name).read_bytes()


@pytest.mark.parametrize("name", ["h264.264", "hevc.265"])
def test_elementary_stream_gets_times_when_it_is_copied_into_a_container(
    media: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out.mp4"
    assert conceal_file(media / name, out).action == "copied"
    assert np.diff(picture_times(out)) == pytest.approx(np.full(23, 0.04))
    for ours, whole in zip(decode_luma(out), decode_luma(media / name), strict=True):
        assert np.array_equal(ours, whole)


@pytest.mark.parametrize("output", ["auto", "gop", "encode"])
@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "hevc.mp4", "hevc.mkv"])
def test_lost_slices_are_repaired_and_everything_else_is_kept(
    media: Path, tmp_path: Path, name: str, output: OutputMode
) -> None:
    damaged, out = media / f"damaged-{name}", tmp_path / name
    result = conceal_file(damaged, out, Settings(output=output))
    assert result.action == ("spliced" if output == "auto" else "repaired")
    assert (result.pictures, result.damaged_pictures, result.totals.repaired) == (24, 2, 2)
    assert result.totals.causes["slice lost"] == 2
    assert packets_of(out, "audio") == packets_of(media / name, "audio")
    assert picture_times(out) == pytest.approx(picture_times(media / name), abs=1e-3)
    clean, repaired = decode_luma(media / name), decode_luma(out)
    quality = [psnr(a, b) for a, b in zip(repaired, clean, strict=True)]
    assert min(quality) > 18, "a hole was left open"
    assert np.median(quality) > 38, "encoding is not visually lossless"


@pytest.mark.parametrize("name", ["damaged-h264.264", "damaged-hevc.265"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", "raw"])
def test_damaged_elementary_streams_go_into_any_container(media: Path, tmp_path: Path, name: str, suffix: str) -> None:
    out = tmp_path / ("out" + (Path(name).suffix if suffix == "raw" else suffix))
    result = conceal_file(media / name, out, Settings(encoder=FAST))
    assert (result.action, result.pictures, result.damaged_pictures) == ("repaired", 24, 3)
    assert len(decode_luma(out)) == 24


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("damaged", [False, True])
def test_rich_files_keep_all_they_hold(tmp_path: Path, suffix: str, damaged: bool) -> None:
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    rich = rich_file(tmp_path / f"whole{suffix}")
    if damaged:
        damage_samples(tmp_path / f"whole{suffix}", source, {5, 14})
    else:
        (tmp_path / f"whole{suffix}").rename(source)
    result = conceal_file(source, out, Settings(encoder=FAST))
    assert result.action == ("repaired" if damaged else "copied")
    assert result.dropped == []
    assert picture_times(out) == pytest.approx([t / 90000 for t in rich.times], abs=1e-3)
    assert packets_of(out, "audio") == packets_of(source, "audio")
    words = [p for p in packets_of(out, "subtitle") if p.strip(b"\0")]
    assert [w[-len(text) :].decode() for w, text in zip(words, rich.subtitles, strict=True)] == list(rich.subtitles)
    with av.open(str(source)) as before, av.open(str(out)) as after:
        assert after.metadata["title"] == rich.title
        assert [c["metadata"]["title"] for c in after.chapters()] == list(rich.chapters)
        assert [s.type for s in after.streams] == [s.type for s in before.streams]
        assert [s.disposition for s in after.streams] == [s.disposition for s in before.streams]
        starts = [[float(s.start_time * s.time_base) for s in (c.streams[0], c.streams[1])] for c in (before, after)]
        assert starts[1] == pytest.approx(starts[0], abs=1e-3)
        assert after.streams.subtitles[0].language == "fra"
        assert after.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        context = after.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (
            1,
            1,
            1,
            1,
        )
        assert next(after.decode(video=0)).rotation == 90
        if suffix == ".mkv":
            assert after.streams.attachments[0].data == before.streams.attachments[0].data


def test_a_late_start_is_kept_for_sound_and_picture(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    rich = rich_file(tmp_path / "whole.mp4", start=5 * 90000)
    damage_samples(tmp_path / "whole.mp4", source, {5})
    conceal_file(source, out, Settings(encoder=FAST))
    assert picture_times(out) == pytest.approx([t / 90000 for t in rich.times], abs=1e-3)
    with av.open(str(source)) as before, av.open(str(out)) as after:
        sound = [c.streams.audio[0] for c in (before, after)]
        assert sound[1].start_time * sound[1].time_base == pytest.approx(
            float(sound[0].start_time * sound[0].time_base)
        )


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_hdr_and_bit_depth_survive_encoding(tmp_path: Path, suffix: str) -> None:
    damaged = damage_samples(hdr_file(tmp_path / "whole.mkv"), tmp_path / "in.mkv", {4})
    out = tmp_path / f"out{suffix}"
    assert conceal_file(damaged, out, Settings(encoder=FAST)).damaged_pictures == 1
    with av.open(str(out)) as opened:
        context = opened.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p10le"
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (
            9,
            16,
            9,
            1,
        )
        first = next(opened.decode(video=0))
    assert mastering_display(first) == "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    assert content_light(first) == "1000,400"
    assert Source(str(out)).chroma_location(0) == Source(str(damaged)).chroma_location(0) == 2


def test_ffv1_output_is_lossless(media: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    settings = Settings(encoder=EncoderSettings("ffv1"), always_encode=True)
    assert conceal_file(media / "h264.mp4", out, settings).action == "encoded"
    for ours, whole in zip(decode_luma(out), decode_luma(media / "h264.mp4"), strict=True):
        assert np.array_equal(ours, whole)


def test_rotation_reaches_another_codec(tmp_path: Path) -> None:
    rich_file(tmp_path / "in.mp4")
    out = tmp_path / "out.mkv"
    conceal_file(tmp_path / "in.mp4", out, Settings(encoder=EncoderSettings("ffv1"), always_encode=True))
    with av.open(str(out)) as opened:
        assert next(opened.decode(video=0)).rotation == 90


def test_streams_that_the_container_cannot_hold_are_dropped_and_told(tmp_path: Path) -> None:
    rich_file(tmp_path / "in.mkv")
    result = conceal_file(tmp_path / "in.mkv", tmp_path / "out.mp4", Settings(encoder=FAST))
    assert [label.split()[0] for label in result.dropped] == ["subtitle", "attachment"]
    with av.open(str(tmp_path / "out.mp4")) as opened:
        assert [s.type for s in opened.streams if s.type != "data"] == ["video", "audio"]


def test_two_video_streams_are_treated_each_on_its_own(media: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.mkv"
    names = ("damaged-h264.mp4", "hevc.mp4")
    with av.open(str(both), "w") as out:
        inputs = [av.open(str(media / name)) for name in names]
        made = [out.add_stream_from_template(c.streams.video[0], opaque=True) for c in inputs]
        for container, stream in zip(inputs, made, strict=True):
            for packet in container.demux(container.streams.video[0]):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
            container.close()
    result = conceal_file(both, tmp_path / "out.mkv", Settings(encoder=FAST))
    assert (result.action, result.damaged_pictures) == ("repaired", 2)
    with av.open(str(tmp_path / "out.mkv")) as opened:
        assert [s.codec_context.codec.canonical_name for s in opened.streams] == ["h264", "hevc"]
        second = [bytes(p) for p in opened.demux(opened.streams[1]) if p.size]
    assert second == packets_of(media / "hevc.mp4", "video")


def test_a_change_of_size_is_fitted_into_the_first(
    media: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joined = tmp_path / "in.264"
    joined.write_bytes(encode_bytes(clip(6)) + encode_bytes(clip(6, 320, 192)))
    result = conceal_file(joined, tmp_path / "out.mkv", Settings(encoder=FAST, always_encode=True))
    assert result.pictures == 12
    assert [plane.shape for plane in decode_luma(tmp_path / "out.mkv")] == [(144, 176)] * 12
    assert sum("fitted into the first" in record.message for record in caplog.records) == 1


def test_report_has_every_picture_and_the_totals(media: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    settings = Settings(encoder=FAST, report=str(path))
    result = conceal_file(media / "damaged-h264.mkv", tmp_path / "out.mkv", settings)
    report = json.loads(path.read_text())
    assert report["schema"] == "concealer-report/1"
    assert len(report["pictures"]) == 24
    times = [picture["time"] for picture in report["pictures"]]
    assert times == pytest.approx(picture_times(media / "h264.mkv"), abs=1e-3)
    damaged = [picture for picture in report["pictures"] if picture.get("blocks", {}).get("lost")]
    assert len(damaged) == 2
    assert all(p["causes"][0] == "slice lost" and p["method"] and p["milliseconds"] > 0 for p in damaged)
    assert report["totals"]["totals"]["damaged"] == result.damaged_pictures == 2
    assert sum(p["blocks"]["lost"] for p in damaged) == result.totals.lost_blocks


@pytest.mark.parametrize("name", ["h264.mkv", "hevc.mp4"])
def test_look_ahead_changes_neither_pictures_nor_times(media: Path, tmp_path: Path, name: str) -> None:
    for lookahead in (0, 2, 30):
        out, path = tmp_path / f"{lookahead}-{name}", tmp_path / f"{lookahead}.json"
        settings = Settings(encoder=FAST, lookahead=lookahead, report=str(path))
        assert conceal_file(media / f"damaged-{name}", out, settings).pictures == 24
        assert picture_times(out) == pytest.approx(picture_times(media / name), abs=1e-3)
        assert json.loads(path.read_text())["lookahead"] == lookahead


@pytest.mark.parametrize("lookahead", [-1, 1000])
def test_an_impossible_look_ahead_is_refused(media: Path, tmp_path: Path, lookahead: int) -> None:
    with pytest.raises(UsageError, match="look-ahead must be 0 to"):
        conceal_file(media / "damaged-h264.mkv", tmp_path / "out.mkv", Settings(lookahead=lookahead))


def test_report_of_a_copied_file_is_complete_too(media: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    conceal_file(media / "h264.mkv", tmp_path / "out.mkv", Settings(report=str(path)))
    report = json.loads(path.read_text())
    assert len(report["pictures"]) == 24
    assert report["totals"]["action"] == "copied"


def test_dry_run_finds_the_damage_and_writes_nothing(media: Path, tmp_path: Path) -> None:
    result = conceal_file(media / "damaged-hevc.mkv", settings=Settings(dry_run=True))
    assert (result.action, result.output, result.pictures, result.damaged_pictures) == (
        "analysed",
        None,
        24,
        2,
    )
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_kept_unless_told_otherwise(media: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists"):
        conceal_file(media / "h264.mp4", out)
    assert out.read_bytes() == b"precious"
    conceal_file(media / "h264.mp4", out, Settings(overwrite=True))
    assert packets_of(out, "video") == packets_of(media / "h264.mp4", "video")


def test_input_and_output_must_differ(media: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(media / "h264.mp4")
    before = hashlib.sha256((media / "h264.mp4").read_bytes()).digest()
    with pytest.raises(UsageError, match="same file"):
        conceal_file(media / "h264.mp4", link, Settings(overwrite=True))
    assert hashlib.sha256((media / "h264.mp4").read_bytes()).digest() == before


@pytest.mark.parametrize("keep", [False, True])
def test_stopping_leaves_nothing_or_a_valid_file(media: Path, tmp_path: Path, keep: bool) -> None:
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return asked > 60

    settings = Settings(encoder=FAST, always_encode=True, keep_partial=keep)
    out = tmp_path / "out.mp4"
    if not keep:
        with pytest.raises(Interrupted):
            conceal_file(media / "h264.mp4", out, settings, stopped=stopped)
        assert list(tmp_path.iterdir()) == []
        return
    result = conceal_file(media / "h264.mp4", out, settings, stopped=stopped)
    assert result.interrupted
    assert 0 < len(decode_luma(out)) < 24
    assert list(tmp_path.iterdir()) == [out]


def test_a_truncated_file_gives_what_is_there(media: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    whole = (media / "h264.mkv").read_bytes()
    source.write_bytes(whole[: len(whole) * 2 // 3])
    result = conceal_file(source, tmp_path / "out.mkv", Settings(encoder=FAST))
    assert 8 < result.pictures < 24
    assert len(decode_luma(tmp_path / "out.mkv")) == result.pictures


BAD_INPUTS = {
    "missing": (None, "No such file"),
    "empty": (b"", "empty"),
    "text": (b"just some words\n" * 100, "cannot read|no H.264"),
    "noise": (
        bytes(np.random.default_rng(1).integers(0, 256, 50000, dtype=np.uint8)),
        "cannot read|no H.264|not one",
    ),
    "start codes": (b"\0\0\1\x65" * 1000, "cannot read|no H.264|not one picture"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
@pytest.mark.parametrize("suffix", [".mp4", ".264", ".265", ".ts", ".mkv"])
def test_bad_input_is_one_clear_error(tmp_path: Path, case: str, suffix: str) -> None:
    data, message = BAD_INPUTS[case]
    source = tmp_path / f"in{suffix}"
    if data is not None:
        source.write_bytes(data)
    with pytest.raises(InputError, match=message) as raised:
        conceal_file(source, tmp_path / "out.mp4")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out.mp4").exists()


def test_moov_that_is_missing_is_named(media: Path, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes((media / "h264.mp4").read_bytes()[:48] + bytes(5000))
    with pytest.raises(InputError, match="moov atom not found.*no pictures found"):
        conceal_file(tmp_path / "in.mp4", tmp_path / "out.mp4")


def test_sound_alone_and_other_codecs_are_refused(tmp_path: Path) -> None:
    for name, add in (("a.m4a", ("aac", {"rate": 48000})), ("b.avi", ("mpeg4", {"rate": 25}))):
        with av.open(str(tmp_path / name), "w") as out:
            stream = out.add_stream(add[0], **add[1])
            if stream.type == "video":
                stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
                out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
            else:
                samples = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
                samples.sample_rate = 48000
                out.mux(stream.encode(samples))
            out.mux(stream.encode(None))
        with pytest.raises(InputError, match="no H.264 or HEVC video"):
            conceal_file(tmp_path / name, tmp_path / "out.mkv")


def test_outputs_that_cannot_be_written(media: Path, tmp_path: Path) -> None:
    source = media / "h264.mp4"
    with pytest.raises(OutputError):
        conceal_file(source, tmp_path / "no" / "such" / "folder.mp4")
    with pytest.raises(UsageError, match="suffix"):
        conceal_file(source, tmp_path / "out.xyz")
    with pytest.raises(UsageError, match="no output"):
        conceal_file(source)
    with pytest.raises(OutputError, match="cannot hold"):
        conceal_file(source, tmp_path / "out.webm")
    with pytest.raises(UsageError, match="no encoder"):
        conceal_file(source, tmp_path / "out.mp4", Settings(encoder=EncoderSettings("nothing")))
    out = tmp_path / "out.mp4"
    with pytest.raises(UsageError, match="report would replace"):
        conceal_file(source, out, Settings(report=str(out)))
    with pytest.raises(OutputError):
        conceal_file(source, out, Settings(report=str(tmp_path / "no" / "report.json")))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_output_error(media: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OutputError, match="No space left"):
        conceal_file(media / "h264.mkv", "/dev/full", Settings(output_format="matroska"))


def test_every_real_damaged_stream_goes_through(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for source in sorted((shared_data / "damaged_streams").iterdir()):
        if source.suffix == ".tar":
            continue
        out = tmp_path / (source.name + ".mkv")
        began = time.monotonic()
        try:
            result = conceal_file(source, out, Settings(encoder=FAST))
        except ConcealError as error:
            assert isinstance(error, InputError), f"{source.name}: {error}"
            assert not out.exists()
            outcome = str(error)
        else:
            shown = result.pictures - result.totals.hidden - result.totals.dropped
            with av.open(str(out)) as opened:
                video = opened.streams.video[0]
                written = sum(1 for packet in opened.demux(video) if packet.size)
            if result.action != "copied":
                assert written == shown, source.name
            outcome = f"{result.action}: {result.damaged_pictures} of {result.pictures}"
            out.unlink()
        lines.append(f"{time.monotonic() - began:6.1f} s  {source.name}: {outcome}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.ts", "h264.264", "hevc.mp4", "hevc.mkv", "hevc.ts"])
def test_any_damage_to_a_file_ends_in_a_result_or_one_clear_error(media: Path, tmp_path: Path, name: str) -> None:
    whole = (media / name).read_bytes()
    source, out = tmp_path / name, tmp_path / "out.mkv"
    for seed in range(12):
        dice = random.Random(seed)
        data = bytearray(whole)
        kind = seed % 4
        if kind == 0:
            for _ in range(dice.choice([1, 20, 300])):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del data[dice.randrange(len(data)) :]
        elif kind == 2:
            start = dice.randrange(len(data))
            del data[start : start + dice.choice([1, 188, 1500])]
        else:
            del data[: dice.randrange(len(data))]
        source.write_bytes(data)
        try:
            result = conceal_file(source, out, Settings(encoder=FAST, overwrite=True))
        except ConcealError as error:
            assert isinstance(error, InputError), error
            assert "\n" not in str(error)
        else:
            assert result.pictures > 0
            assert out.exists()
        assert {path.name for path in tmp_path.iterdir()} <= {name, "out.mkv"}
