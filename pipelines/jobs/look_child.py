"""The child process of `together`: a job on standard input, what was found on standard output, as pickles.

python -I look_child.py FOLDER
    FOLDER holds the packages; nothing else of the parent's environment is searched, nor is the current folder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pipelines.jobs.settings import Settings
    from pipelines.salvage import Salvaged

_EVERY = 0.2
"""Seconds between two words of progress."""
_TOLD = "pipelines.gaps"
"""Logger whose messages concern one chunk; what concerns the file the parent says itself."""


@dataclass(frozen=True)
class Job:
    """What one child process is to do."""

    name: str
    settings: Settings
    parameter_sets: bytes
    salvaged: Salvaged | None
    which: int
    of: int


class _Forward(logging.Handler):
    def __init__(self, target: BinaryIO) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        say(self._target, ("log", record.levelno, record.getMessage()))


def say(target: BinaryIO, message: tuple[object, ...]) -> None:
    """One message to the parent."""
    pickle.dump(message, target, pickle.HIGHEST_PROTOCOL)
    target.flush()


def work(job: Job, target: BinaryIO) -> None:
    """Look at the chunks that are ours and say what they hold."""
    from pipelines.errors import ConcealError
    from pipelines.jobs.look import Look
    from pipelines.reading import LateStreamsError, Source, VideoPayload

    last = time.monotonic()
    try:
        source = Source(job.name, job.settings.input_format, parameter_sets=job.parameter_sets, salvaged=job.salvaged)
        with contextlib.closing(source):
            looks = {index: Look(source, index, job.settings, job.which, job.of) for index in source.video}
            for event in source.events(looks.keys()):
                if isinstance(event, VideoPayload):
                    looks[event.stream].push(event)
                now = time.monotonic()
                if now - last > _EVERY:
                    last = now
                    totals = [one for look in looks.values() for one in look.totals]
                    counts = sum(t.pictures for t in totals), sum(t.damaged for t in totals)
                    say(target, ("progress", *counts, source.progress))
            for look in looks.values():
                look.finish()
            found = {index: (look.facts, look.survey.damaged) for index, look in looks.items()}
            surveys = {index: look.survey for index, look in looks.items()} if job.which == 0 else {}
            say(target, ("done", found, surveys))
    except LateStreamsError:
        say(target, ("late",))
    except ConcealError as error:
        say(target, ("failed", str(error)))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    sys.path.append(sys.argv[1])
    # Whatever a library prints must not come between the messages.
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    told = logging.getLogger(_TOLD)
    told.addHandler(_Forward(target))
    told.propagate = False
    work(pickle.load(sys.stdin.buffer), target)


if __name__ == "__main__":
    main()
