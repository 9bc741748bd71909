"""One file of an archive: looked up in the manifest, repaired or copied, noted in the manifest, put in its place.

The note comes before the place: whatever stands in the target and is ours, the manifest knows.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from concealer import __version__
from pipelines.archive.opening import open_place
from pipelines.archive.places import Place, digest
from pipelines.archive.record import Content, Record, read_record
from pipelines.archive.task import Found, Job, Outcome, Task
from pipelines.checking.check import is_video_file
from pipelines.checking.endings import cut_off
from pipelines.errors import ConcealError, InputError, Interrupted, NoVideoError, OutputError, UsageError, one_line
from pipelines.jobs import ConcealResult, Share, conceal_file, search_share
from pipelines.reading import Source
from pipelines.writing.output_file import format_name


def perform(task: Task, stopped: Callable[[], bool] = lambda: False) -> Outcome | Found:
    """Do a task. Raises nothing but Interrupted."""
    return _treat(task, stopped) if task.share is None else _search(task, *task.share)


def _search(task: Task, which: int, of: int) -> Found:
    used = _processor_seconds()
    share, before = None, None
    # Whatever goes wrong here goes wrong once more, and is told, where the file is treated.
    with contextlib.suppress(Exception):
        source = open_place(task.job.source)
        before = source.stamp(task.name)
        with source.local(task.name) as path:
            share = search_share(path, task.job.of_one_process(), which, of)
    return Found(task.name, share, before, _processor_seconds() - used)


def _treat(task: Task, stopped: Callable[[], bool]) -> Outcome:
    began, used = time.monotonic(), _processor_seconds()
    try:
        if task.job.version != __version__:
            raise ConcealError(f"this worker runs concealer {__version__}, the job is of {task.job.version}")
        source, target = open_place(task.job.source), open_place(task.job.target)
        noted = _noted(task, target)
        task = replace(task, known=(*task.known, *noted))
        record = _known(task, source, target)
        if record is not None:
            outcome = Outcome(task.name, "done" if record in noted else "known", record)
        elif task.only_look_up:
            outcome = Outcome(task.name, "to do")
        else:
            outcome = Outcome(task.name, "done", _done(task, source, target, began, used, stopped))
    except Interrupted:
        raise
    except ConcealError as error:
        reason = str(error).removeprefix(f"{task.name}: ")
        outcome = Outcome(task.name, "failed", None, reason, error.exit_code)
    except Exception as error:  # one file must not end the work on others
        outcome = Outcome(task.name, "failed", None, f"failed: {one_line(error)} ({type(error).__name__})", 1)
    processor = _processor_seconds() - used + _searching(task)
    return replace(outcome, seconds=time.monotonic() - began, processor_seconds=processor)


def _searching(task: Task) -> float:
    """Processor time of the search for damage that others did."""
    return sum(one.processor_seconds for one in task.found)


def _noted(task: Task, target: Place) -> tuple[Record, ...]:
    """What others of this run had finished of the file before they were lost. Raises InputError."""
    if not task.again:
        return ()
    try:
        records = [read_record(line) for line in target.parts(task.job.run)]
    except OSError as error:
        raise InputError(f"{task.job.target}: cannot be read: {one_line(error)}") from error
    return tuple(record for record in records if record is not None and record.name == task.name)


def _known(task: Task, source: Place, target: Place) -> Record | None:
    """The record of finished work that needs not be done again."""
    job = task.job
    for record in reversed(task.known):
        fits = (record.settings, record.version) == (job.digest, job.version)
        if (
            fits
            and _is_still(record.input, source, task.name, job.trust_times)
            and (record.output is None or _is_still(record.output, target, task.name, job.trust_times))
        ):
            return record
    return None


def _is_still(content: Content, place: Place, name: str, trust_times: bool) -> bool:
    """Whether a file holds what it held. trust_times: as far as size and stamp tell, where both are known."""
    now = _stamp(place, name)
    if now is None or now.size != content.size:
        return False
    if trust_times and content.stamp in ("", now.stamp):
        return True
    try:
        return place.digest(name).same(content)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {one_line(error)}") from error


def _stamp(place: Place, name: str) -> Content | None:
    try:
        return place.stamp(name)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {one_line(error)}") from error


def _done(task: Task, source: Place, target: Place, began: float, used: float, stopped: Callable[[], bool]) -> Record:
    """Do it. Raises ConcealError."""
    job, name = task.job, task.name
    _refuse_to_replace(task, target)
    with contextlib.ExitStack() as held:
        try:
            before = source.stamp(name)
            path = held.enter_context(source.local(name))
            with open(path, "rb") as file:
                content = Content(*digest(file), before.stamp if before is not None else "")
        except OSError as error:
            raise InputError(f"{name}: cannot be read: {one_line(error)}") from error
        try:
            free = target.free()
            if free is not None and free < content.size:
                raise OutputError(f"{name}: has {content.size} bytes, {job.target} has room for {free}")
            draft = held.enter_context(target.draft(name, job.run))
            record = Record(name, content, job.digest, job.version, "copied", None)
            shares = tuple(one.share for one in task.found if one.share is not None and one.input == before)
            record = _written(record, job, path, draft.path, shares, stopped)
            if record.status != "left out":
                with open(draft.path, "rb") as file:
                    record = replace(record, output=Content(*digest(file), draft.stamp()))
            if record.status == "copied" and not (record.output or content).same(content):
                raise InputError(f"{name}: was changed while it was copied")
            if source.stamp(name) != before:
                raise InputError(f"{name}: was changed while it was worked on")
            seconds, processor = time.monotonic() - began, _processor_seconds() - used + _searching(task)
            record = replace(record, seconds=round(seconds, 3), processor_seconds=round(processor, 3))
            target.note(_part(job.run), record.line())
            if record.status != "left out":
                draft.commit()
        except OSError as error:
            raise OutputError(f"{name}: cannot be written: {one_line(error)}") from error
    return record


def _refuse_to_replace(task: Task, target: Place) -> None:
    """Raise OutputError if there is a file that the manifest does not know in the output's place."""
    if task.job.settings.overwrite:
        return
    ours = [record.output for record in task.known if record.output is not None]
    try:
        now = target.stamp(task.name)
        if now is None:
            return
        if any(now.size == one.size for one in ours) and any(target.digest(task.name).same(one) for one in ours):
            return
    except OSError as error:
        raise OutputError(f"{task.name}: cannot be written: {one_line(error)}") from error
    raise OutputError(f"{task.name}: exists in {target.address} and is not of an earlier run; -y replaces it")


def _written(
    record: Record, job: Job, path: str, draft: str, shares: tuple[Share, ...], stopped: Callable[[], bool]
) -> Record:
    """Fill the draft by the front door, or with a copy. What needs no repair is not even packed anew."""
    try:
        result = _concealed(job, path, draft, shares, stopped)
    except NoVideoError:
        return _copied(replace(record, video=False), job, path, draft)
    except ConcealError as error:
        text = str(error).replace(path, record.name).replace(draft, record.name)
        raise type(error)(text) from error
    totals = result.totals
    record = replace(record, pictures=totals.pictures, damaged=totals.damaged, repaired=totals.repaired)
    if _is_intact(job, result, path):
        return _copied(record, job, path, draft)
    kept = result.kept.bytes_kept if result.kept is not None else 0
    route = result.kept.route if result.kept is not None else "splice" if result.action == "spliced" else "encode"
    if result.action in ("copied", "encoded"):
        return replace(record, status="rewritten")
    return replace(record, status="repaired", route=route, bytes_kept=kept)


def _concealed(
    job: Job, path: str, draft: str, shares: tuple[Share, ...], stopped: Callable[[], bool]
) -> ConcealResult:
    """Raises NoVideoError for what is no H.264 or HEVC video, other ConcealErrors."""
    settings = job.of_one_process()
    try:
        try:
            format_name(draft, settings.output_format)
        except UsageError as error:  # the name may be that of a file without video
            Source(path, settings.input_format).close()
            raise UsageError(f"{error} to all files, or leave this one out") from error
        return conceal_file(path, draft, settings, stopped=stopped, shares=shares)
    except InputError as error:
        if isinstance(error, NoVideoError) or is_video_file(path):
            raise
        raise NoVideoError(str(error)) from error


def _is_intact(job: Job, result: ConcealResult, path: str) -> bool:
    """Whether a copy of the file is as good as what was written."""
    totals = result.totals
    odd = (totals.retimed, totals.misplaced, totals.held, totals.dropped, totals.synthesised, totals.unreadable_sets)
    whole = not (result.losses or result.unread or result.ended_early or result.salvaged or any(odd))
    untouched = result.action == "copied" or (result.action == "encoded" and not job.settings.always_encode)
    return untouched and whole and cut_off(path) is None


def _copied(record: Record, job: Job, path: str, draft: str) -> Record:
    if job.skip_intact:
        return replace(record, status="left out")
    if record.video and job.settings.output_format is not None:
        return replace(record, status="rewritten")
    shutil.copyfile(path, draft)
    with contextlib.suppress(OSError):
        shutil.copystat(path, draft)
    return replace(record, status="copied", bytes_kept=record.input.size)


@cache
def _part(run: str) -> str:
    """Name of the part of the manifest that this process writes."""
    return f"{run}-{socket.gethostname()}-{os.getpid()}"


def _processor_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)
