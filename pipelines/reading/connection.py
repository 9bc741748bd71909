"""An input as it is asked for, and as it is once open."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from av.container import InputContainer

from concealer.bitstream.transport import PesPacket
from pipelines.reading.dumps import Converted
from pipelines.salvage import Salvaged

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
    description: str | None = None
    """Path of an SDP file that says what the streams of a recording of RTP are."""
    moved: Mapping[int, int] = field(default_factory=dict)
    """Of a transport stream: PIDs that streams had before by those they move to, as far as that is known."""
    like: str | None = None
    """Of a file of MP4 without index: a healthy file of the same camera."""
    salvaged: Salvaged | None = None
    """What was found in it when it was opened before."""
    converted: Converted | None = None
    """What a recording of RTP became when it was opened before."""

    @property
    def label(self) -> str:
        """The input in messages."""
        return "standard input" if self.name == STDIN else self.name

    @property
    def elsewhere(self) -> Wanted:
        """The same for another process."""
        return replace(self, stopped=_never)


def _never() -> bool:
    return False


class LateStreamsError(Exception):
    """A stream appears in mid-file that was not known when the input was opened: it is to be opened again."""


class Closable(Protocol):
    """A file, or what is read like one."""

    def close(self) -> None: ...


class Tap(Protocol):
    """What a container is read through, where that tells more about losses than the container does."""

    position: int
    """Bytes read so far."""

    @property
    def losses(self) -> int:
        """Places so far at which packets are missing."""

    @property
    def programmes(self) -> Mapping[int, tuple[int, ...]]:
        """Of a transport stream: PIDs of the streams of each programme, by its number."""

    @property
    def active(self) -> bool:
        """It has something to tell."""

    @property
    def came_late(self) -> Mapping[int, int] | None:
        """Streams that had moved before it was known (`TransportTap`)."""

    def stop(self) -> None:
        """Look no further: nothing is going to be decoded."""

    def keep(self, pids: Collection[int]) -> None:
        """Nothing is wanted but packets of these streams, by their id."""

    def has(self, pid: int) -> bool:
        """Whether packets of this stream are seen here at all."""

    def take(self, pid: int, time: int, everything: bool = False) -> Iterator[PesPacket]:
        """Packets whose turn has come when libavformat is at DTS `time`; not of live inputs."""

    def hand_over(self, taker: Callable[[PesPacket], None]) -> None:
        """Give every packet to `taker` at once, in the thread that reads. Of live inputs."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open input."""

    container: InputContainer
    tap: Tap | None = None
    file: Closable | None = None
    """What it is read from and nobody else closes."""
    interrupt: Callable[[], None] = lambda: None
    """Ends a read that waits for what comes: the container is at its end then."""
    passed_over: int = 0
    """Bytes that are hidden from libavformat, as they are damaged."""
    salvaged: Salvaged | None = None
    """What the index was made of, if that is not the file's own."""
    gaps: Mapping[tuple[int, int | None], tuple[int, ...]] = field(default_factory=dict)
    """Offsets in packets before which bytes are missing, by stream and time of presentation, as far as is known
    beforehand."""
    losses: int = 0
    """Packets of the transport that are missing, as far as is known beforehand."""
    converted: Converted | None = None
    """What a recording of RTP became: read instead of it, here and in other processes."""

    def close(self) -> None:
        """To be called once or more."""
        self.interrupt()
        self.container.close()
        if self.file is not None:
            self.file.close()


def rest(seconds: float, stopped: Callable[[], bool]) -> None:
    """Wait, unless it is stopped."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopped():
        time.sleep(0.05)
