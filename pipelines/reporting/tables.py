"""The report as a table, and as marks."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping

from pipelines.reporting.collecting import Collector
from pipelines.reporting.incidents import Incidents
from pipelines.reporting.markers import chapters, edit_list
from pipelines.reporting.sight import Sight, Subject
from pipelines.reporting.timecode import Timecode

COLUMNS = (
    *("stream", "pts", "time", "timecode", "type", "lost", "broken", "tainted", "blocks", "causes"),
    *("extent_confidence", "confidence", "expected_psnr", "method", "milliseconds", "synthesised", "held"),
)


class Table(Collector):
    """CSV: one row for each picture that damage touches."""

    def __init__(self, target: str, subject: Subject) -> None:
        super().__init__(target, subject)
        self._codes = {video.index: Timecode(video.rate, video.start) for video in subject.videos}
        self._row(COLUMNS)

    def _row(self, values: tuple[object, ...]) -> None:
        line = io.StringIO()
        csv.writer(line).writerow(values)
        self.write(line.getvalue())

    def picture(self, stream: int, sight: Sight | None, time: float | None) -> None:
        if sight is None:
            return
        code = "" if time is None else self._codes[stream].at(time)
        psnr = "" if sight.expected_psnr is None else f"{sight.expected_psnr:.1f}"
        milliseconds = "" if sight.method is None else f"{sight.milliseconds:.2f}"
        self._row(
            (
                *(stream, sight.pts, "" if sight.time is None else f"{sight.time:.6f}", code, sight.kind),
                *(sight.lost, sight.broken, sight.tainted, sight.all, "; ".join(sight.causes)),
                *(f"{sight.extent_confidence:.3f}", f"{sight.confidence:.3f}", psnr, sight.method or "", milliseconds),
                *(int(sight.synthesised), int(sight.held)),
            )
        )

    def text(self, totals: Mapping[str, object]) -> str:
        return ""


class Marks(Collector):
    """Incidents as chapters or as an edit list."""

    def __init__(self, target: str, subject: Subject) -> None:
        super().__init__(target, subject)
        self._incidents = Incidents()

    def picture(self, stream: int, sight: Sight | None, time: float | None) -> None:
        if sight is not None and time is not None:
            self._incidents.add(sight, time)

    def text(self, totals: Mapping[str, object]) -> str:
        incidents = self._incidents.finish()
        if self.target.lower().endswith(".edl"):
            return edit_list(incidents, self.subject, os.path.basename(self.subject.output or self.subject.input))
        return chapters(incidents, self.duration)
