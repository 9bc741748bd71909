"""The generative method's network: found in the zoo, compiled by an engine, handed to the repair."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

from concealer.repair import GenerativeRepair, LandmarkStructure, Locate
from engines import Engine, EngineError, Options, open_engine
from engines.backends import BACKENDS
from engines.zoo import Entry, Zoo, open_zoo
from pipelines.errors import UsageError, one_line

log = logging.getLogger(__name__)

ENGINES = ("auto", *BACKENDS)
BUCKETS = (1, 2, 4, 8)
"""More crops than this at once are more than any deadline leaves time for."""
_SHARED = 8
"""Compiled networks that a process holds for streams to come."""


class NoNetworkError(UsageError):
    """There is no network here that the generative method could use."""


def open_generative(
    engine: str = "auto", zoo: Zoo | None = None, network: str = "auto"
) -> Callable[[], GenerativeRepair]:
    """Compile the best network of the zoo that can be used; what makes a repair of it for each stream.

    engine: a backend of `engines`, or "auto". network: an inpainter's name in the zoo; "auto": the one that did best on
    held-out pictures of those that can be used. A network for faces needs MediaPipe to find them (extra `faces`), one
    with structure a network for landmarks beside it. Raises NoNetworkError if there is none, EngineError if it cannot
    be compiled.
    """
    zoo = zoo or open_zoo()
    reasons = []
    for entry in zoo.inpainters():
        if network not in ("auto", entry.name):
            continue
        try:
            locate = _locate(entry)
            compiled = open_engine(zoo.model(entry.name), engine, Options(buckets=BUCKETS))
        except _NotUsableError as error:
            reasons.append(f"{entry.name}: {error}")
            continue
        finder = None
        if any(spec.name == "structure" for spec in compiled.inputs):
            finder = _finder(zoo, engine)
            if finder is None:
                compiled.close()
                reasons.append(f"{entry.name}: the zoo has no network for landmarks")
                continue
        log.info("generative repair by %s on %s", entry.name, compiled)
        return partial(_rehearsed, compiled, locate, finder)
    absent = "none in the zoo" if network == "auto" else f"the zoo has no inpainter {network!r}"
    raise NoNetworkError(f"no network for generative repair: {'; '.join(reasons) or absent}")


def _rehearsed(network: Engine, locate: Locate | None, finder: Engine | None) -> GenerativeRepair:
    structure = None if finder is None else LandmarkStructure(finder)
    repair = GenerativeRepair(network, locate=locate, structure=structure)
    repair.rehearse()
    return repair


class _NotUsableError(Exception):
    """This network cannot be used here, another may."""


def _locate(entry: Entry) -> Locate | None:
    if entry.domain != "face":
        return None
    try:
        from pipelines.generative.faces import FaceLocator

        return FaceLocator()
    except ImportError as error:
        raise _NotUsableError("faces are found by mediapipe: pip install 'concealer[faces]'") from error


def _finder(zoo: Zoo, engine: str) -> Engine | None:
    """A network of the zoo that finds landmarks in damaged crops."""
    entry = next((one for one in zoo.entries.values() if one.task == "landmarks"), None)
    return None if entry is None else open_engine(zoo.model(entry.name), engine, Options(buckets=BUCKETS))


def check_engine(engine: str) -> None:
    """Raises UsageError for a name that no backend has."""
    if engine not in ENGINES:
        raise UsageError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")


def check_network(network: str, method: str) -> None:
    """Raises UsageError for a name that no inpainter of the zoo has, and for one that the method would not ask."""
    if network == "auto":
        return
    if method not in ("auto", "generative"):
        raise UsageError(f"--network: the method {method} asks none")
    try:
        names = [entry.name for entry in open_zoo().inpainters()]
    except EngineError as error:
        raise UsageError(one_line(error)) from error
    if network not in names:
        raise UsageError(f"network must be one of {', '.join(('auto', *names))}, got {network!r}")


def generative_or_none(method: str, engine: str, network: str = "auto") -> Callable[[], GenerativeRepair] | None:
    """`open_generative` for a method, once for all streams of a zoo. "auto" goes without a network where there is none,
    and says why if one is broken.

    Raises UsageError if the method is "generative", or a network is named, and nothing can serve it.
    """
    if method not in ("auto", "generative"):
        return None
    try:
        return _open_of(engine, open_zoo().folder, network)
    except (EngineError, UsageError) as error:
        if method == "generative" or network != "auto":
            raise UsageError(one_line(error)) from error
        level = logging.DEBUG if isinstance(error, NoNetworkError) else logging.WARNING
        log.log(level, "repair goes on without a generative network: %s", one_line(error))
        return None


@lru_cache(maxsize=_SHARED)
def _open_of(engine: str, folder: Path, network: str) -> Callable[[], GenerativeRepair]:
    """folder: of the zoo, which another may replace."""
    return open_generative(engine, network=network)


@lru_cache(maxsize=_SHARED)
def open_shared(engine: str, network: str) -> Callable[[], GenerativeRepair]:
    """`open_generative`, once for all streams of this process; errors are not remembered."""
    return open_generative(engine, network=network)


def open_in_background(engine: str, use: Callable[[GenerativeRepair], None], network: str = "auto") -> threading.Thread:
    """Compile the network of a live stream while the stream already runs; `use` is called once it is ready, not at all
    if there is none. Pictures are repaired without it until then."""

    def work() -> None:
        try:
            use(open_shared(engine, network)())
        except Exception as error:  # nothing must reach the stream
            level = logging.DEBUG if isinstance(error, NoNetworkError) else logging.WARNING
            log.log(level, "repair goes on without a generative network: %s", one_line(error))

    thread = threading.Thread(target=work, name="network", daemon=True)
    thread.start()
    return thread
