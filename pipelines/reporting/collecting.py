"""What all reports but JSON have in common: they collect as pictures come, in memory of fixed size."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import TextIO

import av

from pipelines.errors import OutputError, one_line
from pipelines.presenting import ShownPicture
from pipelines.reporting.album import Plate
from pipelines.reporting.sight import Sight, Subject, sight_of
from pipelines.writing import Draft


class Collector:
    """A report that is told of every picture, and gets its name when it is complete."""

    wants_pictures = False
    """`look` is to be called, too."""

    def __init__(self, target: str, subject: Subject) -> None:
        """Raises OutputError if the file cannot be created."""
        self.target, self.subject = target, subject
        self._draft = Draft(target)
        self._file: TextIO = open(self._draft.path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self._zero: float | None = None
        self.duration = 0.0
        """Seconds from the first picture to the end of the last."""

    def add(self, text: str) -> None:
        """One picture, as `pipelines.report.picture_text` tells of it."""
        entry = json.loads(text)
        stream, seconds, time = entry["stream"], entry["time"], None
        if seconds is not None:
            self._zero = seconds if self._zero is None else self._zero
            time = max(seconds - self._zero, 0.0)
            rate = next((video.rate for video in self.subject.videos if video.index == stream), Fraction(25))
            self.duration = max(self.duration, time + float(1 / rate))
        self.picture(stream, sight_of(entry), time)

    def picture(self, stream: int, sight: Sight | None, time: float | None) -> None:
        """The next one. sight: None if no damage touches it. time: seconds from the start of the video; None: it is
        not shown."""
        raise NotImplementedError

    def look(self, stream: int, shown: ShownPicture, before: av.VideoFrame | None, time_base: Fraction) -> None:
        """The picture itself, and what a plain decoder shows in its place."""

    def take(self, plate: Plate) -> None:
        """A picture that was looked at elsewhere."""

    def text(self, totals: Mapping[str, object]) -> str:
        """What is left to write. totals: those of the JSON report."""
        raise NotImplementedError

    def write(self, text: str) -> None:
        """Raises OutputError."""
        try:
            self._file.write(text)
        except OSError as error:
            raise OutputError(f"{self.target}: {one_line(error)}") from error

    def finish(self, totals: Mapping[str, object], spliced: object = ()) -> None:
        """Complete the report and give it its name. spliced: of no interest here. Raises OutputError."""
        try:
            self.write(self.text(totals))
            self._file.close()
            self._draft.commit()
        except OSError as error:
            raise OutputError(f"{self.target}: {one_line(error)}") from error
        finally:
            self.abort()

    def abort(self) -> None:
        """Forget the report, if it is not complete."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._draft.discard()
