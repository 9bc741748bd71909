"""Interlaced files: repaired in the stream's own structure, told and encoded as what they are."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from concealer.bitstream import StreamParser, join_annexb
from pipelines import EncoderSettings, Settings, conceal_file
from pipelines.cli import main
from pipelines.damage_cli import main as damage_file
from tests.decoder.interlaced_streams import paff, woven
from tests.media import decode_luma, encode_file

PICTURES = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interlaced")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    frames = woven(PICTURES, 352, 288, bottom_first=True)
    return encode_file(folder / "whole.ts", frames, slices=2, bframes=2, extra={"bff": 1})


@pytest.fixture(scope="module")
def damaged(whole: Path, folder: Path) -> Path:
    """A transport stream of MBAFF frames that lost packets."""
    out = folder / "damaged.ts"
    assert damage_file(["-q", str(whole), str(out), "--model", "ts", "--rate", "0.01", "--seed", "4"]) == 0
    assert out.stat().st_size < whole.stat().st_size
    return out


def test_repaired_pictures_come_nearer_to_the_truth(whole: Path, damaged: Path, folder: Path) -> None:
    out = folder / "lossless.mkv"
    result = conceal_file(str(damaged), str(out), Settings(encoder=EncoderSettings("ffv1"), overwrite=True))
    assert result.totals.pictures == PICTURES and result.totals.repaired == result.totals.damaged > 0
    truth, ours, theirs = decode_luma(whole), decode_luma(out), decode_luma(damaged)
    assert len(ours) == PICTURES
    errors = [
        np.mean([np.square(a.astype(float) - b).mean() for a, b in zip(truth, shown, strict=False)])
        for shown in (ours, theirs)
    ]
    assert len(theirs) < PICTURES or errors[0] < errors[1]


def test_report_tells_the_order_of_fields(damaged: Path, folder: Path) -> None:
    report = folder / "report.json"
    assert main(["-q", "-y", str(damaged), str(folder / "out.ts"), "--report", str(report)]) == 0
    pictures = json.loads(report.read_text())["pictures"]
    assert {picture["interlaced"] for picture in pictures} == {"bottom field first"}


def test_output_is_coded_as_the_input_was(damaged: Path, folder: Path) -> None:
    out = folder / "again.ts"
    conceal_file(str(damaged), str(out), Settings(overwrite=True))
    with av.open(str(out)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))
    parser = StreamParser("h264")
    with av.open(str(out)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    units = [unit for packet in packets for unit in parser.push(packet)] + parser.flush()
    assert {unit.interlaced for unit in units} == {"mbaff"}
    assert all(unit.slices[0].header.delta_poc_bottom < 0 for unit in units)  # type: ignore[union-attr]


def test_only_what_was_painted_is_called_repaired(
    damaged: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-y", str(damaged), str(folder / "out.mkv"), "--encoder", "ffv1"]) == 0
    said = capsys.readouterr().err.splitlines()[-1]
    result = conceal_file(str(damaged), str(folder / "out.mkv"), Settings(EncoderSettings("ffv1"), overwrite=True))
    assert f"{result.totals.repaired} of {PICTURES} pictures repaired" in said and "left" not in said


@pytest.mark.parametrize("bottom_first", [False, True])
def test_field_pairs_in_a_file(bottom_first: bool, tmp_path: Path) -> None:
    units = paff(bottom_first)
    stream = tmp_path / "pairs.264"
    stream.write_bytes(b"".join(join_annexb(unit.nals) for unit in units))
    lossy = tmp_path / "lossy.264"
    assert damage_file(["-q", str(stream), str(lossy), "--rate", "0.1", "--seed", "2"]) == 0
    out = tmp_path / "pairs.mkv"
    result = conceal_file(str(lossy), str(out), Settings(encoder=EncoderSettings("ffv1"), overwrite=True))
    assert result.totals.damaged == result.totals.repaired > 0
    assert len(decode_luma(out)) == len(units)


@pytest.mark.parametrize("output", ["auto", "splice"])
def test_spliced_file_shows_the_repair(damaged: Path, folder: Path, output: str) -> None:
    out, lossless = folder / f"{output}.ts", folder / "seen.mkv"
    assert main(["-q", "-y", str(damaged), str(out), "--output", output]) == 0
    conceal_file(str(damaged), str(lossless), Settings(encoder=EncoderSettings("ffv1"), overwrite=True))
    result = conceal_file(str(damaged), str(out), Settings(output="splice", overwrite=True))
    assert result.action == "spliced" and result.splice is not None and result.splice.inserted
    errors = [
        np.square(a.astype(float) - b).mean() for a, b in zip(decode_luma(lossless), decode_luma(out), strict=True)
    ]
    assert 10 * np.log10(255**2 / np.mean(errors)) > 38
    with av.open(str(out)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))


def test_lost_picture_that_nobody_refers_to_is_filled(whole: Path, folder: Path) -> None:
    """Its time tells of it; it used to be told as a hole, and left."""
    out, holey = folder / "filled.ts", folder / "holey.ts"
    with av.open(str(whole)) as source, av.open(str(holey), "w") as target:
        track = target.add_stream_from_template(source.streams.video[0])
        disposable = 0
        for packet in source.demux(video=0):
            parsed = StreamParser("h264")
            units = parsed.push(bytes(packet)) + parsed.flush() if packet.size else []
            disposable += bool(units) and not units[0].slices[0].nal.data[0] & 0x60
            if packet.size and not (disposable == 4 and not units[0].slices[0].nal.data[0] & 0x60):
                packet.stream = track
                target.mux(packet)
    assert len(decode_luma(holey)) == PICTURES - 1
    result = conceal_file(str(holey), str(out), Settings(output="splice", overwrite=True))
    assert result.splice is not None and result.splice.inserted_access_units == 1
    assert len(decode_luma(out)) == PICTURES
