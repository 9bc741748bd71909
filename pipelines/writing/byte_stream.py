"""A stream without container, written beside its name and renamed when complete."""

from __future__ import annotations

import contextlib
from typing import BinaryIO, cast

import av
from av.video.stream import VideoStream

from concealer.bitstream import Codec
from pipelines.errors import OutputError, one_line
from pipelines.writing import output_file
from pipelines.writing.accounting import Account, Payloads, read_back_bytes
from pipelines.writing.copies import stream_label
from pipelines.writing.draft import Draft


class ByteStream:
    """Packets of an H.264 or HEVC stream one after the other, as they are."""

    def __init__(self, target: str, stream: VideoStream) -> None:
        """`target`: a file, device, or "-". stream: what is written. Raises OutputError if it cannot be written."""
        self.dropped: list[str] = []
        self.accounts = {0: Account(stream_label(stream), "video")}
        self._codec = cast(Codec, stream.codec_context.codec.canonical_name)
        self._payloads = Payloads(codec=self._codec)
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
        data = bytes(packet)
        self.accounts[0].given.packets += 1
        self._payloads.add_bytes(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def finish(self) -> None:
        """Give the complete file its name. Raises OutputError."""
        try:
            self._close()
            if self._draft is not None:
                read_back_bytes(self._draft.path, self._codec, self.accounts[0], self._payloads)
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
