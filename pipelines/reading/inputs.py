"""Every way to come by a container: a table of what takes an input, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.reading.addresses import is_live
from pipelines.reading.connection import STDIN, Connection, Wanted
from pipelines.reading.files import open_file, open_pipe
from pipelines.reading.live import (
    is_described,
    is_foreign_srt,
    is_udp,
    open_address,
    open_described,
    open_foreign_srt,
    open_udp,
)


@dataclass(frozen=True, slots=True)
class Input:
    """One way. `open` raises InputError with one clear line, Interrupted if it was stopped meanwhile."""

    takes: Callable[[Wanted], bool]
    open: Callable[[Wanted], Connection]
    seekable: bool = False
    """It can be read a second time."""
    live: bool = False
    """It is received as it is sent, and has no end but the one it is given."""


INPUTS = (
    Input(lambda wanted: wanted.name == STDIN, open_pipe),
    Input(is_udp, open_udp, live=True),
    Input(is_foreign_srt, open_foreign_srt, live=True),
    Input(is_described, open_described, live=True),
    Input(lambda wanted: is_live(wanted.name), open_address, live=True),
    Input(lambda wanted: True, open_file, seekable=True),
)
"""The first that takes an input opens it."""


def find_input(wanted: Wanted) -> Input:
    """The way to come by what is wanted."""
    return next(way for way in INPUTS if way.takes(wanted))
