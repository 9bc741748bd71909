"""Which kind of place an address is."""

from __future__ import annotations

from functools import lru_cache

from pipelines.archive.folder import Folder
from pipelines.archive.places import Place
from pipelines.archive.store import Store
from pipelines.errors import UsageError
from pipelines.reading import is_live


@lru_cache(maxsize=16)
def open_place(address: str) -> Place:
    """A folder, or what an address with :// names. Raises UsageError where what that needs is not there, InputError."""
    if is_live(address):
        raise UsageError(f"{address}: an archive is a folder, or an address that fsspec knows")
    return Store(address) if "://" in address else Folder(address)
