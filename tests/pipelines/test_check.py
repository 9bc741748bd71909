"""`conceal check`: what is said of intact, damaged and unreadable files, and with which exit code."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from concealer.bitstream.transport import BulkChecker, ContinuityChecker
from pipelines.checking import CSV_COLUMNS, SCHEMA, Candidate, FileCheck, check_file, check_files, find_candidates
from pipelines.checking.tally import Hurt, Tally
from pipelines.checking.verdict import percent, timecode
from pipelines.cli import main
from tests.media import clip, encode_file
from tests.pipelines.files import rewrite_video
from tests.pipelines.transport_streams import PACKET, VIDEO, packets, pid_of

REPOSITORY = Path(__file__).resolve().parents[2]
INTACT, DAMAGED, UNREADABLE = 0, 5, 3
BOTH = pytest.mark.parametrize("fast", [False, True])


def check(path: Path, fast: bool) -> FileCheck:
    return check_file(Candidate(str(path), True), fast=fast)


def lose_packets(source: Path, target: Path, picked: set[int]) -> Path:
    """A transport stream without the packets of its video that have these numbers."""
    kept, number = [], -1
    for packet in packets(source.read_bytes()):
        number += pid_of(packet) == VIDEO
        if pid_of(packet) != VIDEO or number not in picked:
            kept.append(packet)
    target.write_bytes(b"".join(kept))
    return target


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    """(exit code, lines on stdout, stderr)."""
    code = main(["check", *arguments])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


@BOTH
@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", "raw"])
def test_intact_files_are_called_intact(media: Path, codec: str, suffix: str, fast: bool) -> None:
    name = {"h264": ".264", "hevc": ".265"}[codec] if suffix == "raw" else suffix
    found = check(media / f"{codec}{name}", fast)
    assert (found.status, found.reason, found.severity) == ("intact", None, "none")
    assert found.total("pictures") == 24
    assert found.video_seconds == pytest.approx(24 / 25, abs=0.05)


@BOTH
@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_lost_slices_are_found(media: Path, codec: str, suffix: str, fast: bool) -> None:
    found = check(media / f"damaged-{codec}{suffix}", fast)
    assert found.status == "damaged"
    assert found.total("damaged") == 2
    assert found.streams[0].causes == {"slice lost": 2}
    assert 0 < found.total("lost_blocks") < found.total("blocks")
    # Samples 5 and 14 in decode order: at most three places away from it in output order.
    for stretch in found.stretches:
        assert 0.04 * 2 - 0.001 <= stretch.start < stretch.end <= 0.961
    if not fast:
        assert found.total("tainted") > 0


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_both_ways_find_the_same_lost_blocks(media: Path, codec: str) -> None:
    decoded, headers = (check(media / f"damaged-{codec}.mp4", fast) for fast in (False, True))
    assert decoded.total("lost_blocks") == headers.total("lost_blocks")
    assert headers.total("tainted") >= decoded.total("tainted"), "by headers it is an upper bound"


@BOTH
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_lost_transport_packets_are_found(media: Path, tmp_path: Path, codec: str, fast: bool) -> None:
    found = check(lose_packets(media / f"{codec}.ts", tmp_path / "lost.ts", {12, 13, 30}), fast)
    assert found.status == "damaged"
    assert found.transport_losses == 2
    assert 1 <= found.total("damaged") <= 4
    assert found.total("pictures") == 24


def test_packets_marked_by_the_demodulator_are_told(media: Path, tmp_path: Path) -> None:
    data = bytearray((media / "h264.ts").read_bytes())
    at = [n for n, packet in enumerate(packets(bytes(data))) if pid_of(packet) == VIDEO][10]
    data[at * PACKET + 1] |= 0x80
    (tmp_path / "marked.ts").write_bytes(data)
    found = check(tmp_path / "marked.ts", True)
    assert (found.status, found.transport_errors, found.transport_losses) == ("damaged", 1, 1)


@BOTH
def test_a_lost_picture_is_counted(media: Path, tmp_path: Path, fast: bool) -> None:
    whole = encode_file(tmp_path / "whole.mp4", clip(40), "h264", gop=20)
    cut = rewrite_video(whole, tmp_path / "cut.mp4", lambda video: video[:30] + video[31:])
    found = check(cut, fast)
    assert (found.total("pictures"), found.total("damaged"), found.total("lost")) == (40, 1, 1)
    (first, *_) = found.stretches
    assert first.start == pytest.approx(30 / 25, abs=0.001)


@BOTH
def test_a_run_of_zeros_is_found(media: Path, tmp_path: Path, fast: bool) -> None:
    data = bytearray(encode_file(tmp_path / "whole.mp4", clip(12), "h264", crf=10).read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 300] = bytes(300)
    (tmp_path / "zeros.mp4").write_bytes(data)
    found = check(tmp_path / "zeros.mp4", fast)
    assert found.status == "damaged"
    assert found.total("broken_blocks") + found.total("lost_blocks") > 0


@BOTH
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_truncated_file_is_not_called_intact(media: Path, tmp_path: Path, suffix: str, fast: bool) -> None:
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    whole = encode_file(tmp_path / f"whole{suffix}", clip(30), "h264", audio=True, muxer_options=options)
    data = whole.read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(data[: len(data) * 6 // 10 // PACKET * PACKET + 77])
    found = check(tmp_path / f"cut{suffix}", fast)
    assert found.status == "damaged", found


@BOTH
def test_a_file_without_its_index_fails_with_its_reason(media: Path, tmp_path: Path, fast: bool) -> None:
    (tmp_path / "cut.mp4").write_bytes((media / "h264.mp4").read_bytes()[:100])
    found = check(tmp_path / "cut.mp4", fast)
    assert found.status == "failed" and found.reason and "cannot read" in found.reason
    assert "\n" not in found.reason and str(tmp_path) not in found.reason


@BOTH
def test_a_file_without_its_index_is_damaged_if_pictures_are_found(media: Path, tmp_path: Path, fast: bool) -> None:
    whole = (media / "h264.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: whole.rfind(b"moov") - 4])
    found = check(tmp_path / "cut.mp4", fast)
    assert found.status == "damaged" and found.reason and "index rebuilt" in found.reason


@BOTH
def test_a_recording_that_begins_in_a_group_is_not_damaged_by_that(media: Path, tmp_path: Path, fast: bool) -> None:
    whole = encode_file(tmp_path / "whole.mkv", clip(40), "h264", gop=20)
    found = check(rewrite_video(whole, tmp_path / "joined.mkv", lambda video: video[7:]), fast)
    assert found.total("without_references") == 13
    assert found.total("damaged") == 0


@pytest.fixture
def archive(media: Path, tmp_path: Path) -> Path:
    """Two intact files, two damaged ones, an unreadable one, things that are no video, and links in circles."""
    folder = tmp_path / "archive"
    inner = folder / "b" / "inner"
    inner.mkdir(parents=True)
    for name, source in {
        "a.mp4": "h264.mp4",
        "b/c.mkv": "damaged-hevc.mkv",
        "b/inner/d.ts": "hevc.ts",
        "e.mp4": "damaged-h264.mp4",
    }.items():
        (folder / name).write_bytes((media / source).read_bytes())
    (folder / "f.mp4").write_bytes((media / "h264.mp4").read_bytes()[:100])
    (folder / "notes.txt").write_text("no video\n" * 50)
    (folder / "empty.dat").touch()
    (inner / "up").symlink_to(folder)
    (inner / "again.mp4").symlink_to(folder / "a.mp4")
    (folder / "nowhere").symlink_to("does-not-exist")
    os.mkfifo(folder / "pipe.ts")
    return folder


def test_folders_are_walked_once_and_in_order(archive: Path) -> None:
    found = [os.path.relpath(one.path, archive) for one in find_candidates([str(archive), str(archive / "e.mp4")])]
    assert found == ["a.mp4", "b/c.mkv", "b/inner/d.ts", "e.mp4", "empty.dat", "f.mp4", "notes.txt"]


@BOTH
@pytest.mark.parametrize("jobs", [1, 3])
def test_an_archive(archive: Path, fast: bool, jobs: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(archive), "--jobs", str(jobs), *(["--fast"] if fast else [])]
    code, lines, told = run(arguments, capsys)
    assert code == DAMAGED
    assert [line.split()[0] for line in lines] == ["intact", "damaged", "intact", "damaged", "failed"]
    assert "5 files: 2 intact, 2 damaged, 1 failed" in told
    assert "2 without H.264 or HEVC video passed over" in told
    says_so = ["headers and transport only, not decoded" in line for line in (*lines[:4], told)]
    assert says_so == [fast] * 5


def test_exit_codes(media: Path, tmp_path: Path, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = str(media / "h264.mp4")
    assert run([whole, "--fast"], capsys)[0] == INTACT
    assert run([whole, str(archive / "e.mp4"), "--fast"], capsys)[0] == DAMAGED
    assert run([whole, str(archive / "f.mp4"), "--fast"], capsys)[0] == UNREADABLE
    code, lines, _ = run([str(archive / "notes.txt"), str(tmp_path / "absent.mp4"), whole, "--fast"], capsys)
    assert code == UNREADABLE
    assert [line.split()[0] for line in lines] == ["failed", "failed", "intact"]
    (tmp_path / "bare").mkdir()
    assert run([str(tmp_path / "bare")], capsys)[0] == UNREADABLE
    assert run([whole, "--jobs", "0"], capsys)[0] == 2
    assert run(["-", "udp://:5000", "--fast"], capsys)[0] == UNREADABLE


def test_quiet_tells_of_what_is_not_intact(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, told = run([str(archive), "--fast", "-q"], capsys)
    assert code == DAMAGED and told == ""
    assert [line.split()[0] for line in lines] == ["damaged", "damaged", "failed"]


@BOTH
def test_json(archive: Path, fast: bool, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = run([str(archive), "--json", *(["--fast"] if fast else [])], capsys)
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert {one["schema"] for one in found} == {SCHEMA}
    assert {one["method"] for one in found} == {"headers" if fast else "decoded"}
    assert [one["status"] for one in found] == ["intact", "damaged", "intact", "damaged", "failed"]
    hit = found[3]
    assert hit["path"] == str(archive / "e.mp4")
    assert (hit["pictures"], hit["damaged"]) == (24, 2)
    assert hit["severity"] in ("moderate", "severe") and 0 < hit["area"] < 1
    stream = hit["streams"]["0"]
    assert stream["codec"] == "h264" and stream["causes"] == {"slice lost": 2}
    assert all(0 <= one["start"] < one["end"] <= stream["seconds"] for one in stream["stretches"])
    assert found[4]["reason"] and found[4]["streams"] == {}


def test_csv(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.csv"
    assert run([str(archive), "--fast", "--csv", str(table)], capsys)[0] == DAMAGED
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["status"] for row in rows] == ["intact", "damaged", "intact", "damaged", "failed"]
    assert (rows[3]["pictures"], rows[3]["damaged"], rows[3]["damaged_percent"]) == ("24", "2", "8.3")
    assert rows[3]["stretches"].count("-") >= 1 and rows[4]["reason"]
    code, _, told = run([str(archive / "a.mp4"), "--fast", "--csv", str(archive / "a.mp4")], capsys)
    assert code == 2 and "would replace" in told
    code, _, told = run([str(archive / "a.mp4"), "--fast", "--csv", str(tmp_path / "no" / "t.csv")], capsys)
    assert code == 4 and len(told.splitlines()) == 1


def test_a_process_that_dies_fails_its_file_only(archive: Path) -> None:
    files = [Candidate(str(archive / name), True) for name in ("a.mp4", "b/c.mkv", "e.mp4")]
    found = check_files([files[0], _Deadly("dies.mp4", True), *files[1:]], fast=True, jobs=2)
    statuses = [(one.status, one.reason) for one in found]
    assert [status for status, _ in statuses] == ["intact", "failed", "damaged", "damaged"]
    assert "exit code 9" in str(statuses[1][1])


class _Deadly(Candidate):
    """Ends the process that is sent it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def test_ctrl_c_leaves_no_process_and_no_table(media: Path, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.mkv").write_bytes((media / "damaged-hevc.mkv").read_bytes())
    table = tmp_path / "table.csv"
    command = [sys.executable, "-m", "pipelines.cli", "check", "--jobs", "2", "--csv", str(table), str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    told = process.stderr.read().decode()
    assert process.wait(60) == 130
    assert told.splitlines() == ["conceal check: interrupted"]
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".csv"]
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process is left")


def test_a_file_called_check_is_still_repaired(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "check").write_bytes((media / "h264.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(["./check", "out.mp4"]) == 0
    assert (tmp_path / "out.mp4").is_file()


def test_names_that_are_no_text(media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"\xff\n.mp4")
    Path(os.fsdecode(path)).write_bytes((media / "h264.mp4").read_bytes())
    code, lines, _ = run([str(tmp_path), "--fast", "--csv", str(tmp_path / "t.csv")], capsys)
    assert code == INTACT and len(lines) == 1
    assert os.fsencode(path) in (tmp_path / "t.csv").read_bytes()


def test_stretches_and_pauses() -> None:
    tally = Tally("h264", 0.04)
    for number in range(200):
        late = 5.0 if number >= 100 else 0.0
        hurt = Hurt(1, 0, causes=("slice lost",)) if number in (10, 20, 60, 100) else None
        tally.add(2.0 + number * 0.04 + late, 100, hurt)
    found = tally.finish(1.0)
    assert [(one.start, one.end, one.pictures) for one in found.stretches] == [
        (1.4, 1.84, 2),
        (3.4, 3.44, 1),
        (10.0, 10.04, 1),
    ]
    assert [(one.start, one.end) for one in found.pauses] == [(5.0, 10.0)]
    assert (found.pictures, found.damaged, found.lost_blocks, found.blocks) == (200, 4, 4, 20000)


def test_numbers_do_not_round_to_what_they_are_not() -> None:
    assert percent(0, 10) == "0.00 %"
    assert percent(1, 1_000_000) == "<0.01 %"
    assert percent(999_999, 1_000_000) == ">99.9 %"
    assert percent(10, 10) == "100.0 %"
    assert timecode(3725.0064) == "01:02:05.006"


@pytest.mark.parametrize("harm", ["none", "lost", "bits", "bytes out", "bytes in", "twice"])
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_packets_on_arrays_are_checked_as_one_by_one(media: Path, harm: str, step: int) -> None:
    chance = random.Random(harm)
    data = bytearray((media / "h264.ts").read_bytes())
    if harm == "lost":
        data = bytearray(b"".join(one for one in packets(bytes(data)) if chance.random() > 0.05))
    elif harm == "twice":
        data = bytearray(b"".join(one * (1 + (chance.random() < 0.1)) for one in packets(bytes(data))))
    for _ in range(30 if harm == "bits" else 4):
        at = chance.randrange(len(data))
        if harm == "bits":
            data[at] ^= 1 << chance.randrange(8)
        elif harm == "bytes out":
            del data[at : at + chance.randrange(400)]
        elif harm == "bytes in":
            data[at:at] = chance.randbytes(chance.randrange(400))
    checkers = ContinuityChecker(), BulkChecker()
    found = []
    for checker in checkers:
        out = [pes for at in range(0, len(data), step) for pes in checker.push(bytes(data[at : at + step]))]
        found.append(out + checker.flush())
    assert checkers[0].losses == checkers[1].losses
    assert checkers[0].codecs == checkers[1].codecs
    for pid in checkers[0].seen | checkers[1].seen:
        assert [one for one in found[0] if one.pid == pid] == [one for one in found[1] if one.pid == pid]
