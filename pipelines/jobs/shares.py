"""The search for damage in one file, shared out to processes that may be on other machines.

Each share reads the whole file and decodes its chunks of it (`together`). All shares of a file together are what
`conceal_file` is given in place of its own search.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import ConcealError
from pipelines.jobs.look import LookJob
from pipelines.jobs.settings import Settings
from pipelines.reading import LateStreamsError, Source


@dataclass(frozen=True)
class Share:
    """What one of `of` searches found, numbered from 0. `found` is for `together` to understand."""

    which: int
    of: int
    found: Any


class _Told:
    """A channel to nowhere, that keeps what was said last."""

    def __init__(self) -> None:
        self.last: tuple[object, ...] = ()

    def tell(self, kind: str, *what: object) -> None:
        self.last = (kind, *what)

    def hear(self) -> object:
        raise EOFError


def search_share(name: str, settings: Settings, which: int, of: int) -> Share | None:
    """Look for damage in every `of`th chunk of a file. None where the file is better looked at in one piece, or is none
    that can be: then `conceal_file` says what there is to say."""
    told = _Told()
    try:
        with contextlib.closing(Source(name, settings.input_format)) as source:
            wanted = source.wanted
        LookJob(wanted, settings, which, of).work(told)
    except (ConcealError, LateStreamsError):
        return None
    kind, *found = told.last
    return Share(which, of, tuple(found)) if kind == "done" else None


def are_whole(shares: Sequence[Share]) -> bool:
    """Whether these are all shares of one search."""
    return bool(shares) and sorted(one.which for one in shares) == list(range(shares[0].of))
