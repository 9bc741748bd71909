"""The network that chooses between candidates of motion: part of the method "auto" wherever it can be opened."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from concealer.repair import LearntChoice
from engines import Engine, EngineError, Options, open_engine
from engines.zoo import open_zoo
from pipelines.errors import one_line

log = logging.getLogger(__name__)

TILES = (1, 2, 4)
"""Tiles of 128 x 384 luma samples at once: a lost slice of a small picture, and of one of 720p."""


class _NoNetworkError(EngineError):
    """The zoo has none."""


@lru_cache(maxsize=8)
def _open_shared(engine: str, folder: Path) -> Engine:
    """Compiled once for all streams of this process; errors are not remembered. Raises EngineError."""
    zoo = open_zoo(folder)
    entry = next((one for one in zoo.entries.values() if one.task == "choose"), None)
    if entry is None:
        raise _NoNetworkError("the zoo has no network that chooses between candidates")
    # In single precision whatever the machine computes faster: results are the same from machine to machine.
    return open_engine(zoo.model(entry.name), engine, Options(buckets=TILES, precision="fp32"))


def choice_or_none(method: str, engine: str) -> LearntChoice | None:
    """For one stream. None for methods that do without, and where it cannot be opened, which is logged."""
    if method != "auto":
        return None
    try:
        return LearntChoice(_open_shared(engine, open_zoo().folder))
    except Exception as error:  # a stream is repaired without it
        level = logging.DEBUG if isinstance(error, _NoNetworkError) else logging.WARNING
        log.log(level, "repair goes on without the network that chooses: %s", one_line(error))
        return None


def choice_in_background(engine: str, use: Callable[[LearntChoice], None]) -> threading.Thread:
    """Compile it while a live stream already runs; `use` is called once it is ready, not at all if there is none."""

    def work() -> None:
        choice = choice_or_none("auto", engine)
        if choice is not None:
            use(choice)

    thread = threading.Thread(target=work, name="choice", daemon=True)
    thread.start()
    return thread
