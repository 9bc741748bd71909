"""The network that chooses between candidates of motion: part of the method "auto" wherever it can be opened."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from concealer.repair import Chosen, LearntChoice, Question
from engines import Engine, EngineError, Options, open_engine
from engines.zoo import open_zoo
from pipelines.errors import one_line

log = logging.getLogger(__name__)


class _NoNetworkError(EngineError):
    """The zoo has none."""


@lru_cache(maxsize=8)
def _open_shared(engine: str, folder: Path) -> tuple[Engine, ...]:
    """Compiled once for all streams of this process; errors are not remembered. Raises EngineError."""
    zoo = open_zoo(folder)
    entries = [one for one in zoo.entries.values() if one.task == "choose"]
    if not entries:
        raise _NoNetworkError("the zoo has no network that chooses between candidates")
    # In single precision whatever the machine computes faster: results are the same from machine to machine. Tiles by
    # themselves, two at a time: a batch takes as long as they do, and on a busy machine threads wait for each other.
    options = Options(buckets=(1, 2), threads=1, apart=True, precision="fp32")
    with ThreadPoolExecutor(len(entries)) as pool:
        return tuple(pool.map(lambda one: open_engine(zoo.model(one.name), engine, options), entries))


def choice_or_none(method: str, engine: str) -> LearntChoice | None:
    """For one stream. None for methods that do without, and where it cannot be opened, which is logged."""
    if method != "auto":
        return None
    try:
        return LearntChoice(*_open_shared(engine, open_zoo().folder))
    except Exception as error:  # a stream is repaired without it
        level = logging.DEBUG if isinstance(error, _NoNetworkError) else logging.WARNING
        log.log(level, "repair goes on without the network that chooses: %s", one_line(error))
        return None


class AwaitedChoice:
    """For one stream of a file: opened while its first access units are read, and waited for at its first hole, so that
    results do not depend on the machine's speed. Where it cannot be opened, the repair goes on without it."""

    def __init__(self, engine: str) -> None:
        self._opened: LearntChoice | None = None
        self._opening = threading.Thread(target=self._open, args=(engine,), name="choice")
        self._opening.start()

    def _open(self, engine: str) -> None:
        self._opened = choice_or_none("auto", engine)

    @property
    def _choice(self) -> LearntChoice | None:
        self._opening.join()
        return self._opened

    @property
    def works(self) -> bool:
        """Waits for it."""
        return self._choice is not None and self._choice.works

    def corrected(self, asked: Question) -> Chosen:
        """As `Choice.corrected`."""
        choice = self._choice
        if choice is None:
            return Chosen(asked.expected.errors)
        return choice.corrected(asked)

    def forget(self) -> None:
        """Another scene begins."""
        if self._choice is not None:
            self._choice.forget()


def choice_in_background(engine: str, use: Callable[[LearntChoice], None]) -> threading.Thread:
    """Compile it while a live stream already runs; `use` is called once it is ready, not at all if there is none."""

    def work() -> None:
        choice = choice_or_none("auto", engine)
        if choice is not None:
            use(choice)

    thread = threading.Thread(target=work, name="choice", daemon=True)
    thread.start()
    return thread
