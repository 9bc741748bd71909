"""What a report is about, of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from fractions import Fraction

from pipelines.jobs.run import Run
from pipelines.jobs.settings import Settings
from pipelines.reporting import Album, Subject, VideoFacts, shows_pictures
from pipelines.writing import EncoderSettings

_LEFT_OUT = {"encoder", "report", "compare", "overwrite"}


def subject_of(run: Run, indices: Sequence[int], repairs: bool) -> Subject:
    """indices: of the video streams that are told of. repairs: what is damaged is repaired."""
    source = run.source
    salvaged = "" if source.salvaged is None else source.salvaged.text()
    # Those of an index made anew are nobody's.
    tags = {} if salvaged else dict(source.container.metadata)
    videos = []
    for index in indices:
        stream = source.video[index]
        context = stream.codec_context
        start = stream.metadata.get("timecode") or tags.get("timecode")
        rate, aspect = source.rate(index), _aspect(run, index)
        videos.append(VideoFacts(index, source.codec(index), context.width, context.height, rate, aspect, start))
    container = source.container.format.long_name or source.format_name
    return Subject(source.label, run.target, container, tuple(videos), tags, _told(run.settings), repairs, salvaged)


def span_album(run: Run, index: int) -> Album | None:
    """For the worst pictures of a repaired stretch of a stream, if the report shows any."""
    return Album(True, {index: _aspect(run, index)}) if shows_pictures(run.settings.report) else None


def _aspect(run: Run, index: int) -> Fraction:
    stream = run.source.video[index]
    return stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)


def _told(settings: Settings) -> dict[str, str]:
    """Those that differ from the default."""
    told = {}
    for options, default in ((settings, Settings()), (settings.encoder, EncoderSettings())):
        for field in fields(options):
            value = getattr(options, field.name)
            if field.name not in _LEFT_OUT and value != getattr(default, field.name):
                told[field.name.replace("_", "-")] = str(value)
    return told
