"""What is known of a stream once all of it was looked at, in one piece or in several."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from pipelines.jobs.lines import Line
from pipelines.report import Totals


class Known(Protocol):
    """What `Track` and `Facts` tell alike."""

    @property
    def index(self) -> int: ...
    @property
    def time_base(self) -> Fraction: ...
    @property
    def interval(self) -> int: ...
    @property
    def totals(self) -> Totals: ...
    @property
    def damaged(self) -> bool: ...
    @property
    def any_hidden(self) -> bool: ...
    @property
    def payloads(self) -> int: ...
    @property
    def left_out(self) -> int: ...
    @property
    def tags(self) -> array[int]: ...
    @property
    def times(self) -> array[int]: ...


@dataclass
class Facts:
    """Of one stream, or of one stretch of it; see `Track` for what the fields mean."""

    index: int
    time_base: Fraction
    interval: int
    totals: Totals = field(default_factory=Totals)
    damaged: bool = False
    any_hidden: bool = False
    payloads: int = 0
    left_out: int = 0
    tags: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    lines: list[Line] = field(default_factory=list)
    """What the report says of its pictures."""

    def add(self, known: Known, first: int, end: int, offset: int, lines: Sequence[Line] = ()) -> None:
        """The next stretch.

        first, end: payloads that count, as `known` numbers them; offset: what is added for the stream's own numbers.
        lines: with the stream's own numbers.
        """
        self.lines += lines
        self.totals.merge(known.totals)
        self.damaged |= known.damaged
        self.any_hidden |= known.any_hidden
        self.payloads += end - first
        self.left_out += known.left_out
        for tag, time in zip(known.tags, known.times, strict=True):
            if first <= tag < end:
                self.tags.append(tag + offset)
                self.times.append(time)
