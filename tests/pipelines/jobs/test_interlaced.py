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


def test_splicing_is_refused_in_one_line(damaged: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-q", "-y", str(damaged), str(folder / "spliced.ts"), "--splice"]) != 0
    said = capsys.readouterr().err
    assert "interlaced" in said and said.count("\n") == 1
