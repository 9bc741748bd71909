"""Completing an output, or leaving none."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.errors import Interrupted
from pipelines.jobs.run import Run
from pipelines.writing import ByteStream, Sink


def write_out(run: Run, sink: Sink | ByteStream, work: Iterator[None]) -> bool:
    """Do the work that fills `sink`, step by step, then complete it; or leave nothing, whatever happens on the way.

    Returns whether the run was stopped and its output holds what was done until then. Raises Interrupted where that is
    not wanted, and what the work raises.
    """
    try:
        for _ in work:
            if run.stopped() and not run.keeps_partial:
                break
        stopped = run.stopped()
        if stopped and not run.keeps_partial:
            raise Interrupted("interrupted")
        sink.finish()
    except BaseException:
        sink.abort()
        raise
    return stopped
