"""`conceal --splice` over whole files: containers, other streams, refusals, the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines import ConcealError, Settings, UsageError, conceal_file
from pipelines.cli import main
from tests.media import clip, decode_luma, encode_bytes, encode_file
from tests.pipelines.files import damage_samples, drop_slices, packets_of, picture_times, rich_file
from tests.standins.splicing import decode

SPLICE = Settings(output="splice")


def units_of(path: Path) -> list[bytes]:
    """NAL units of the video, without emulation of any container."""
    found = []
    for packet in packets_of(path, "video"):
        if packet.startswith((b"\0\0\0\1", b"\0\0\1")):
            found += [part.rstrip(b"\0") for part in re.split(b"\0\0\1", packet) if part.rstrip(b"\0")]
            continue
        at = 0
        while at < len(packet):
            size = int.from_bytes(packet[at : at + 4], "big")
            found.append(packet[at + 4 : at + 4 + size])
            at += 4 + size
    return found


def assert_kept(before: Path, after: Path, inserted: int) -> None:
    """All NAL units of `before` are in `after`, in the same order, and `inserted` others."""
    old, new = units_of(before), units_of(after)
    # Muxers of transport streams put delimiters in.
    assert len([unit for unit in new if unit[0] & 31 != 9]) == len([u for u in old if u[0] & 31 != 9]) + inserted
    rest = iter(new)
    assert all(any(unit == other for other in rest) for unit in old)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_containers_keep_everything_else(tmp_path: Path, suffix: str) -> None:
    whole, damaged, out = (tmp_path / f"{name}{suffix}" for name in ("whole", "damaged", "out"))
    rich = rich_file(whole, 30)
    damage_samples(whole, damaged, {5, 9, 14})
    result = conceal_file(damaged, out, SPLICE)
    assert (result.action, result.damaged_pictures, result.pictures) == ("spliced", 3, 30)
    assert result.splice is not None and result.splice.inserted == 3 and result.splice.replaced == 0
    assert_kept(damaged, out, 3)
    assert packets_of(out, "audio") == packets_of(damaged, "audio")
    assert picture_times(out) == pytest.approx(picture_times(damaged), abs=1e-3)
    with av.open(str(out)) as opened:
        assert opened.metadata["title"] == rich.title
        assert [chapter["metadata"]["title"] for chapter in opened.chapters()] == list(rich.chapters)
        assert len(opened.streams) == len(av.open(str(damaged)).streams)
    for ours, clean in zip(decode_luma(out), decode_luma(whole), strict=True):
        assert np.abs(ours.astype(int) - clean).mean() < 12


def test_transport_stream(media: Path, tmp_path: Path) -> None:
    raw = (media / "h264.264").read_bytes()
    source = tmp_path / "damaged.264"
    source.write_bytes(drop_slices(raw, "h264", {9, 26}))
    damaged, out = tmp_path / "damaged.ts", tmp_path / "out.ts"
    with av.open(str(source), format="h264") as opened, av.open(str(damaged), "w") as made:
        stream = made.add_stream_from_template(opened.streams.video[0])
        for number, packet in enumerate(opened.demux(video=0)):
            if packet.size:
                packet.stream, packet.pts, packet.dts = stream, number * 3600 + 7200, number * 3600
                made.mux(packet)
    result = conceal_file(damaged, out, SPLICE)
    assert result.action == "spliced" and result.splice is not None and result.splice.inserted == 2
    assert_kept(damaged, out, 2)
    assert len(decode_luma(out)) == 24


def test_byte_stream_keeps_every_byte(media: Path, tmp_path: Path) -> None:
    raw = (media / "h264.264").read_bytes()
    damaged, out = tmp_path / "damaged.264", tmp_path / "out.264"
    damaged.write_bytes(drop_slices(raw, "h264", {9, 26}))
    assert conceal_file(damaged, out, SPLICE).action == "spliced"
    left, arrived = out.read_bytes(), damaged.read_bytes()
    place = 0
    for part in re.split(b"(?=\0\0\1)", arrived):
        place = left.index(part.rstrip(b"\0"), place) + len(part.rstrip(b"\0"))
    pictures, complaints, _ = decode(left, "h264")
    assert len(pictures) == 24 and not complaints


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.ts", "h264.264"])
def test_whole_file_leaves_as_it_came(media: Path, tmp_path: Path, name: str) -> None:
    result = conceal_file(media / name, tmp_path / name, SPLICE)
    assert result.action == "copied"
    assert packets_of(tmp_path / name, "video") == packets_of(media / name, "video")


def test_lost_picture_gets_a_packet_with_its_time(tmp_path: Path) -> None:
    whole, damaged, out = (tmp_path / f"{name}.mp4" for name in ("whole", "damaged", "out"))
    encode_file(whole, clip(24), "h264", slices=2)
    with av.open(str(whole)) as opened, av.open(str(damaged), "w") as made:
        stream = made.add_stream_from_template(opened.streams.video[0])
        for number, packet in enumerate(p for p in opened.demux(video=0) if p.size):
            if number != 11:
                packet.stream = stream
                made.mux(packet)
    result = conceal_file(damaged, out, SPLICE)
    assert result.splice is not None and result.splice.inserted_access_units == 1
    assert picture_times(out) == pytest.approx(picture_times(whole), abs=1e-3)
    assert len(decode_luma(out)) == 24


def test_report_names_what_was_kept_replaced_and_inserted(tmp_path: Path) -> None:
    whole, damaged, out = (tmp_path / f"{name}.mkv" for name in ("whole", "damaged", "out"))
    rich_file(whole, 20)
    damage_samples(whole, damaged, {6})
    report = tmp_path / "report.json"
    conceal_file(damaged, out, Settings(output="splice", report=str(report)))
    told = json.loads(report.read_text())
    (change,) = told["spliced"]
    assert change["stream"] == 0 and change["replaced"] == [] and change["kept"] >= 3
    (ours,) = change["inserted"]
    assert ours["form"] in ("inter", "intra", "pcm") and 0 < ours["first"] < ours["end"] <= 99 and ours["bytes"] > 0
    assert told["totals"]["splice"]["bytes_out"] - told["totals"]["splice"]["bytes_in"] == ours["bytes"]
    assert sum("blocks" in picture for picture in told["pictures"]) >= 1


def test_what_cannot_be_spliced_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "in.265", tmp_path / "out.265"
    stream = encode_bytes(clip(10, 176, 288), "hevc", slices=2, extra={"scaling-list": "default"})
    source.write_bytes(drop_slices(stream, "hevc", {7}))
    assert main(["--splice", str(source), str(out)]) == ConcealError.exit_code
    told = capsys.readouterr().err.strip()
    assert "scaling lists" in told and "--output auto" in told and "\n" not in told
    assert not out.exists()


@pytest.mark.parametrize("option", [["--crf", "20"], ["--encoder", "ffv1"], ["--preset", "fast"], ["--always-encode"]])
def test_options_of_encoding_are_refused(media: Path, tmp_path: Path, option: list[str]) -> None:
    assert main(["--splice", *option, str(media / "damaged-h264.mkv"), str(tmp_path / "out.mkv")]) == 2


def test_byte_stream_into_a_container_is_refused(media: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no timestamps"):
        conceal_file(media / "h264.264", tmp_path / "out.mp4", SPLICE)


def test_command_tells_what_it_did(media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--splice", "--json", str(media / "damaged-h264.mkv"), str(tmp_path / "out.mkv")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["action"] == "spliced" and told["splice"]["inserted"] == 2
    assert main(["--splice", str(media / "damaged-h264.mkv"), str(tmp_path / "again.mkv")]) == 0
    assert "2 inserted" in capsys.readouterr().err
    assert main(["--splice", "--dry-run", str(media / "damaged-h264.mkv")]) == 0
