"""The search for damage in one file, shared out to processes that may be on other machines.

Each share reads the whole file and decodes its chunks of it (`together`). All shares of a file together are what
`conceal_file` is given in place of its own search.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.jobs import look_child
from pipelines.jobs.settings import Settings


@dataclass(frozen=True)
class Share:
    """What one of `of` searches found, numbered from 0. `found` is for `together` to understand."""

    which: int
    of: int
    found: Any


def search_share(name: str, settings: Settings, which: int, of: int) -> Share | None:
    """Look for damage in every `of`th chunk of a file. None where the file is better looked at in one piece, or is none
    that can be: then `conceal_file` says what there is to say."""
    told = io.BytesIO()
    look_child.work(look_child.Job(name, settings, b"", which, of), told)
    told.seek(0)
    found = None
    while told.tell() < len(told.getbuffer()):
        kind, *rest = pickle.load(told)
        if kind == "done":
            found = tuple(rest)
    return None if found is None else Share(which, of, found)


def are_whole(shares: Sequence[Share]) -> bool:
    """Whether these are all shares of one search."""
    return bool(shares) and sorted(one.which for one in shares) == list(range(shares[0].of))
