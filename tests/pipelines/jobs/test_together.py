"""Several processes that look for damage in one file: the output does not hang on how many there are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import ConcealError, Settings, UsageError, conceal_file
from pipelines.jobs import OutputMode
from pipelines.jobs.children import Child
from pipelines.jobs.chunks import LEAST, Chunks, Cut
from tests.media import Codec, clip, encode_file
from tests.pipelines.files import VideoPacket, picture_times, rewrite_video

PICTURES, GOP = 2 * LEAST + 700, 50


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than three chunks of tiny pictures; some are damaged, on either side of a cut too, and some are gone."""
    folder = tmp_path_factory.mktemp("long")
    frames = clip(100, 64, 48)
    whole = encode_file(
        folder / "whole.mp4", [frames[n % 100] for n in range(PICTURES)], bframes=2, gop=GOP, extra={"b-pyramid": 0}
    )

    def damage(packets: list[VideoPacket]) -> list[VideoPacket]:
        cut = LEAST + GOP
        hit = {220, 221, cut - 1, cut, cut + 1, 2 * cut + 20, 2 * cut + 21}
        shorter = [
            replace(p, data=p.data[: len(p.data) * 2 // 3]) if n in hit and len(p.data) > 24 else p
            for n, p in enumerate(packets)
        ]
        return [p for n, p in enumerate(shorter) if n not in {700, cut + 400}]

    return rewrite_video(whole, folder / "damaged.mp4", damage)


@pytest.mark.parametrize("output", ["auto", "gop"])
def test_any_number_of_processes_makes_the_same_file(long_file: Path, tmp_path: Path, output: OutputMode) -> None:
    made, totals, reports = set(), [], []
    for jobs in (1, 2, 3):
        out, report = tmp_path / f"out{jobs}.mp4", tmp_path / f"report{jobs}.json"
        result = conceal_file(long_file, out, Settings(jobs=jobs, output=output, report=str(report)))
        assert result.kept is not None and result.kept.bytes_kept > 0
        made.add(out.read_bytes())
        totals.append(replace(result.totals, repair_milliseconds=0.0))
        told = json.loads(report.read_text())
        reports.append([{k: v for k, v in one.items() if k != "milliseconds"} for one in told["pictures"]])
    assert len(made) == 1
    assert totals[0] == totals[1] == totals[2]
    assert reports[0] == reports[1] == reports[2]
    assert len(reports[0]) == PICTURES and sum("method" in one for one in reports[0]) == totals[0].damaged
    times = [one["pts"] for one in reports[0]]
    assert times == sorted(set(times))
    assert totals[0].pictures == PICTURES and totals[0].damaged >= 5
    # Number 700 is an IDR picture of which nothing is left.
    assert picture_times(tmp_path / "out1.mp4") == pytest.approx(
        picture_times(long_file.parent / "whole.mp4"), abs=1e-3
    )


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_open_groups_of_pictures_are_shared_out_too(tmp_path: Path, codec: Codec) -> None:
    """x265's default: no IDR picture but the first. Leading pictures at the cuts are whole, lost, and damaged."""
    frames, count = clip(50, 64, 64), 2 * LEAST + 200
    options = {"open-gop": 1, "keyint": GOP, "min-keyint": GOP, "b-adapt": 0}
    whole = encode_file(
        tmp_path / "whole.mp4", [frames[n % 50] for n in range(count)], codec, bframes=3, gop=GOP, extra=options
    )
    cut = LEAST + 2 * GOP - 1  # where the second chunk begins, three leading pictures behind it
    hit = {300, cut - 2, cut + 1, cut + 2, cut + 3, cut + 40}

    def damage(packets: list[VideoPacket]) -> list[VideoPacket]:
        return [replace(p, data=p.data[: len(p.data) * 2 // 3]) if n in hit else p for n, p in enumerate(packets)]

    source = rewrite_video(whole, tmp_path / "damaged.mp4", damage)
    results = [conceal_file(source, tmp_path / f"out{jobs}.mp4", Settings(jobs=jobs)) for jobs in (1, 3)]
    assert (tmp_path / "out1.mp4").read_bytes() == (tmp_path / "out3.mp4").read_bytes()
    totals = [replace(result.totals, repair_milliseconds=0.0) for result in results]
    assert totals[0] == totals[1]
    assert totals[0].pictures == count and totals[0].without_references == 0
    assert picture_times(tmp_path / "out1.mp4") == pytest.approx(picture_times(whole), abs=1e-3)


def test_holes_in_time_are_found_at_a_cut_too(long_file: Path, tmp_path: Path) -> None:
    """The picture before the first of a chunk that nobody refers to."""
    cut = LEAST + GOP

    def lose(packets: list[VideoPacket]) -> list[VideoPacket]:
        return [p for n, p in enumerate(packets) if n != cut - 1]

    whole = long_file.parent / "whole.mp4"
    source = rewrite_video(whole, tmp_path / "lost.mp4", lose)
    results = [conceal_file(source, tmp_path / f"out{jobs}.mp4", Settings(jobs=jobs)) for jobs in (1, 3)]
    assert [result.pictures for result in results] == [PICTURES, PICTURES]
    assert [result.totals.synthesised for result in results] == [1, 1]


@pytest.mark.parametrize("phase", ["analysing", "repairing"])
def test_an_interrupt_leaves_nothing(long_file: Path, tmp_path: Path, phase: str) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "--json", "--output", "gop", "--jobs", "2", str(long_file)]
    process = subprocess.Popen(
        [*command, str(tmp_path / "out.mp4")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    while phase.encode() not in process.stderr.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors.decode()
    assert "Traceback" not in errors.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_done_until_an_interrupt_is_told_as_it_is(long_file: Path, tmp_path: Path, jobs: int) -> None:
    seen: list[str] = []
    out = tmp_path / "out.mp4"
    settings = Settings(output="gop", jobs=jobs, keep_partial=True)
    # At the second packet of a long file that is repaired: far from its end.
    result = conceal_file(
        long_file,
        out,
        settings,
        on_progress=lambda progress: seen.append(progress.phase),
        stopped=lambda: seen.count("repairing") > 1,
    )
    assert result.interrupted
    assert result.pictures_written == len(picture_times(out)) < PICTURES


@pytest.mark.parametrize("purpose", ["looked for damage", "repaired damage"])
def test_a_process_that_is_killed_ends_the_run_in_one_line(
    long_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: str
) -> None:
    messages = Child.messages

    def killed(child: Child) -> Iterator[tuple[object, ...]]:
        if child._purpose == purpose:
            child._process.kill()
        return messages(child)

    monkeypatch.setattr(Child, "messages", killed)
    with pytest.raises(ConcealError, match=f"process that {purpose} ended with"):
        conceal_file(long_file, tmp_path / "out.mp4", Settings(jobs=2))
    assert list(tmp_path.iterdir()) == []


def test_chunks_begin_at_entries_with_a_group_before_them() -> None:
    chunks = Chunks(least=10)
    cuts = {n: cut for n in range(60) if (cut := chunks.payload(n % 4 == 0)) is not None}
    assert cuts == {
        12: Cut(1, False),
        16: Cut(1, True),
        28: Cut(2, False),
        32: Cut(2, True),
        44: Cut(3, False),
        48: Cut(3, True),
    }


def test_the_number_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="jobs"):
        conceal_file(tmp_path / "in.mp4", tmp_path / "out.mp4", Settings(jobs=-1))
