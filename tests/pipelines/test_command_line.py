"""The command line as people write it: options anywhere, several files, presets, completions, manual."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines import check_cli
from pipelines.arguments import named_after, pairs, parse
from pipelines.cli import build_parser, main
from pipelines.errors import UsageError
from pipelines.generated import COMPLETIONS, FOLDER, MANUALS
from pipelines.progress import Bar, Progress


@pytest.mark.parametrize("place", range(3))
def test_options_anywhere(media: Path, tmp_path: Path, place: int) -> None:
    out = tmp_path / "out.mkv"
    out.write_bytes(b"there already")
    words = [str(media / "damaged-h264.mkv"), str(out)]
    assert main([*words[:place], "-y", "--report", str(tmp_path / "r.json"), *words[place:], "-q"]) == 0
    assert out.stat().st_size > 1000 and (tmp_path / "r.json").exists()


def test_a_name_that_looks_like_an_option(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(media / "h264.mkv", tmp_path / "-y.mkv")
    monkeypatch.chdir(tmp_path)
    assert main(["-q", "--", "-y.mkv", "out.mkv"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "the following arguments are required: IN ... OUT"),
        (["a", "b", "--no-such"], "unrecognized arguments: --no-such"),
        (["a", "b", "--crf", "much"], "argument --crf: invalid float value: 'much'"),
        (["a", "b", "--output", "all"], "argument --output: invalid choice: 'all'"),
        (["a", "b", "c"], "c: no folder; several inputs go into one: ... c/"),
        (["x/a", "y/a", "out/"], "x/a and y/a would both become out/a"),
        (["-", "out/"], "-: has no name to bear in a folder"),
        (["a", "b", "out/", "--report", "r.html"], "--report r.html: one file for several inputs; put {name} into it"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"conceal: {says}") and said.count("\n") == 1
    assert not any(tmp_path.rglob("*.*"))


def test_several_files_into_a_folder(media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "folder"
    names = [media / "damaged-h264.mp4", tmp_path / "missing.mp4", media / "hevc.mkv"]
    words = [*map(str, names), f"{folder}{os.sep}", "--report", f"{folder}/{{name}}.json"]
    assert main(words) == 3, "of the one that failed"
    assert {path.name for path in folder.iterdir()} == {
        *("damaged-h264.mp4", "damaged-h264.json", "hevc.mkv", "hevc.json"),
    }
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4 and "missing.mp4" in lines[1] and lines[3] == "conceal: 2 of 3 files done, 1 failed"
    assert main([*map(str, names[::2]), str(folder), "-q"]) == 2, "they exist"
    assert (folder / "hevc.mkv").read_bytes() != b""


def test_pairs() -> None:
    assert pairs(["a"]) == [("a", None)]
    assert pairs(["a", "b.mp4"]) == [("a", "b.mp4")]
    assert pairs(["x/a.mp4", os.getcwd()]) == [("x/a.mp4", f"{os.getcwd()}/a.mp4")]
    assert named_after("r/{name}.html", "x/{name}.mp4", True, "--report") == "r/{name}.html"
    assert named_after(None, "a", True, "--report") is None


def test_a_preset_file(media: Path, tmp_path: Path) -> None:
    preset = tmp_path / "p.toml"
    preset.write_text('output = "encode"\ncrf = 30\npreset = "ultrafast"\noverwrite = true\nsplice = false\n')
    words = ["in.mp4", "--preset-file", str(preset), "out.mp4"]
    args = parse(build_parser(), words)
    assert (args.mode, args.crf, args.preset, args.overwrite) == ("encode", 30.0, "ultrafast", True)
    assert parse(build_parser(), [*words, "--crf", "20"]).crf == 20.0, "the line has the last word"
    out = tmp_path / "out.mkv"
    out.write_bytes(b"")
    assert main([f"--preset-file={preset}", str(media / "damaged-h264.mkv"), str(out), "-q"]) == 0
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crff = 3", "crff: there is no such option"),
        ('preset-file = "q.toml"', "preset-file: there is no such option"),
        ("crf = [1]", "crf: neither a text"),
        ("crf = true", "argument --crf: expected one argument"),
        ('method = "magic"', "argument --method: invalid choice: 'magic'"),
        ("crf = ", "not TOML: "),
        (None, "No such file or directory"),
    ],
)
def test_a_bad_preset_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, says: str
) -> None:
    preset = tmp_path / "p.toml"
    if text is not None:
        preset.write_text(text)
    assert main(["in.mp4", "out.mp4", "--preset-file", str(preset)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"conceal: {preset}: {says}") and said.count("\n") == 1


def test_check_takes_options_anywhere(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_cli.main([str(media / "h264.mp4"), "--fast", str(media / "hevc.mp4"), "-q"]) == 0
    assert check_cli.main([str(media / "h264.mp4"), "--slow"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_completions_and_manual_are_those_of_the_options() -> None:
    """`python -m pipelines.generated` writes them."""
    generated = pytest.importorskip("pipelines.generated.__main__", reason="needs shtab and argparse-manpage")
    for shell, name in COMPLETIONS.items():
        assert (FOLDER / name).read_text() == generated.completion(shell)
    for command, page in MANUALS.items():
        assert (FOLDER / page).read_text() == generated.manual(command)


def test_completions_are_printed_and_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--completion", "bash"])
    script = capsys.readouterr().out
    assert not left.value.code and "--report" in script
    asked = 'COMP_WORDS=(conceal --output s); COMP_CWORD=2; _shtab_conceal; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["splice"], done.stderr


def test_progress_tells_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file = io.StringIO()
    bar = Bar(file)
    bar.file = "2/5 a.mp4"
    bar(Progress("repairing", 120, 9, 0.5, 2.0, 7, {"slice lost": 6, "bytes lost": 3}))
    assert "2/5 a.mp4  repairing  [" in file.getvalue()
    told = "120 pictures, 9 damaged, 7 repaired, 60.0 fps  ETA 0:02  6 x slice lost, 3 x bytes lost"
    assert told in file.getvalue()
    monkeypatch.setenv("COLUMNS", "40")
    narrow = io.StringIO()
    Bar(narrow)(Progress("repairing", 120, 9, 0.5, 2.0))
    assert len(narrow.getvalue().removeprefix("\r\x1b[K")) < 40


def test_a_usage_error_has_the_code_of_usage() -> None:
    with pytest.raises(UsageError, match="conceal --help tells more"):
        parse(build_parser(), ["--what"])
