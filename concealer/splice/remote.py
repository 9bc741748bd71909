"""A carrier in a process of its own: writing slices takes Python's time, which repair needs as well.

Not `multiprocessing`: that would run the caller's main module again. Messages are pickles over the child's standard
input and output; both ends are ours.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from concealer.bitstream import Codec, NalUnit
from concealer.splice import child
from concealer.splice.carriers import open_carrier
from concealer.splice.open_unit import OpenUnit
from concealer.splice.unit import Written

log = logging.getLogger(__name__)

_LIBRARIES = ("numpy", "cv2", "av")
"""What the child needs besides the package itself."""
_MOST_WAITING = 24
"""Units given and not answered; more would only fill memory."""


class LocalCarrier:
    """A carrier behind the interface of `RemoteCarrier`: answers are there at once.

    Between two units it catches up in a thread of its own, while the next one is decoded and repaired.
    """

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float, quick: bool) -> None:
        self._carrier = open_carrier(codec, parameter_sets, seconds, quick)
        self._thread = ThreadPoolExecutor(1, "spliced pictures")
        self._catching_up: Future[None] | None = None

    def begin(self, waited: float) -> None:
        """See `Carrier`."""
        self._carrier.begin(waited)

    def give(self, unit: OpenUnit) -> list[list[Written]]:
        """Take a unit; returns the answers that have come, in the order of the units."""
        self._wait()
        return [self._carrier.carry(unit)]

    def rest(self) -> list[list[Written]]:
        """All answers still to come."""
        return []

    def catch_up(self) -> None:
        """See `Carrier`."""
        self._wait()
        self._catching_up = self._thread.submit(self._carrier.catch_up)

    def close(self) -> None:
        """Free the decoder."""
        self._thread.shutdown()
        self._carrier.close()

    def _wait(self) -> None:
        ours, self._catching_up = self._catching_up, None
        if ours is not None:
            ours.result()


class RemoteCarrier:
    """The same in a child process."""

    def __init__(self, codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float) -> None:
        """Raises OSError if there can be no child process."""
        command = _command()
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdin is not None and self._child.stdout is not None
        self._to, self._from = self._child.stdin, self._child.stdout
        if self._from.readline() != child.READY:
            self._child.kill()
            self._child.communicate()
            raise OSError(f"{command[0]} is not of the version that runs here")
        self._waiting = 0
        self._answers: SimpleQueue[object] = SimpleQueue()
        # Both ends would wait for each other if nobody emptied this pipe while a unit is being sent.
        threading.Thread(target=self._listen, name="spliced slices", daemon=True).start()
        self._messages: SimpleQueue[bytes | None] = SimpleQueue()
        # A pipe holds less than one unit's samples: whoever writes waits until the child has done the unit before.
        self._writer = threading.Thread(target=self._speak, name="units to splice", daemon=True)
        self._writer.start()
        self._messages.put(_packed((codec, list(parameter_sets), seconds)))

    def begin(self, waited: float) -> None:
        """Nobody waits for the child in the first place."""

    def give(self, unit: OpenUnit) -> list[list[Written]]:
        """As `LocalCarrier`, but answers come later. Raises what the carrier raises."""
        answers = []
        while self._waiting >= _MOST_WAITING or not self._answers.empty():
            answers.append(self._answer())
        self._waiting += 1
        # Now, because what the unit refers to goes on to change.
        self._messages.put(_packed(unit))
        return answers

    def rest(self) -> list[list[Written]]:
        """All answers still to come."""
        return [self._answer() for _ in range(self._waiting)]

    def catch_up(self) -> None:
        """Nobody waits for the child in the first place."""

    def close(self) -> None:
        """End the child process."""
        self._child.terminate()
        self._child.wait()
        self._messages.put(None)
        self._writer.join()

    def _speak(self) -> None:
        # Once the child has ended there is nobody to tell; whoever waits for its answer learns why.
        with contextlib.suppress(OSError), self._to:
            while (message := self._messages.get()) is not None:
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
    codec: Codec, parameter_sets: Sequence[NalUnit], seconds: float, own_process: bool, quick: bool
) -> LocalCarrier | RemoteCarrier:
    """A carrier in a process of its own if that is wanted and can be had; see `Splicer` for the rest."""
    if own_process:
        try:
            return RemoteCarrier(codec, parameter_sets, seconds)
        except OSError as error:
            log.warning("no process for writing slices (%s): it is done in this one", error)
    return LocalCarrier(codec, parameter_sets, seconds, quick)


def _command() -> list[str]:
    """Command line of the child, see `child`. Raises OSError if there is no interpreter."""
    package = Path(__file__).absolute().parents[1]
    return [_interpreter(), "-I", "-S", str(Path(child.__file__).absolute()), str(package), *_library_folders()]


def _interpreter() -> str:
    """The Python that runs here: inside another program `sys.executable` may name that program, or nothing."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable or "", os.path.join(sys.exec_prefix, "bin", name), shutil.which(name) or ""]
    for path in candidates:
        if os.path.basename(path).startswith("python") and os.access(path, os.X_OK):
            return path
    raise OSError("no Python interpreter to start")


def _library_folders() -> list[str]:
    """Where the libraries were found that run here: the child is to find the same ones."""
    folders = []
    for name in _LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise OSError(f"{name} was not loaded from a file")
        depth = 1 if spec.submodule_search_locations else 0
        folders.append(str(Path(spec.origin).absolute().parents[depth]))
    return list(dict.fromkeys(folders))


def _packed(message: object) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
