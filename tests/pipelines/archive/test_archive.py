"""`conceal archive` on one machine: what comes out, what is done again and what is not, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines import Settings, conceal_file
from pipelines.archive import Shard, Wanted, run_archive
from pipelines.archive.executors import Local
from pipelines.archive.places import OWN, Entry
from pipelines.archive.task import Job
from pipelines.archive.work import Work
from pipelines.cli import main
from pipelines.errors import InputError, UsageError
from tests.media import clip, decode_luma, encode_file
from tests.pipelines.archive.runs import (
    FIRST,
    QUICK,
    REPLACE,
    SECOND,
    TWO,
    Poisoned,
    children_of,
    files,
    is_clean,
    kinds,
    run,
)

REPOSITORY = Path(__file__).resolve().parents[3]


def test_each_file_is_what_conceal_makes_of_it(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcomes = run(archive, out, settings=Settings(jobs=2))
    assert kinds(outcomes) == FIRST
    found = files(out)
    assert set(found) == set(FIRST) - {"b/cut.mp4"}
    for name in ("a.mp4", "b/d/e.mp4", "b/notes.txt"):
        assert found[name] == (archive / name).read_bytes()
    result = conceal_file(archive / "b" / "c.mp4", tmp_path / "single.mp4")
    assert found["b/c.mp4"] == (tmp_path / "single.mp4").read_bytes()
    record = outcomes["b/c.mp4"].record
    assert record is not None and (record.pictures, record.damaged, record.repaired) == (24, 2, 2)
    assert result.kept is not None and record.bytes_kept == result.kept.bytes_kept
    assert "moov atom not found" in outcomes["b/cut.mp4"].reason
    assert is_clean(out)


def test_nothing_is_done_twice(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(archive, out)
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    for trust_times in (False, True):
        assert kinds(run(archive, out, trust_times=trust_times)) == SECOND
    assert {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()} == before


def test_what_is_changed_or_not_whole_is_done_again(media: Path, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(archive, out)
    whole = files(out)
    shutil.copyfile(media / "damaged-h264.mkv", archive / "a.mp4")
    with open(out / "b" / "c.mp4", "r+b") as file:  # the same length
        file.seek(1000)
        file.write(bytes(100))
    os.truncate(out / "b" / "d" / "e.mp4", 2000)
    (out / "b" / "notes.txt").unlink()
    assert kinds(run(archive, out, settings=REPLACE)) == FIRST | {"a.mp4": "done repaired"}
    assert files(out) == whole | {"a.mp4": files(out)["a.mp4"]}
    assert kinds(run(archive, out)) == SECOND | {"a.mp4": "known repaired"}


def test_times_are_trusted_where_that_is_asked_for(tmp_path: Path) -> None:
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    for name in ("altered", "rewritten", "touched"):
        (place / name).write_text(f"{name} text")
    assert {one.kind for one in run(place, out).values()} == {"done"}
    for name, text in (("altered", "ALTERED text"), ("rewritten", "REWRITTEN text")):
        before = (out / name).stat()
        (out / name).write_text(text)
        later = name == "rewritten"
        os.utime(out / name, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9 * later))
    os.utime(place / "touched")
    states = {"altered": "known", "rewritten": "done", "touched": "known"}
    outcomes = run(place, out, trust_times=True, settings=REPLACE)
    assert {name: one.kind for name, one in outcomes.items()} == states
    outcomes = run(place, out, settings=REPLACE)
    assert {name: one.kind for name, one in outcomes.items()} == states | {"altered": "done", "rewritten": "known"}


def test_what_another_wrote_is_not_replaced(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.mp4").write_text("somebody's")
    outcomes = run(archive, out)
    assert kinds(outcomes) == FIRST | {"a.mp4": "failed"}
    assert "-y replaces it" in outcomes["a.mp4"].reason and outcomes["a.mp4"].exit_code == 4
    assert (out / "a.mp4").read_text() == "somebody's"
    assert kinds(run(archive, out, settings=REPLACE)) == SECOND | {"a.mp4": "done copied"}


def test_other_settings_are_other_work(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(archive, out)
    outcomes = run(archive, out, settings=replace(QUICK, output="encode"))
    assert kinds(outcomes) == FIRST
    record = outcomes["b/c.mp4"].record
    assert record is not None and record.route == "encode"


def test_a_note_without_its_file_and_torn_lines_count_for_nothing(archive: Path, tmp_path: Path) -> None:
    """As a process leaves them that is killed between note and file, or while it writes the note."""
    out = tmp_path / "out"
    run(archive, out)
    (out / "b" / "c.mp4").unlink()
    torn = [path for path in (out / OWN / "manifest").iterdir() if '"a.mp4"' in path.read_text()]
    assert len(torn) == 1
    lines = torn[0].read_text().splitlines(keepends=True)
    lines.sort(key=lambda line: '"a.mp4"' in line)
    torn[0].write_text("".join(lines)[:-20])
    outcomes = run(archive, out, settings=REPLACE)
    assert kinds(outcomes) == SECOND | {"a.mp4": "done copied", "b/c.mp4": "done repaired"}


def test_what_needs_no_repair_can_be_left_out(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    left_out = {name: "done left out" for name in ("a.mp4", "b/d/e.mp4", "b/notes.txt")}
    assert kinds(run(archive, out, skip_intact=True)) == FIRST | left_out
    assert set(files(out)) == {"b/c.mp4"}
    again = {name: state.replace("done", "known") for name, state in left_out.items()}
    assert kinds(run(archive, out, skip_intact=True)) == SECOND | again
    assert kinds(run(archive, out))["a.mp4"] == "done copied"


def test_a_file_that_lost_its_index_is_not_copied(tmp_path: Path) -> None:
    """No picture is damaged, and yet no player opens it."""
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    whole = encode_file(place / "lost.mp4", clip(24), slices=4, extra={"repeat-headers": 1})
    expected = decode_luma(whole)
    data = whole.read_bytes()
    whole.write_bytes(data[: data.rindex(b"moov") - 4])
    assert kinds(run(place, out)) == {"lost.mp4": "done rewritten"}
    assert all(np.array_equal(a, b) for a, b in zip(decode_luma(out / "lost.mp4"), expected, strict=True))


def test_a_list_names_the_files(archive: Path, tmp_path: Path) -> None:
    names = tmp_path / "list.txt"
    names.write_text("a.mp4\n./b/c.mp4\r\n\na.mp4\n../in/a.mp4\nnone.mp4\n")
    outcomes = run(archive, tmp_path / "out", names=str(names))
    states = {"a.mp4": "done copied", "b/c.mp4": "done repaired", "../in/a.mp4": "failed", "none.mp4": "failed"}
    assert kinds(outcomes) == states
    assert "is not below" in outcomes["../in/a.mp4"].reason
    assert set(files(tmp_path / "out")) == {"a.mp4", "b/c.mp4"}


def test_shards_share_the_files_and_know_of_each_other(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shards = [run(archive, out, shard=Shard(which, 3)) for which in range(3)]
    assert sum(map(len, shards)) == len(FIRST)
    assert kinds({name: one for shard in shards for name, one in shard.items()}) == FIRST
    assert kinds(run(archive, out)) == SECOND
    names = [f"{number}.mp4" for number in range(3000)]
    sizes = [sum(Shard(which, 3).has(name) for name in names) for which in range(3)]
    assert sum(sizes) == 3000 and min(sizes) > 900


def test_outputs_are_no_inputs(archive: Path) -> None:
    out = archive / "b" / "repaired"
    assert kinds(run(archive, out)) == FIRST
    assert kinds(run(archive, out)) == SECOND
    for source, target in ((archive, archive), (out, archive)):
        with pytest.raises(UsageError):
            run(source, target)
    with pytest.raises(InputError, match="not found"):
        run(archive / "none", out)


def test_a_file_that_kills_its_workers_fails_alone(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / OWN / "manifest").mkdir(parents=True)
    job = Job(str(archive), str(out), QUICK, "a-run")
    executor = Local(2)
    entries = iter([Entry("a.mp4"), Entry("b/d/e.mp4"), Entry("b/notes.txt")])
    try:
        work = Work(job, entries, Poisoned([]), executor)
        outcomes = {one.name: one for one in work.outcomes(lambda: False)}
    finally:
        executor.close()
    assert kinds(outcomes) == {"a.mp4": "done copied", "b/d/e.mp4": "failed", "b/notes.txt": "done copied"}
    assert outcomes["b/d/e.mp4"].reason.endswith("ended with exit code 9, twice")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_a_worker_that_is_killed_loses_nothing(media: Path, tmp_path: Path) -> None:
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    for number in range(4):
        shutil.copyfile(media / "damaged-hevc.mp4", place / f"{number}.mp4")
    strangers = set(children_of(os.getpid()))
    outcomes = {}
    for one in run_archive(Wanted(str(place), str(out), TWO)):
        if not outcomes:
            for pid in set(children_of(os.getpid())) - strangers:
                if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
                    os.kill(pid, signal.SIGKILL)
        outcomes[one.name] = one
    assert kinds(outcomes) == {f"{number}.mp4": "done repaired" for number in range(4)}
    conceal_file(place / "0.mp4", tmp_path / "single.mp4", QUICK)
    assert set(files(out).values()) == {(tmp_path / "single.mp4").read_bytes()}
    assert is_clean(out)


def test_ctrl_c_leaves_nothing_half_and_the_next_run_goes_on(media: Path, tmp_path: Path) -> None:
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    for number in range(8):
        shutil.copyfile(media / "damaged-hevc.mp4", place / f"{number}.mp4")
    command = [sys.executable, "-m", "pipelines.cli", "archive", "--jobs", "2", str(place), str(out)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    told = process.stderr.read().decode()
    assert process.wait(60) == 130
    assert told.splitlines() == ["conceal archive: interrupted"], told
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process is left")
    assert is_clean(out)
    finished = set(files(out))
    assert finished and len(set(files(out).values())) == 1
    known = {
        name for name, state in kinds(run(place, out, settings=Settings(jobs=2))).items() if state == "known repaired"
    }
    assert known == finished
    assert len(files(out)) == 8 and len(set(files(out).values())) == 1


def test_the_command_line(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    options = ["--jobs", "1", "--method", "motion"]
    assert main(["archive", str(archive), out, *options, "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["name"]: one.get("status", one["kind"]) for one in lines[:-1]} == {
        name: state.removeprefix("done ") for name, state in FIRST.items()
    }
    assert {name: lines[-1][name] for name in ("event", "files", "failed", "known", "damaged", "repaired")} == {
        "event": "summary", "files": 5, "failed": 1, "known": 0, "damaged": 2, "repaired": 2,
    }  # fmt: skip
    (archive / "b" / "cut.mp4").unlink()
    assert main(["archive", str(archive), out, *options]) == 0
    told = capsys.readouterr()
    assert told.out == "" and "4 of them known from earlier runs" in told.err
    for arguments, code, text in (
        (["--shard", "3/3"], 2, "from 0 to N-1"),
        (["--splice", "--crf", "9"], 2, "encodes nothing"),
        (["--list", str(tmp_path / "none")], 3, "cannot read the list"),
    ):
        assert main(["archive", str(archive), out, *arguments]) == code
        told = capsys.readouterr()
        assert text in told.err and len(told.err.splitlines()) == 1
    (tmp_path / "file").write_text("")
    assert main(["archive", str(archive), str(tmp_path / "file")]) == 4
    (tmp_path / "empty").mkdir()
    assert main(["archive", str(tmp_path / "empty"), out]) == 3


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    place, out = tmp_path / "in", tmp_path / "out"
    for number in range(600):
        folder = place / f"{number // 100:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:04}.txt").write_text(str(number))
    held = []
    tracemalloc.start()
    try:
        for number, _ in enumerate(run_archive(Wanted(str(place), str(out), TWO))):
            if number in (99, 599):
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(files(out)) == 600
    assert held[1] - held[0] < 25_000, "less than 50 bytes a file"
