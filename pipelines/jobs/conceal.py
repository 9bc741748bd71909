"""From a damaged file to a whole one: what is asked is checked, the input opened, its way chosen.

A file is read twice where it can be. The first pass only decodes, to find the damage; an undamaged file is then copied
packet by packet, and of a damaged one all that is not damaged: both exact and far cheaper than encoding. Where all is
to be encoded the first pass stops at the first damage. A pipe is read once: its video is always encoded.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.errors import NothingOfUseError, NotShownError, UsageError
from pipelines.jobs.analyse import analyse, find_damage
from pipelines.jobs.copy import copy, copyable
from pipelines.jobs.encode import encode
from pipelines.jobs.facts import Facts
from pipelines.jobs.keep import keep
from pipelines.jobs.lines import Lines
from pipelines.jobs.passes import Pass
from pipelines.jobs.result import ConcealResult
from pipelines.jobs.run import Run
from pipelines.jobs.settings import Settings
from pipelines.jobs.shares import Share, are_whole
from pipelines.jobs.splice import splice
from pipelines.jobs.survey import Survey, survey_of
from pipelines.jobs.together import Found, NotTogetherError, look_at_all
from pipelines.progress import OnProgress
from pipelines.reading import Source, is_recording, of_description, with_late_streams
from pipelines.reporting import check_comparison, check_report
from pipelines.writing import check_codec, output_file

log = logging.getLogger(__name__)


def conceal_file(
    source: str | Path,
    target: str | Path | None = None,
    settings: Settings | None = None,
    *,
    on_progress: OnProgress | None = None,
    stopped: Callable[[], bool] = lambda: False,
    shares: Sequence[Share] = (),
) -> ConcealResult:
    """Repair the H.264 and HEVC video of `source` and write it, with all other streams, to `target`.

    "-" is standard input or output. `stopped` is asked at every packet: once it is true the run ends, with
    Interrupted unless `settings.keep_partial`. Raises a subclass of `pipelines.errors.ConcealError`; the
    target then does not exist, or is what it was before. `shares` are those of a search for damage made elsewhere, with
    the same settings; where they are not all of it, or damage is looked for in another way, they are passed over.
    """
    began = time.monotonic()
    name, output, settings = str(source), None if target is None else str(target), settings or Settings()
    output_format = _check(name, output, settings)
    # Of a recording of RTP the description tells more than parameter sets, and maybe none of these.
    sets = b"" if settings.sdp is None or is_recording(name) else of_description(settings.sdp)
    opened = Source(
        name,
        settings.input_format,
        stopped,
        reconnect=settings.reconnect,
        pauses=bool(settings.outage),
        parameter_sets=sets,
        like=settings.like,
        description=settings.sdp,
    )
    with contextlib.closing(opened):
        if settings.outage is not None and not opened.live:
            raise UsageError(f"--outage is for live inputs; {opened.label} is none")
        found = shares if are_whole(shares) else ()
        run = Run(opened, output, output_format, settings, on_progress, stopped, began, found)
        return with_late_streams(opened, lambda: _process(run))


def _check(source: str, target: str | None, settings: Settings) -> str:
    """Raise UsageError or OutputError for what cannot work, before anything is read; the target's format."""
    settings.check()
    report = settings.report
    if settings.compare is not None:
        check_comparison(settings.compare)
        output_file.check(settings.compare, source, settings.overwrite)
        if os.path.realpath(settings.compare) in (os.path.realpath(name) for name in (target, report) if name):
            raise UsageError(f"{settings.compare}: the comparison would replace the output or the report")
    if report is not None:
        check_report(report)
    if report is not None and os.path.realpath(report) in (
        os.path.realpath(name) for name in (source, target or "") if name not in ("", "-")
    ):
        raise UsageError(f"{report}: the report would replace the input or the output")
    if target is None:
        if not settings.dry_run:
            raise UsageError("no output given; --dry-run analyses only")
        return ""
    target_format = output_file.format_name(target, settings.output_format)
    output_file.check(target, source, settings.overwrite)
    return target_format


def _process(run: Run) -> ConcealResult:
    source, settings = run.source, run.settings
    if settings.dry_run:
        return analyse(run)
    if settings.output == "splice":
        return splice(run)
    if settings.output == "gop" and (source.elementary or not source.seekable):
        raise UsageError(f"{source.label}: --output gop needs a file with times")
    streams = set(source.video)
    for index in streams:
        check_codec(run.target_format, settings.encoder.encoder(source.codec(index)))
    if source.seekable and not settings.always_encode:
        keeps = settings.keeps and not source.elementary
        with _analysed(run, keeps) as (analysis, surveys):
            streams = {index for index, known in analysis.known.items() if not copyable(run, known)}
            if not streams:
                if settings.compare is not None:
                    log.warning("%s: not written, as there is nothing to compare", settings.compare)
                copied = _copied(run, analysis)
                if copied is not None:
                    return copied
                streams, keeps = set(source.video), False
        if keeps:
            result = keep(run, analysis, {index: surveys[index] for index in streams})
            if result is not None:
                return result
        source.rewind()
    try:
        return encode(run, streams)
    except NothingOfUseError:
        if not source.seekable:
            raise
        source.rewind()
        return encode(replace(run, shows_all=True), streams)


def _copied(run: Run, analysis: Pass) -> ConcealResult | None:
    """A copy of the packets; None where players would not show it, as its times are wrong, and encoding is allowed."""
    try:
        return copy(run, analysis)
    except NotShownError as error:
        if run.settings.output != "auto":
            raise
        log.warning("%s; encoded, not copied", error)
        return None


@contextlib.contextmanager
def _analysed(run: Run, keeps: bool) -> Iterator[tuple[Pass, Mapping[int, Survey]]]:
    """A pass that knows the damage, all of it if what is whole is to be kept, and where the streams can be cut."""
    if not keeps:
        with Pass(run, run.source.video, repair=False, track_taint=False) as analysis:
            find_damage(analysis, to_the_end=False)
            yield analysis, {}
        return
    try:
        facts, surveys = look_at_all(run)
    except NotTogetherError:
        run.source.rewind()
        facts, surveys = _look_in_one_piece(run)
    with Pass(run, (), repair=False, track_taint=False, facts=facts) as analysis:
        analysis.need_pictures()
        yield analysis, surveys


def _look_in_one_piece(run: Run) -> Found:
    source = run.source
    surveys = {i: survey_of(source, i) for i in source.video}
    with Pass(run, source.video, repair=False, track_taint=False, quiet=True) as passed:
        tracks = passed.tracks
        lines = {index: Lines(track) for index, track in tracks.items()} if run.settings.report is not None else {}
        find_damage(passed, to_the_end=True, surveys=surveys, lines=lines)
    facts = {index: Facts(index, track.time_base, track.interval) for index, track in tracks.items()}
    for index, track in tracks.items():
        facts[index].add(track, 0, track.payloads, 0, lines[index].all() if lines else ())
    return facts, surveys
