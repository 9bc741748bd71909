"""A carrier in a process of its own: writing slices takes Python's time, which repair needs as well.

Not `multiprocessing`: that would run the caller's main module again. Messages are pickles over the child's standard
input and output; both ends are ours.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from concealer.bitstream import Codec, NalUnit
from concealer.splice.carrier import open_carrier
from concealer.splice.job import Job
from concealer.splice.unit import Written

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]
_MOST_WAITING = 24
"""Jobs given and not answered; more would only fill memory."""


class LocalCarrier:
    """A carrier behind the interface of `RemoteCarrier`: answers are there at once."""

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float) -> None:
        self._carrier = open_carrier(codec, parameter_sets, seconds)

    def give(self, job: Job) -> list[list[Written]]:
        """Take a job; returns the answers that have come, in the order of the jobs."""
        return [self._carrier.carry(job)]

    def rest(self) -> list[list[Written]]:
        """All answers still to come."""
        return []

    def close(self) -> None:
        """Free the decoder."""
        self._carrier.close()


class RemoteCarrier:
    """The same in a child process."""

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float) -> None:
        """Raises OSError if there can be no child process."""
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._child = subprocess.Popen(
            [sys.executable, "-m", "concealer.splice"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._child.stdin is not None and self._child.stdout is not None
        self._to, self._from = self._child.stdin, self._child.stdout
        self._waiting = 0
        self._answers: SimpleQueue[object] = SimpleQueue()
        # Both ends would wait for each other if nobody emptied this pipe while a job is being sent.
        threading.Thread(target=self._listen, name="spliced slices", daemon=True).start()
        self._jobs: SimpleQueue[bytes | None] = SimpleQueue()
        # A pipe holds less than one job's samples: whoever writes waits until the child has done the job before.
        self._writer = threading.Thread(target=self._speak, name="jobs for spliced slices", daemon=True)
        self._writer.start()
        self._jobs.put(_packed((codec, list(parameter_sets), seconds)))

    def give(self, job: Job) -> list[list[Written]]:
        """Take a job; returns the answers that have come, in the order of the jobs. Raises what the carrier raises."""
        answers = []
        while self._waiting >= _MOST_WAITING or not self._answers.empty():
            answers.append(self._answer())
        self._waiting += 1
        # Now, because what the job refers to goes on to change.
        self._jobs.put(_packed(job))
        return answers

    def rest(self) -> list[list[Written]]:
        """All answers still to come."""
        return [self._answer() for _ in range(self._waiting)]

    def close(self) -> None:
        """End the child process."""
        self._child.terminate()
        self._child.wait()
        self._jobs.put(None)
        self._writer.join()

    def _speak(self) -> None:
        # Once the child has ended there is nobody to tell; whoever waits for its answer learns why.
        with contextlib.suppress(OSError), self._to:
            while (message := self._jobs.get()) is not None:
                self._to.write(message)
                self._to.flush()

    def _listen(self) -> None:
        while True:
            try:
                answer = pickle.load(self._from)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError):
                self._from.close()
                self._answers.put(None)
                return
            self._answers.put(answer)

    def _answer(self) -> list[Written]:
        answer = self._answers.get()
        self._waiting -= 1
        if answer is None:
            raise RuntimeError(f"the process that writes slices ended with {self._child.wait()}")
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer


def open_carrier_for(
    codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float, own_process: bool
) -> LocalCarrier | RemoteCarrier:
    """A carrier in a process of its own if that is wanted and can be had."""
    if own_process:
        try:
            return RemoteCarrier(codec, parameter_sets, seconds)
        except OSError as error:
            log.warning("no process for writing slices (%s): it is done in this one", error)
    return LocalCarrier(codec, parameter_sets, seconds)


def send(pipe: BinaryIO | Any, message: object) -> None:
    """Write a message of ours to a pipe."""
    pipe.write(_packed(message))
    pipe.flush()


def _packed(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
