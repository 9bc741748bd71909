"""`conceal` as a process: streams, signals, exit codes, what is printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from pipelines.cli import build_parser, main
from tests.media import decode_luma
from tests.pipelines.files import packets_of

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "pipelines.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def conceal(*arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *(str(argument) for argument in arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, env=ENVIRONMENT, timeout=60, check=False)


@pytest.mark.parametrize(("name", "target_format"), [("damaged-h264.mkv", "mp4"), ("damaged-hevc.mkv", "mpegts")])
def test_from_pipe_to_pipe(media: Path, tmp_path: Path, name: str, target_format: str) -> None:
    done = conceal("-", "-", "-f", target_format, "--preset", "ultrafast", stdin=(media / name).read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    out = tmp_path / "out"
    out.write_bytes(done.stdout)
    assert len(decode_luma(out)) == 24
    assert len(packets_of(out, "audio")) == len(packets_of(media / name, "audio"))
    before, after = sound_offset(media / name), sound_offset(out)
    assert after == pytest.approx(before, abs=2e-3), "sound and picture moved against each other"


def sound_offset(path: Path) -> float:
    """Seconds from the first picture to the first audio packet."""
    with av.open(str(path)) as opened:
        firsts = {"video": 1e9, "audio": 1e9}
        for packet in opened.demux():
            if packet.size and packet.pts is not None:
                kind = packet.stream.type
                firsts[kind] = min(firsts[kind], float(packet.pts * packet.time_base))
    return firsts["audio"] - firsts["video"]


def test_raw_stream_from_a_pipe(media: Path) -> None:
    done = conceal("-", "-", "-f", "264", stdin=(media / "damaged-h264.264").read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    assert len(decode_luma(done.stdout, "h264")) == 24


def test_a_reader_that_goes_away(media: Path) -> None:
    with open(os.devnull, "rb") as nothing:
        command = [*COMMAND, str(media / "h264.mkv"), "-", "-f", "matroska"]
        process = subprocess.Popen(
            command, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        lines = process.stderr.read().decode().splitlines()
        process.stderr.close()
    assert process.wait(30) == 4
    assert len(lines) == 1 and "Broken pipe" in lines[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("keep", [False, True])
def test_ctrl_c_leaves_nothing_or_a_valid_file(media: Path, tmp_path: Path, number: signal.Signals, keep: bool) -> None:
    """The pipe stays open and silent: the signal has to reach a process that waits for input."""
    out = tmp_path / "out.mkv"
    extra = ["--keep-partial"] if keep else []
    process = subprocess.Popen(
        [*COMMAND, "-", str(out), "--input-format", "mpegts", "--preset", "ultrafast", *extra],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdin is not None and process.stderr is not None
    process.stdin.write((media / "h264.ts").read_bytes())
    process.stdin.flush()
    until = time.monotonic() + 15
    while not any(tmp_path.iterdir()) and time.monotonic() < until:  # its output under a temporary name
        time.sleep(0.05)
    time.sleep(1.5)  # long enough for pictures to have come out
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors.decode()
    assert "interrupted" in errors.decode()
    assert "Traceback" not in errors.decode()
    if keep:
        assert list(tmp_path.iterdir()) == [out]
        assert 0 < len(decode_luma(out)) <= 24
    else:
        assert list(tmp_path.iterdir()) == []


def test_json_summary_and_progress_lines(media: Path, tmp_path: Path) -> None:
    done = conceal(media / "damaged-h264.mkv", tmp_path / "out.mkv", "--json")
    summary = json.loads(done.stdout)
    assert (summary["action"], summary["kept"]["route"]) == ("spliced", "splice")
    assert summary["totals"]["damaged"] == 2
    progress = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["event"] for line in progress} == {"progress"}


def test_quiet_says_nothing_and_otherwise_one_line(media: Path, tmp_path: Path) -> None:
    assert conceal(media / "h264.mkv", tmp_path / "a.mkv", "-q").stderr == b""
    told = conceal(media / "h264.mkv", tmp_path / "b.mkv").stderr.decode()
    assert told.count("\n") == 1
    assert "copied bit-exactly" in told


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such-file.mp4", "out.mp4"], 3, "No such file"),
        (["WHOLE", "WHOLE"], 2, "same file"),
        (["WHOLE"], 2, "no output"),
        (["WHOLE", "-"], 2, "-f"),
        (["WHOLE", "no/such/folder/out.mp4"], 4, "cannot be written"),
        (["WHOLE", "out.mp4", "--encoder", "nothing"], 2, "no encoder"),
        (["WHOLE", "out.mp4", "--encoder", "ffv1", "--crf", "3"], 2, "--crf"),
        (["WHOLE", "out.mp4", "-f", "nothing"], 2, "unknown output format"),
        (["WHOLE", "out.webm"], 4, "cannot hold"),
        (["FOLDER", "out.mp4"], 3, "directory"),
    ],
)
def test_mistakes_give_one_line_and_their_exit_code(
    media: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"WHOLE": str(media / "h264.mp4"), "FOLDER": str(tmp_path)}
    assert main([names.get(argument, argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_file_is_refused(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encrypted = shared_data / "damaged_streams" / "mov-frag-encrypted.mp4"
    assert main([str(encrypted), str(tmp_path / "out.mp4")]) == 3
    assert "encrypted" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("something\nunforeseen")

    monkeypatch.setattr("pipelines.cli.conceal_file", fail)
    assert main([str(media / "h264.mp4"), str(tmp_path / "out.mp4")]) == 1
    assert capsys.readouterr().err == "conceal: failed: something unforeseen (RuntimeError); -v tells more\n"
    assert main([str(media / "h264.mp4"), str(tmp_path / "out.mp4"), "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_help_names_every_exit_code() -> None:
    text = build_parser().format_help()
    assert all(f"\n  {code} " in text for code in (0, 1, 2, 3, 4, 130))
