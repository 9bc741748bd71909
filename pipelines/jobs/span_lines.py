"""What is told and shown of the pictures of a repaired stretch."""

from __future__ import annotations

from pipelines.jobs.lines import Lines
from pipelines.jobs.run import Run
from pipelines.jobs.subject import span_album
from pipelines.jobs.survey import Span
from pipelines.reporting import Comparison
from pipelines.track import Track


def span_lines(run: Run, track: Track, span: Span, comparison: Comparison | None) -> Lines | None:
    """None where nobody wants to know. comparison: is shown every picture."""
    if run.settings.report is None and comparison is None:
        return None
    return Lines(track, span.lead, span.first, span_album(run, track.index), comparison)
