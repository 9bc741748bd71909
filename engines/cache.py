"""Files made for this machine: where they lie, and how they are written and trusted."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

VARIABLE = "CONCEALER_CACHE"


def cache_folder() -> Path:
    """`$CONCEALER_CACHE`, else `$XDG_CACHE_HOME/concealer`, else `~/.cache/concealer`; it need not exist."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    root = Path(base) if base and os.path.isabs(base) else Path.home() / ".cache"
    return root / "concealer"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or none: a reader never sees half of it, whatever stops this process. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class BlobCache:
    """Compiled networks, each under the hash of everything it was made from and for.

    Beside every blob lies a JSON file with that key and the blob's size and SHA-256; a blob that does not match is
    deleted and made again. A cache that cannot be written costs time, never an error. What lies there becomes part of
    this process, so a folder that others may write to, or that is theirs, is not used.
    """

    def __init__(self, kind: str, suffix: str, folder: Path | None = None) -> None:
        self._folder = (folder or cache_folder()) / kind
        self._suffix = suffix

    def path(self, key: Mapping[str, Any]) -> Path:
        """Where the blob of this key lies, if it is there."""
        return self._folder / f"{sha256(_canonical(key))[:32]}{self._suffix}"

    def load(self, key: Mapping[str, Any]) -> bytes | None:
        """The blob, if it is there and exactly what was stored."""
        path = self.path(key)
        if not self._is_ours():
            return None
        try:
            note = json.loads(self._note(path).read_text())
            data = path.read_bytes()
            if note != self._describe(key, data):
                raise ValueError("size, hash or key differ")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s is damaged (%s): made again", path.name, error)
            self.drop(key)
            return None
        return data

    def store(self, key: Mapping[str, Any], data: bytes) -> None:
        """Keep a blob; the note that makes it valid is written last."""
        path = self.path(key)
        if not self._is_ours():
            return
        try:
            self._note(path).unlink(missing_ok=True)
            write_atomic(path, data)
            write_atomic(self._note(path), json.dumps(self._describe(key, data), indent=1).encode())
        except OSError as error:
            log.warning("cannot keep a compiled network in %s: %s", path.parent, error.strerror or error)

    def _is_ours(self) -> bool:
        """Nobody but this user and root writes to the folder, as far as it is there already."""
        for folder in (self._folder, self._folder.parent):
            try:
                status = folder.stat()
            except OSError:
                continue  # it will be made, or nothing is read from it
            open_to_all = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if open_to_all or status.st_uid not in (os.geteuid(), 0):
                log.warning("others may write to %s: compiled networks are not kept there", folder)
                return False
        return True

    def drop(self, key: Mapping[str, Any]) -> None:
        """Delete the blob of this key, e.g. because it could not be loaded."""
        path = self.path(key)
        for file in (self._note(path), path):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                log.debug("cannot delete %s: %s", file, error)

    def _note(self, path: Path) -> Path:
        return path.with_suffix(".json")

    def _describe(self, key: Mapping[str, Any], data: bytes) -> dict[str, Any]:
        return {"key": json.loads(_canonical(key)), "bytes": len(data), "sha256": sha256(data)}


def _canonical(key: Mapping[str, Any]) -> bytes:
    return json.dumps(key, sort_keys=True, separators=(",", ":")).encode()
