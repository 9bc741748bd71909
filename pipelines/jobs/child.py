"""A child process of a run: its job on standard input, then what it is sent; what it says on standard output. Pickles.

python -I child.py FOLDER
    FOLDER holds the packages; nothing else of the parent's environment is searched, nor is the current folder.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
from typing import BinaryIO


class _Channel:
    """See `pipelines.jobs.children.Channel`, which cannot be imported before the job is known."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source, self._target = source, target

    def tell(self, kind: str, *what: object) -> None:
        pickle.dump((kind, *what), self._target, pickle.HIGHEST_PROTOCOL)
        self._target.flush()

    def hear(self) -> object:
        return pickle.load(self._source)


class _Forward(logging.Handler):
    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        self._channel.tell("log", record.levelno, record.getMessage())


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    sys.path.append(sys.argv[1])
    # Whatever a library prints must not come between the messages.
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    channel = _Channel(sys.stdin.buffer, target)
    try:
        job = pickle.load(sys.stdin.buffer)
        for name in job.told:
            told = logging.getLogger(name)
            told.addHandler(_Forward(channel))
            told.propagate = False
        job.work(channel)
    except BrokenPipeError:  # the parent is gone
        os._exit(1)
    except Exception as error:
        ours = type(error).__module__.split(".")[0] in ("concealer", "pipelines")
        channel.tell("raised", error if ours else RuntimeError(f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
