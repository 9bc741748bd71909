"""What an address with :// names, by fsspec: object stores, other machines' file systems. fsspec is of the extra
`cluster`, imported here; most stores want a driver beside it.

Files are fetched to this machine whole, and results sent under a name of their own before they get theirs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from typing import Any, cast

from pipelines.archive.places import OWN, Entry, digest
from pipelines.archive.record import Content
from pipelines.errors import InputError, OutputError, UsageError, one_line

_PART_BYTES = 256 << 10
"""Of a part of the manifest, which is sent whole with every line that is added: stores cannot append."""


class Store:
    """A `Place`."""

    def __init__(self, address: str) -> None:
        """Raises UsageError, InputError."""
        self.address = address
        try:
            import fsspec
        except ImportError as error:
            raise UsageError(f"{address}: needs fsspec: pip install 'concealer[cluster]'") from error
        try:
            self._files, root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:  # a driver that is missing, a protocol nobody knows
            raise UsageError(f"{address}: {one_line(error)}") from error
        except Exception as error:  # drivers have errors of their own
            raise InputError(f"{address}: cannot be opened: {one_line(error)}") from error
        self._root = root.rstrip("/")
        self.in_process = "memory" in _protocols(self._files)
        self._parts: dict[str, tuple[int, bytearray]] = {}

    def check(self, writing: bool) -> None:
        probe = self._path(f"{OWN}/probe-{secrets.token_hex(4)}")
        try:
            if not writing:
                self._files.invalidate_cache()
                if not self._files.isdir(self._root):
                    raise InputError(
                        f"{self.address}: {'is no folder' if self._files.exists(self._root) else 'not found'}"
                    )
                return
            self._files.makedirs(self._path(OWN), exist_ok=True)
            self._files.pipe_file(probe, b"")
            self._files.rm_file(probe)
        except InputError:
            raise
        except Exception as error:
            kind = OutputError if writing else InputError
            raise kind(f"{self.address}: cannot be {'written' if writing else 'read'}: {one_line(error)}") from error

    def entries(self, without: str | None = None) -> Iterator[Entry]:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with _errors():
                    inside = sorted(self._files.ls(self._path(folder), detail=True), key=lambda one: str(one["name"]))
            except OSError as error:
                yield Entry(folder, fault=one_line(error))
                continue
            below = []
            for one in inside:
                base = one["name"].rstrip("/").rpartition("/")[2]
                name = f"{folder}/{base}" if folder else base
                if one["type"] == "directory":
                    if base != OWN and name != without:
                        below.append(name)
                elif self._path(name) != self._path(folder):  # some stores list the folder itself
                    yield Entry(name, one["size"] or 0)
            waiting += reversed(below)

    def entry(self, name: str) -> Entry:
        try:
            with _errors():
                known = self._files.info(self._path(name))
        except OSError as error:
            return Entry(name, fault=one_line(error))
        return Entry(name, known["size"] or 0, None if known["type"] == "file" else "is no file")

    def stamp(self, name: str) -> Content | None:
        try:
            with _errors():
                self._files.invalidate_cache(self._files._parent(self._path(name)))
                known = self._files.info(self._path(name))
                return Content(known["size"] or 0, "", str(self._files.ukey(self._path(name))))
        except FileNotFoundError:
            return None

    def digest(self, name: str) -> Content:
        before = self.stamp(name)
        with _errors(), self._files.open(self._path(name), "rb") as file:
            return Content(*digest(file), before.stamp if before is not None else "")

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="conceal-archive-") as folder:
            path = os.path.join(folder, "in" + os.path.splitext(name)[1])
            with _errors():
                self._files.get_file(self._path(name), path)
            yield path

    def free(self) -> int | None:
        return None

    @contextlib.contextmanager
    def draft(self, name: str, run: str) -> Iterator[_Draft]:
        with tempfile.TemporaryDirectory(prefix="conceal-archive-") as folder:
            path = os.path.join(folder, "out" + os.path.splitext(name)[1])
            between = self._path(f"{OWN}/unfinished-{run}/{secrets.token_hex(8)}")
            yield _Draft(self._files, path, between, self._path(name))

    def note(self, part: str, line: str) -> None:
        number, lines = self._parts.get(part, (0, bytearray()))
        if len(lines) > _PART_BYTES:
            number, lines = number + 1, bytearray()
        lines += line.encode()
        self._parts[part] = number, lines
        folder = self._path(f"{OWN}/manifest")
        with _errors():
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(f"{folder}/{part}-{number:06}.jsonl", bytes(lines))

    def parts(self, run: str = "") -> Iterator[str]:
        folder = self._path(f"{OWN}/manifest")
        with _errors():
            self._files.invalidate_cache()
            found = sorted(self._files.ls(folder, detail=False)) if self._files.exists(folder) else []
        for path in (one for one in found if one.rpartition("/")[2].startswith(run)):
            with _errors():
                text = self._files.cat_file(path)
            yield from cast(bytes, text).decode("utf-8", "replace").splitlines(keepends=True)

    def clear(self, run: str) -> None:
        folder = self._path(f"{OWN}/unfinished-{run}")
        with contextlib.suppress(Exception):  # what is left there is whole nowhere, and harms nobody
            if self._files.exists(folder):
                self._files.rm(folder, recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


class _Draft:
    def __init__(self, files: Any, path: str, between: str, target: str) -> None:
        self._files, self.path, self._between, self._target = files, path, between, target

    def stamp(self) -> str:
        return ""

    def commit(self) -> None:
        with _errors():
            self._files.makedirs(self._files._parent(self._between), exist_ok=True)
            self._files.makedirs(self._files._parent(self._target), exist_ok=True)
            self._files.put_file(self.path, self._between)
            sent, size = self._files.info(self._between)["size"], os.path.getsize(self.path)
            if sent != size:
                raise OSError(f"{sent} of {size} bytes arrived in the store")
            self._files.mv(self._between, self._target)


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """What drivers raise, as OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(one_line(error)) from error
