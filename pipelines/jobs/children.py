"""Child processes of a run, as their parent sees them."""

from __future__ import annotations

import contextlib
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from concealer.standins import UnsupportedStandInError
from pipelines.errors import ConcealError, one_line
from pipelines.jobs import child
from pipelines.reading import LateStreamsError
from pipelines.stopping import uninterrupted

log = logging.getLogger(__name__)

TICK = 0.05
"""Seconds between two looks at what children said."""


class Channel(Protocol):
    """What a child process speaks and hears through."""

    def tell(self, kind: str, *what: object) -> None:
        """Say something to the parent."""

    def hear(self) -> object:
        """What the parent sent next. Raises EOFError once it is gone."""


class Job(Protocol):
    """What a child process is to do; goes there as a pickle."""

    @property
    def told(self) -> Sequence[str]:
        """Loggers whose messages the user is to see."""

    def work(self, channel: Channel) -> None:
        """Do it, in the child process. What it raises is raised by `Child.messages`."""


class Child:
    """One child process."""

    def __init__(self, job: Job, purpose: str, descriptors: Sequence[int] = ()) -> None:
        """purpose: "looked for damage"; what it did if it dies. descriptors: of files that it shares."""
        self._purpose = purpose
        program = Path(child.__file__).absolute()
        command = [sys.executable, "-I", str(program), str(program.parents[2])]
        with uninterrupted():
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=descriptors
            )
        self._said: SimpleQueue[tuple[object, ...]] = SimpleQueue()
        threading.Thread(target=self._listen, name=f"child that {purpose}", daemon=True).start()
        self.send(job)

    def send(self, what: object) -> None:
        """Something for it to hear. If it has died, `messages` tells."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            pickle.dump(what, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()

    def messages(self) -> Iterator[tuple[object, ...]]:
        """What it said since, without waiting. Raises what its work raised, ConcealError if it died."""
        while True:
            try:
                kind, *what = self._said.get_nowait()
            except Empty:
                return
            if kind == "log":
                level, text = what
                assert isinstance(level, int)
                log.log(level, "%s", text)
            elif kind == "raised":
                (error,) = what
                if isinstance(error, ConcealError | UnsupportedStandInError | LateStreamsError):
                    raise error
                assert isinstance(error, Exception)
                raise ConcealError(f"a process that {self._purpose} failed: {one_line(error)}")
            elif kind == "ended":
                raise ConcealError(f"a process that {self._purpose} ended with {self._process.wait()}")
            else:
                yield (kind, *what)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as channel:
            while True:
                try:
                    self._said.put(pickle.load(channel))
                except Exception:  # the end, or what a dying process left of a message
                    self._said.put(("ended",))
                    return
