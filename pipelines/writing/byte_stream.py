"""A stream without container, written beside its name and renamed when complete."""

from __future__ import annotations

import contextlib
from typing import BinaryIO

import av

from pipelines.errors import OutputError, one_line
from pipelines.writing import output_file
from pipelines.writing.accounting import Account
from pipelines.writing.draft import Draft


class ByteStream:
    """Packets of an H.264 or HEVC stream one after the other, as they are."""

    def __init__(self, target: str) -> None:
        """`target`: a file, device, or "-". Raises OutputError if it cannot be written."""
        self.dropped: list[str] = []
        self.accounts: dict[int, Account] = {}
        """Nothing is counted: what goes in goes out."""
        self._target = target
        self._draft: Draft | None = None
        self._file: BinaryIO | output_file.PipeWriter
        try:
            if target == output_file.STDOUT:
                self._file = output_file.PipeWriter()
            elif output_file.is_special(target):
                self._file = open(target, "wb")  # noqa: SIM115 - closed by finish or abort
            else:
                self._draft = Draft(target)
                self._file = open(self._draft.path, "wb")  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from error

    def copy(self, packet: av.Packet) -> None:
        """Append a packet. Raises OutputError."""
        try:
            self._file.write(bytes(packet))
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        """Give the complete file its name. Raises OutputError."""
        try:
            self._close()
            if self._draft is not None:
                self._draft.commit()
        except OSError as error:
            raise self._failed(error) from error

    def abort(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            self._close()
        if self._draft is not None:
            self._draft.discard()

    def _close(self) -> None:
        if not isinstance(self._file, output_file.PipeWriter):
            self._file.close()

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self._target}: cannot be written: {one_line(error)}")
