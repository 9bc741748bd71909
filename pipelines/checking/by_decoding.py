"""Damage found by decoding every picture, as `conceal --dry-run` does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

from concealer.damage import Damage
from concealer.decoder import DecodedPicture
from pipelines.checking.tally import Hurt, Tally
from pipelines.checking.verdict import FileCheck
from pipelines.errors import Interrupted
from pipelines.jobs.passes import Pass
from pipelines.jobs.run import Run
from pipelines.jobs.settings import Settings
from pipelines.presenting import ShownPicture
from pipelines.reading import Source, VideoPayload, with_late_streams
from pipelines.report import is_damaged
from pipelines.track import Track


def check_by_decoding(check: FileCheck, stopped: Callable[[], bool]) -> None:
    """Fill in what is found. Raises ConcealError."""
    source = Source(check.path, stopped=stopped)
    with contextlib.closing(source):
        run = Run(source, None, "", Settings(dry_run=True), None, stopped, time.monotonic())
        with_late_streams(source, lambda: _decode(check, run))


def _decode(check: FileCheck, run: Run) -> None:
    source = run.source
    with Pass(run, source.video, repair=False, track_taint=True) as passed:
        tallies = {index: Tally(source.codec(index), float(1 / source.rate(index))) for index in passed.tracks}
        for event in passed.events("checking", passed.tracks.keys()):
            if isinstance(event, VideoPayload):
                track = passed.tracks[event.stream]
                _count(tallies[event.stream], track, track.feed(event))
        if run.stopped():
            raise Interrupted("interrupted")
        for index, track in passed.tracks.items():
            _count(tallies[index], track, track.flush())
        passed.need_pictures()
        start = min((tally.start for tally in tallies.values() if tally.start is not None), default=None)
        for index, tally in tallies.items():
            totals = passed.tracks[index].totals
            one = check.streams[index] = tally.finish(start)
            one.misplaced, one.retimed = totals.misplaced, totals.retimed
            one.unreadable_sets = max(totals.unreadable_sets, int(index in source.headless))
    check.transport_losses, check.unread = source.losses, source.unread
    if source.salvaged is not None:
        check.reason = source.salvaged.text()
    if source.ended_early is not None:
        check.reason = f"reading stopped: {source.ended_early}"


def _count(tally: Tally, track: Track, pictures: Iterable[ShownPicture]) -> None:
    base = track.time_base
    for shown in pictures:
        picture = shown.picture
        seconds = None if shown.pts is None else shown.pts * base.numerator / base.denominator
        tally.add(seconds, picture.damage.blocks, _hurt(tally, picture))


def _hurt(tally: Tally, picture: DecodedPicture) -> Hurt | None:
    damage = picture.damage
    if not picture.synthesised and not damage.any_damage:
        return None
    if picture.lacks_references:
        tally.check.without_references += 1
        if not is_damaged(picture):
            return None
    lost, broken, tainted = (damage.count(d) for d in (Damage.LOST, Damage.BROKEN, Damage.TAINTED))
    return Hurt(lost, broken, 0 if picture.lacks_references else tainted, picture.synthesised, damage.causes)
