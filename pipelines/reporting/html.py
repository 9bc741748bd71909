"""The report as one HTML file: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import base64
import datetime
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from concealer import __version__
from pipelines.errors import UsageError
from pipelines.presenting import ShownPicture
from pipelines.reporting.album import Album, Plate
from pipelines.reporting.bins import Bin, Bins
from pipelines.reporting.collecting import Collector
from pipelines.reporting.incidents import INHERITED, Incident, Incidents
from pipelines.reporting.sight import Sight, Subject, VideoFacts
from pipelines.reporting.timecode import Timecode, clock
from pipelines.reporting.timeline import Lanes, lanes

if TYPE_CHECKING:
    import jinja2

_MOST_BINS, _MOST_MINUTES, _MOST_ROWS = 360, 360, 250
_TEMPLATE = "report.html.j2"
_TEXT = 200
"""Characters of a name or a tag that are shown."""


def environment() -> jinja2.Environment:
    """Escapes all that is not markup of the template's own. Raises UsageError without Jinja2."""
    try:
        import jinja2
    except ImportError as error:
        raise UsageError("an HTML report needs Jinja2: pip install 'concealer[report]'") from error
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    made.lstrip_blocks = True
    made.filters |= {"clock": clock, "share": share, "counted": counted, "picture": _data}
    return made


@dataclass
class Counts:
    """What the pictures tell that the totals of a run need not: where most is copied, those are of the first look."""

    tainted: int = 0
    """Pictures without a hole of their own that hold blocks predicted from damage."""
    tainted_blocks: int = 0
    milliseconds: float = 0.0
    """Of repair."""
    methods: Counter[str] = field(default_factory=Counter)

    def add(self, sight: Sight) -> None:
        self.tainted += bool(sight.tainted and not sight.damaged)
        self.tainted_blocks += sight.tainted
        self.milliseconds += sight.milliseconds
        if sight.method is not None and sight.damaged:
            self.methods[sight.method] += 1


@dataclass(frozen=True)
class MinuteRow:
    """One row of the table of minutes, or several in which nothing is wrong."""

    start: float
    end: float
    bin: Bin
    clean: bool


class Page(Collector):
    """Collects what the page shows."""

    wants_pictures = True

    def __init__(self, target: str, subject: Subject) -> None:
        self._template = environment().get_template(_TEMPLATE)
        super().__init__(target, subject)
        self._album = Album(subject.repairs, {video.index: video.aspect for video in subject.videos})
        most = max(_MOST_BINS // max(len(subject.videos), 1), 40)
        self._lines = {v.index: Bins(float(1 / v.rate), most) for v in subject.videos}
        self._minutes = Bins(60.0, _MOST_MINUTES)
        self._incidents = Incidents()
        self._counts = Counts()
        self._codes = {video.index: Timecode(video.rate, video.start) for video in subject.videos}

    def picture(self, stream: int, sight: Sight | None, time: float | None) -> None:
        if sight is not None:
            self._counts.add(sight)
        if time is None:
            return
        self._lines[stream].add(time, sight)
        self._minutes.add(time, sight)
        if sight is not None:
            self._incidents.add(sight, time)

    def look(self, stream: int, shown: ShownPicture, before: av.VideoFrame | None, time_base: Fraction) -> None:
        self._album.look(stream, shown, before, time_base)

    def take(self, plate: Plate) -> None:
        self._album.add(plate)

    def text(self, totals: Mapping[str, object]) -> str:
        incidents = self._incidents.finish()
        worst = sorted(incidents, key=lambda one: one.weight, reverse=True)[:_MOST_ROWS]
        numbered = list(enumerate(sorted(worst, key=lambda one: one.start), 1))
        streams = [(video, self._lanes(video, numbered)) for video in self.subject.videos]
        return self._template.render(
            subject=self.subject,
            name=_short(os.path.basename(self.subject.input) or self.subject.input),
            input=_short(self.subject.input),
            output=None if self.subject.output is None else _short(self.subject.output),
            tags=[(_short(key), _short(value)) for key, value in list(self.subject.tags.items())[:30]],
            version=__version__,
            written=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            duration=self.duration,
            totals=totals,
            counts=totals["totals"],
            told=self._counts,
            streams=streams,
            plates=[(plate, self._since(plate.sight)) for plate in self._album.finish()],
            incidents=numbered,
            incident_count=self._incidents.count,
            inherited=INHERITED,
            codes=self._codes,
            minutes=list(_rows(self._minutes)),
            minute=self._minutes.width,
        )

    def _since(self, sight: Sight) -> float:
        return max((sight.time or 0.0) - (self._zero or 0.0), 0.0)

    def _lanes(self, video: VideoFacts, incidents: Sequence[tuple[int, Incident]]) -> Lanes:
        own = [(number, one) for number, one in incidents if one.stream == video.index]
        return lanes(self._lines[video.index], own)


def _rows(minutes: Bins) -> Iterable[MinuteRow]:
    """Neighbours in which nothing is wrong are one row."""
    width, open_row = minutes.width, None
    for number in range(minutes.count):
        found = minutes.bins.get(number, Bin())
        row = MinuteRow(number * width, (number + 1) * width, found, not found.touched)
        if open_row is not None and open_row.clean and row.clean:
            open_row.bin.merge(found)
            open_row = MinuteRow(open_row.start, row.end, open_row.bin, True)
            continue
        if open_row is not None:
            yield open_row
        whole = Bin()
        whole.merge(found)
        open_row = MinuteRow(row.start, row.end, whole, row.clean)
    if open_row is not None:
        yield open_row


def share(value: float) -> str:
    """In percent, never 0 where there is something."""
    if 0 < value < 0.01:
        return "<1 %"
    return f"{value:.0%}".replace("%", " %")


def counted(values: Counter[str] | Mapping[str, int]) -> str:
    """Names with their numbers, the most frequent first."""
    ordered = sorted(values.items(), key=lambda one: -one[1])
    return ", ".join(name if len(ordered) == 1 else f"{name} ({count})" for name, count in ordered)


def _short(text: str) -> str:
    """What a page can hold: no bytes that are no text, no endless names."""
    clean = text.encode("utf-8", "replace").decode()
    return clean if len(clean) <= _TEXT else f"{clean[:_TEXT]}…"


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
