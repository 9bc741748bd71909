"""Analysing: finding the damage of a file without repairing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipelines.errors import Interrupted
from pipelines.jobs.lines import Lines
from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.survey import Marks, Survey
from pipelines.presenting import ShownPicture
from pipelines.reading import VideoPayload
from pipelines.track import Track


def analyse(run: Run) -> ConcealResult:
    """A dry run: all damage is found, nothing is written but the report."""
    with Pass(run, run.source.video, repair=False, track_taint=True) as passed:
        find_damage(passed, to_the_end=True)
        result = passed.result("analysed")
        passed.finish_report(result)
        return result


def find_damage(
    passed: Pass,
    *,
    to_the_end: bool,
    surveys: Mapping[int, Survey] | None = None,
    lines: Mapping[int, Lines] | None = None,
) -> None:
    """Decode without repair; unless `to_the_end`, leave once every stream is known to be damaged.

    surveys, lines: of the streams by index, filled.

    Raises InputError if nothing can be decoded, Interrupted if the run is stopped.
    """
    run = passed.run
    open_streams = set(passed.tracks)
    marks = {index: Marks(survey) for index, survey in (surveys or {}).items()}
    for event in passed.events("analysing", open_streams):
        if isinstance(event, VideoPayload) and event.stream in open_streams:
            track = passed.tracks[event.stream]
            if surveys is not None:
                surveys[event.stream].payload(event)
            _look_at(passed, track, track.feed(event), marks, lines or {})
            if not to_the_end and (track.damaged or track.any_hidden):
                open_streams.discard(event.stream)
                if not open_streams:
                    return
    if run.stopped() and not run.source.live:
        raise Interrupted("interrupted")
    for index in open_streams:
        _look_at(passed, passed.tracks[index], passed.tracks[index].flush(), marks, lines or {})
    passed.need_pictures()


def _look_at(
    passed: Pass,
    track: Track,
    pictures: Iterable[ShownPicture],
    marks: Mapping[int, Marks],
    lines: Mapping[int, Lines],
) -> None:
    for shown in passed.told(track, pictures):
        if track.index in marks:
            marks[track.index].picture(shown.picture)
        if track.index in lines:
            lines[track.index].picture(shown)
