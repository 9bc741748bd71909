"""An input as it is asked for, and as it is once open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from av.container import InputContainer

from pipelines.reading.transport import TransportTap

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An input as it is asked for."""

    name: str
    """Of a file, an address, or "-"."""
    input_format: str | None
    """FFmpeg's demuxer name; None = by content."""
    stopped: Callable[[], bool]
    """Asked wherever nothing might come for long: true ends the waiting."""
    reconnect: bool
    """A live input is opened again when it ends or falls silent."""
    probe_bytes: int = 0
    """How far libavformat is to look for streams before it says which there are; 0 = as far as it likes."""
    parameter_sets: bytes = b""
    """With start codes, for streams that have none of their own."""
    moved: Mapping[int, int] = field(default_factory=dict)
    """Of a transport stream: PIDs that streams had before by those they move to, as far as that is known."""

    @property
    def label(self) -> str:
        """The input in messages."""
        return "standard input" if self.name == STDIN else self.name


class LateStreamsError(Exception):
    """A stream appears in mid-file that was not known when the input was opened: it is to be opened again."""


class Closable(Protocol):
    """A file, or what is read like one."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Connection:
    """An open input."""

    container: InputContainer
    tap: TransportTap | None = None
    """What the container is read through, where that tells more about losses than the container does."""
    file: Closable | None = None
    """What it is read from and nobody else closes."""
    passed_over: int = 0
    """Bytes that are hidden from libavformat, as they are damaged."""

    def close(self) -> None:
        """To be called once or more."""
        self.container.close()
        if self.file is not None:
            self.file.close()
