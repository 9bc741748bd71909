"""Looking for damage on several cores: each child process reads the whole file and decodes its share of the chunks.

What comes out does not hang on how many there are: chunks are cut at the same places whoever looks at them.
"""

from __future__ import annotations

import contextlib
import sys
import time

from pipelines.errors import Interrupted
from pipelines.jobs.children import TICK, Child
from pipelines.jobs.chunks import expected_pictures, least_in_chunk
from pipelines.jobs.facts import Facts
from pipelines.jobs.look import Look, LookJob
from pipelines.jobs.passes import Pass
from pipelines.jobs.run import Run
from pipelines.jobs.survey import Places, Survey
from pipelines.progress import Meter
from pipelines.reading import LateStreamsError, VideoPayload

Found = tuple[dict[int, Facts], dict[int, Survey]]
"""By stream."""


class NotTogetherError(Exception):
    """The file is better looked at in one piece."""


def look_at_all(run: Run) -> Found:
    """All damage of the video streams, and where they can be cut.

    Raises NotTogetherError where parameter sets or streams change in mid-file, where times are wrong, InputError where
    nothing can be decoded, Interrupted, ConcealError where a child process failed.
    """
    if run.shares:
        parts = [share.found[:2] for share in run.shares]
        run.source.losses = run.shares[0].found[2]
    else:
        count = min(run.settings.cores, _most_chunks(run))
        parts = _in_children(run, count) if count > 1 else [_here(run)]
    surveys = next(own for _, own in parts if own)
    facts: dict[int, Facts] = {}
    for index, survey in surveys.items():
        by_number: dict[int, Facts] = {}
        for found, _ in parts:
            by_number |= found[index][0]
            survey.places.update(found[index][1])
        whole = facts[index] = Facts(index, by_number[0].time_base, by_number[0].interval)
        for number in sorted(by_number):
            whole.add(by_number[number], 0, sys.maxsize, 0, by_number[number].lines)
        whole.payloads = len(survey.sizes)
        if survey.is_split or whole.totals.retimed:
            raise NotTogetherError
    return facts, surveys


_Part = tuple[dict[int, tuple[dict[int, Facts], Places]], dict[int, Survey]]


def _most_chunks(run: Run) -> int:
    """Chunks there are at most, as far as the container knows its length."""
    counts = [expected_pictures(run.source, index) for index in run.source.video]
    return max([1, *(count // least_in_chunk(count) for count in counts)])


def _here(run: Run) -> _Part:
    with (
        contextlib.ExitStack() as held,
        Pass(run, (), repair=False, track_taint=False, quiet=True) as passed,
    ):
        looks = {i: held.enter_context(contextlib.closing(Look(run.source, i, run.settings))) for i in run.source.video}
        for event in passed.events(
            "analysing", looks.keys(), lambda: [one for look in looks.values() for one in look.totals]
        ):
            if isinstance(event, VideoPayload):
                looks[event.stream].push(event)
        if run.stopped():
            raise Interrupted("interrupted")
        for look in looks.values():
            look.finish()
    found = {index: (look.facts, look.survey.places) for index, look in looks.items()}
    return found, {index: look.survey for index, look in looks.items()}


def _in_children(run: Run, count: int) -> list[_Part]:
    children = [
        Child(LookJob(run.source.wanted, run.settings, which, count), "looked for damage") for which in range(count)
    ]
    meter = Meter("analysing", run.on_progress)
    states = [(0, 0, 0.0)] * count
    parts: dict[int, _Part] = {}
    try:
        while len(parts) < count:
            if run.stopped():
                raise Interrupted("interrupted")
            for which, child in enumerate(children):
                for kind, *what in child.messages() if which not in parts else ():
                    if kind == "done":
                        parts[which] = what[0], what[1]  # type: ignore[assignment]
                        run.source.losses = what[2]  # type: ignore[assignment]
                        states[which] = *states[which][:2], 1.0
                        break  # that it ends now is no news
                    pictures, damaged, share = what
                    states[which] = pictures, damaged, share or 0.0  # type: ignore[assignment]
            meter.tell(sum(s[0] for s in states), sum(s[1] for s in states), min(s[2] for s in states))
            time.sleep(TICK)
        return [parts[which] for which in range(count)]
    except LateStreamsError as error:
        raise NotTogetherError from error
    finally:
        for child in children:
            child.close()
