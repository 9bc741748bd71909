"""Looking for damage on several cores: each child process reads the whole file and decodes its share of the chunks.

What comes out does not hang on how many there are: chunks are cut at the same places whoever looks at them.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

from pipelines.errors import ConcealError, Interrupted
from pipelines.jobs import look_child
from pipelines.jobs.chunks import LEAST
from pipelines.jobs.facts import Facts
from pipelines.jobs.look import Look
from pipelines.jobs.passes import Pass
from pipelines.jobs.run import Run
from pipelines.jobs.survey import Survey
from pipelines.progress import Meter
from pipelines.reading import VideoPayload
from pipelines.stopping import uninterrupted

log = logging.getLogger(__name__)

_TICK = 0.1
Found = tuple[dict[int, Facts], dict[int, Survey]]
"""By stream."""


class NotTogetherError(Exception):
    """The file is better looked at in one piece."""


def look_at_all(run: Run) -> Found:
    """All damage of the video streams, and where they can be cut.

    Raises NotTogetherError where parameter sets or streams change in mid-file, where times are wrong, InputError where
    nothing can be decoded, Interrupted, ConcealError where a child process failed.
    """
    count = min(run.settings.cores, _most_chunks(run))
    parts = _in_children(run, count) if count > 1 else [_here(run)]
    surveys = next(own for _, own in parts if own)
    facts: dict[int, Facts] = {}
    for index, survey in surveys.items():
        by_number: dict[int, Facts] = {}
        for found, _ in parts:
            by_number |= found[index][0]
            survey.damaged.update(found[index][1])
        whole = facts[index] = Facts(index, by_number[0].time_base, by_number[0].interval)
        for number in sorted(by_number):
            whole.add(by_number[number], 0, sys.maxsize, 0)
        whole.payloads = len(survey.sizes)
        if survey.is_split or whole.totals.retimed:
            raise NotTogetherError
    return facts, surveys


_Part = tuple[dict[int, tuple[dict[int, Facts], set[int]]], dict[int, Survey]]


def _most_chunks(run: Run) -> int:
    """Chunks there are at most, as far as the container knows its length."""
    most, whole = 1, (run.source.container.duration or 0) / 1e6
    for index, stream in run.source.video.items():
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else whole
        most = max(most, round(seconds * float(run.source.rate(index))) // LEAST)
    return most


def _here(run: Run) -> _Part:
    with (
        contextlib.ExitStack() as held,
        Pass(run, (), repair=False, track_taint=False, quiet=True) as passed,
    ):
        looks = {i: held.enter_context(contextlib.closing(Look(run.source, i, run.settings))) for i in run.source.video}
        for event in passed.events(
            "analysing", looks.keys(), lambda: [one for look in looks.values() for one in look.totals]
        ):
            if isinstance(event, VideoPayload):
                looks[event.stream].push(event)
        if run.stopped():
            raise Interrupted("interrupted")
        for look in looks.values():
            look.finish()
    found = {index: (look.facts, look.survey.damaged) for index, look in looks.items()}
    return found, {index: look.survey for index, look in looks.items()}


def _in_children(run: Run, count: int) -> list[_Part]:
    source = run.source
    children = [
        Child(look_child.Job(source.name, run.settings, source.parameter_sets, source.salvaged, which, count))
        for which in range(count)
    ]
    meter = Meter("analysing", run.on_progress)
    try:
        while any(child.part is None for child in children):
            if run.stopped():
                raise Interrupted("interrupted")
            for child in children:
                child.hear()
            share = min(child.share for child in children)
            meter.tell(sum(c.pictures for c in children), sum(c.damaged for c in children), share)
            time.sleep(_TICK)
        return [child.part for child in children if child.part is not None]
    finally:
        for child in children:
            child.close()


class Child:
    """One child process, and what it said so far."""

    def __init__(self, job: look_child.Job) -> None:
        folder = Path(look_child.__file__).absolute().parents[2]
        command = [sys.executable, "-I", str(Path(look_child.__file__).absolute()), str(folder)]
        with uninterrupted():
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._messages: SimpleQueue[tuple[object, ...]] = SimpleQueue()
        threading.Thread(target=self._listen, name="what a child found", daemon=True).start()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as channel:
            pickle.dump(job, channel, pickle.HIGHEST_PROTOCOL)
        self.part: _Part | None = None
        self.pictures = self.damaged = 0
        self.share = 0.0

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as channel:
            while True:
                try:
                    self._messages.put(pickle.load(channel))
                except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                    self._messages.put(("ended",))
                    return

    def hear(self) -> None:
        """Take in what it said. Raises NotTogetherError, ConcealError."""
        while self.part is None:
            try:
                kind, *rest = self._messages.get_nowait()
            except Empty:
                return
            if kind == "progress":
                self.pictures, self.damaged, share = rest  # type: ignore[assignment]
                self.share = share or 0.0  # type: ignore[assignment]
            elif kind == "log":
                level, text = rest
                log.log(level, "%s", text)  # type: ignore[arg-type]
            elif kind == "done":
                self.part = rest[0], rest[1]  # type: ignore[assignment]
                self.share = 1.0
            elif kind == "late":
                raise NotTogetherError
            elif kind == "failed":
                raise ConcealError(str(rest[0]))
            else:
                raise ConcealError(f"a process that looked for damage ended with {self._process.wait()}")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
