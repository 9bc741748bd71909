"""What a player of the written file would show is what was given, or it is said."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import pytest

from pipelines import OutputError, Settings, conceal_file
from pipelines.cli import main
from tests.media import clip, decode_luma, encode_file
from tests.pipelines import transport_streams as ts
from tests.pipelines.files import packets_of, picture_times


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    "suffix", [".mp4", ".mov", ".mkv", ".ts", ".m2ts", ".flv", ".avi", ".mxf", ".3gp", ".mpg", ".asf"]
)
@pytest.mark.parametrize("origin", [".mp4", ".ts"])
def test_all_pictures_decode_from_every_container_or_it_is_refused(
    media: Path, tmp_path: Path, codec: str, suffix: str, origin: str
) -> None:
    source, out = media / f"{codec}{origin}", tmp_path / f"out{suffix}"
    try:
        result = conceal_file(source, out)
    except OutputError as error:
        assert suffix in (".mxf", ".avi", ".asf", ".3gp", ".flv", ".mpg") and codec == "hevc", str(error)
        assert not out.exists() and list(tmp_path.iterdir()) == []
        return
    assert result.action == "copied" and result.video_exact
    for ours, whole in zip(decode_luma(out), decode_luma(source), strict=True):
        assert (ours == whole).all()
    if not result.dropped:
        with av.open(str(out)) as opened:
            frames = sum(frame.samples for frame in opened.decode(audio=0))
        assert frames / 48000 == pytest.approx(24 / 25, abs=0.1)


def test_a_clock_that_wraps_soon_loses_nothing_in_mp4(media: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.ts", tmp_path / "out.mp4"
    start = (1 << 33) - 90000  # wraps half a second into the pictures
    source.write_bytes(
        ts.with_times((media / "h264.ts").read_bytes(), lambda number, time, is_pts: start + time - 90000)
    )
    result = conceal_file(source, out)
    assert result.action == "copied" and result.video_exact
    times = picture_times(out)
    assert len(times) == len(decode_luma(out)) == 24
    assert min(times) >= 0
    with av.open(str(out)) as opened:
        assert not any(packet.is_discard for packet in opened.demux(video=0))
    assert len(packets_of(out, "audio")) == len(packets_of(media / "h264.ts", "audio"))


def test_pcm_stays_in_mxf(tmp_path: Path) -> None:
    source, out = tmp_path / "in.mxf", tmp_path / "out.mxf"
    encode_file(tmp_path / "v.mp4", clip(10))
    with av.open(str(tmp_path / "v.mp4")) as video, av.open(str(source), "w") as made:
        stream = made.add_stream_from_template(video.streams.video[0], opaque=True)
        sound = made.add_stream("pcm_s16le", rate=48000, layout="mono")
        packets = [packet for packet in video.demux() if packet.size]
        for number, packet in enumerate(packets):
            packet.stream = stream
            made.mux(packet)
            frame = av.AudioFrame(format="s16", layout="mono", samples=1920)
            frame.sample_rate, frame.pts = 48000, number * 1920
            made.mux(sound.encode(frame))
    result = conceal_file(source, out)
    assert (result.action, result.dropped) == ("copied", [])
    assert sum(map(len, packets_of(out, "audio"))) == 10 * 1920 * 2


def test_what_a_container_leaves_out_is_said(
    media: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        assert main([str(media / "h264.mp4"), str(tmp_path / "out.mxf")]) == 0
    told = capsys.readouterr().err
    assert "1 stream left out" in told and "copied bit-exactly" not in told


def test_accounts_are_told(media: Path, tmp_path: Path) -> None:
    result = conceal_file(media / "h264.mp4", tmp_path / "out.mkv", Settings())
    video, sound = result.as_dict()["accounts"]  # type: ignore[misc]
    assert (video["packets"], video["written"], video["missing"], video["exact"]) == (24, 24, 0, True)
    assert sound["missing"] == 0 and result.exact


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_byte_stream_is_read_back_too(media: Path, tmp_path: Path, codec: str) -> None:
    suffix = ".264" if codec == "h264" else ".265"
    for name, action in ((codec, "copied"), (f"damaged-{codec}", "spliced")):
        result = conceal_file(media / f"{name}{suffix}", tmp_path / f"{name}{suffix}", Settings(output="splice"))
        assert (result.action, result.exact) == (action, True)
