"""H.264 parameter sets that nobody tells, searched for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.salvage.media import Media
from pipelines.salvage.parameter_sets import Sets
from pipelines.salvage.units import Unit


def searched(media: Media, units: Sequence[Unit]) -> Iterator[Sets]:
    yield from ()
