"""A folder of this machine, or one that several machines share."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines.archive.places import OWN, Entry, digest
from pipelines.archive.record import Content
from pipelines.errors import InputError, OutputError, one_line

_STALE = 86400.0
"""Seconds without a change after which what a run left unfinished is nobody's."""


class Folder:
    """A `Place`."""

    in_process = False

    def __init__(self, address: str) -> None:
        self.address = address
        self._root = os.path.abspath(address)
        self._own = os.path.join(self._root, OWN)

    def check(self, writing: bool) -> None:
        if not writing:
            if not os.path.isdir(self._root):
                raise InputError(f"{self.address}: {'is no folder' if os.path.exists(self._root) else 'not found'}")
            return
        try:
            os.makedirs(os.path.join(self._own, "manifest"), exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.address}: cannot be written: {one_line(error)}") from error
        if not os.access(os.path.join(self._own, "manifest"), os.W_OK | os.X_OK):
            raise OutputError(f"{self.address}: cannot be written: no permission")

    def entries(self, without: str | None = None) -> Iterator[Entry]:
        """Links are followed, into each folder once."""
        entered: set[tuple[int, int]] = set()
        waiting = [""]
        while waiting:
            name = waiting.pop()
            if name == without:
                continue
            path = os.path.join(self._root, name)
            try:
                status = os.stat(path)
                if stat.S_ISDIR(status.st_mode):
                    key = status.st_dev, status.st_ino
                    if key not in entered and os.path.basename(path) != OWN:
                        entered.add(key)
                        inside = sorted(os.listdir(path), reverse=True)
                        waiting += [f"{name}/{one}" if name else one for one in inside]
                elif stat.S_ISREG(status.st_mode):
                    yield Entry(name, status.st_size)
            except OSError as error:
                if not os.path.islink(path):  # links that lead nowhere are nobody's video
                    yield Entry(name, fault=one_line(error))

    def entry(self, name: str) -> Entry:
        try:
            status = os.stat(self._path(name))
        except OSError as error:
            return Entry(name, fault=one_line(error))
        return Entry(name, status.st_size, None if stat.S_ISREG(status.st_mode) else "is no regular file")

    def stamp(self, name: str) -> Content | None:
        try:
            status = os.stat(self._path(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Content(status.st_size, "", str(status.st_mtime_ns))

    def digest(self, name: str) -> Content:
        with open(self._path(name), "rb") as file:
            stamp = str(os.fstat(file.fileno()).st_mtime_ns)
            return Content(*digest(file), stamp)

    @contextlib.contextmanager
    def local(self, name: str) -> Iterator[str]:
        yield self._path(name)

    def free(self) -> int | None:
        return shutil.disk_usage(self._own).free

    @contextlib.contextmanager
    def draft(self, name: str, run: str) -> Iterator[_Draft]:
        folder = os.path.join(self._own, f"unfinished-{run}")
        os.makedirs(folder, exist_ok=True)
        stem = secrets.token_hex(8)
        path = os.path.join(folder, stem + os.path.splitext(name)[1])
        try:
            yield _Draft(path, self._path(name))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def note(self, part: str, line: str) -> None:
        path = os.path.join(self._own, "manifest", f"{part}.jsonl")
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def parts(self, run: str = "") -> Iterator[str]:
        for path in sorted(Path(self._own, "manifest").glob(f"{run}*.jsonl")):
            with open(path, encoding="utf-8", errors="replace") as file:
                yield from file

    def clear(self, run: str) -> None:
        shutil.rmtree(os.path.join(self._own, f"unfinished-{run}"), ignore_errors=True)
        for folder in Path(self._own).glob("unfinished-*"):
            with contextlib.suppress(OSError):
                newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                if time.time() - newest > _STALE:
                    shutil.rmtree(folder, ignore_errors=True)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, *name.split("/"))


class _Draft:
    def __init__(self, path: str, target: str) -> None:
        self.path, self._target = path, target

    def stamp(self) -> str:
        return str(os.stat(self.path).st_mtime_ns)

    def commit(self) -> None:
        """Put the file on the disk, then under its name."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.makedirs(os.path.dirname(self._target), exist_ok=True)
        os.replace(self.path, self._target)
