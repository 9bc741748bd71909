"""A repairer for each stream of a run, with the network they share."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from concealer.repair import Repairer
from pipelines.generative import generative_or_none, open_in_background
from pipelines.jobs.run import Run

_LIVE_DEADLINE_MS = 20.0
"""What repair of one picture may cost where pictures keep coming."""


def make_repairers(run: Run, streams: Collection[int]) -> dict[int, Repairer]:
    """By the streams' index. Raises UsageError if the method needs a network and there is none."""
    method, engine = run.settings.method, run.settings.engine
    if run.source.live and method == "auto":
        repairers = {index: Repairer(method, _LIVE_DEADLINE_MS) for index in streams}
        for repairer in repairers.values():
            # What comes in meanwhile would be lost while a network compiles.
            open_in_background(engine, partial(setattr, repairer, "generative"))
        return repairers
    network = generative_or_none(method, engine) if streams else None
    deadline = _LIVE_DEADLINE_MS if run.source.live else None
    return {index: Repairer(method, deadline, network() if network else None) for index in streams}
