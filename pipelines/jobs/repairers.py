"""A repairer for each stream of a run, with the networks they share."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from concealer.repair import Repairer
from pipelines.generative import AwaitedChoice, choice_in_background, generative_or_none, open_in_background
from pipelines.jobs.run import Run


def make_repairers(run: Run, streams: Collection[int]) -> dict[int, Repairer]:
    """By the streams' index. Raises UsageError if the method needs a network and there is none."""
    method, engine, name = run.settings.method, run.settings.engine, run.settings.network
    if run.source.live and method == "auto":
        repairers = {index: Repairer(method) for index in streams}
        for repairer in repairers.values():
            # What comes in meanwhile would be lost while a network compiles.
            open_in_background(engine, partial(setattr, repairer, "generative"), name)
            choice_in_background(engine, partial(setattr, repairer, "choice"))
        return repairers
    network = generative_or_none(method, engine, name) if streams else None
    return {
        index: Repairer(
            method,
            generative=network() if network else None,
            choice=AwaitedChoice(engine) if method == "auto" else None,
        )
        for index in streams
    }
