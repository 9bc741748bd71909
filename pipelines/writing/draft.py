"""A file that gets its name only when it is complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil

from pipelines.errors import OutputError, one_line


class Draft:
    """An empty file beside a target, with its suffix. Raises OutputError if there cannot be one."""

    def __init__(self, target: str) -> None:
        self._target = os.path.realpath(target)
        folder, name = os.path.split(self._target)
        stem, suffix = os.path.splitext(name)
        self.path = os.path.join(folder, f".{stem}.{secrets.token_hex(4)}{suffix}")
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise OutputError(f"{target}: cannot be written: {one_line(error)}") from error
        self._open = True

    def commit(self) -> None:
        """Put the complete file on the disk, then under its name. Raises OSError."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if os.path.exists(self._target):
            shutil.copymode(self._target, self.path)
        os.replace(self.path, self._target)
        self._open = False

    def discard(self) -> None:
        """Leave nothing behind; after `commit`, the target."""
        if self._open:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self._open = False
