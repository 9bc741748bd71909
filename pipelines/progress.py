"""How far a run has come, and showing it without flooding a log."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TextIO

_EVERY_SECONDS = 0.2
_EVERY_SECONDS_JSON = 1.0


@dataclass(frozen=True)
class Progress:
    """State of a run at one picture."""

    phase: str
    """"analysing", "repairing" or "copying"."""
    pictures: int
    damaged: int
    share: float | None
    """Of the input read so far, 0..1; None if its length is not known."""
    seconds: float
    """Since the phase began."""
    repaired: int = 0
    """Of the damaged pictures."""
    causes: Mapping[str, int] = field(default_factory=dict)
    """Damaged pictures by cause, as far as that is known."""

    @property
    def fps(self) -> float:
        return self.pictures / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds to go in this phase, None while nobody can know."""
        if not self.share or self.seconds < 1:
            return None
        return self.seconds * (1 - self.share) / self.share


OnProgress = Callable[[Progress], None]


class Meter:
    """Measures one phase and passes its state on, at most as often as asked."""

    def __init__(self, phase: str, listener: OnProgress | None) -> None:
        self._phase = phase
        self._listener = listener
        self._began = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Somebody wants to know."""
        return self._listener is not None

    def tell(
        self,
        pictures: int,
        damaged: int,
        share: float | None,
        repaired: int = 0,
        causes: Mapping[str, int] | None = None,
    ) -> None:
        if self._listener is not None:
            seconds = time.monotonic() - self._began
            self._listener(Progress(self._phase, pictures, damaged, share, seconds, repaired, causes or {}))


class Display(Protocol):
    """Shows how far a run has come."""

    file: str
    """Which of several files it is at; empty: there is one."""

    def __call__(self, progress: Progress) -> None: ...

    def clear(self) -> None:
        """Make room for another line."""


class Bar:
    """A progress bar on a terminal, one line that is written over."""

    def __init__(self, file: TextIO = sys.stderr) -> None:
        self.file = ""
        self._file = file
        self._last = 0.0
        self._shown = False

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < _EVERY_SECONDS:
            return
        self._last = now
        parts = [self.file] if self.file else []
        parts.append(f"{progress.phase:9}")
        if progress.share is not None:
            filled = round(24 * progress.share)
            parts.append(f"[{'#' * filled}{'.' * (24 - filled)}] {progress.share:4.0%}")
        repaired = f", {progress.repaired} repaired" if progress.repaired else ""
        parts.append(f"{progress.pictures} pictures, {progress.damaged} damaged{repaired}, {progress.fps:.1f} fps")
        if progress.remaining is not None:
            minutes, seconds = divmod(round(progress.remaining), 60)
            parts.append(f"ETA {minutes}:{seconds:02}")
        most = sorted(progress.causes.items(), key=lambda one: -one[1])
        parts.append(", ".join(f"{count} x {cause}" for cause, count in most))
        # A line that wraps is not written over.
        room = shutil.get_terminal_size().columns - 1
        self._file.write("\r\x1b[K" + "  ".join(parts)[:room])
        self._file.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the bar away, so that another line can be written."""
        if self._shown:
            self._file.write("\r\x1b[K")
            self._file.flush()
            self._shown = False


class JsonLines:
    """Progress as one JSON object a line, about one a second."""

    def __init__(self, file: TextIO = sys.stderr) -> None:
        self.file = ""
        self._file = file
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < _EVERY_SECONDS_JSON:
            return
        self._last = now
        line = {
            "event": "progress",
            **({"file": self.file} if self.file else {}),
            "phase": progress.phase,
            "pictures": progress.pictures,
            "damaged": progress.damaged,
            "repaired": progress.repaired,
            "causes": dict(progress.causes),
            "share": None if progress.share is None else round(progress.share, 4),
            "fps": round(progress.fps, 2),
            "eta_seconds": None if progress.remaining is None else round(progress.remaining, 1),
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def clear(self) -> None:
        """Lines stay."""
