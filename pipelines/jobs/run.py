"""One run over a file: what was asked for and the opened input, which every way of treating it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.jobs.settings import Settings
from pipelines.jobs.shares import Share
from pipelines.progress import OnProgress
from pipelines.reading import Source

_LOOKAHEAD = 2
"""Access units to look ahead where that delays nobody."""


@dataclass(frozen=True)
class Run:
    """A run that was found to make sense."""

    source: Source
    target: str | None
    """Of the output; None only for a dry run."""
    target_format: str
    """FFmpeg's name of its container."""
    settings: Settings
    on_progress: OnProgress | None
    stopped: Callable[[], bool]
    """Asked at every packet; true: no further."""
    began: float
    """By the monotonic clock."""
    shares: Sequence[Share] = ()
    """Of a search for damage that was made elsewhere; empty: there was none."""
    shows_all: bool = False
    """Pictures that lack what they are predicted from are shown from the first on: nothing else is there to show."""

    @property
    def output(self) -> str:
        """The target of a run that writes one."""
        assert self.target is not None
        return self.target

    @property
    def lookahead(self) -> int:
        """Access units that repair looks ahead."""
        if self.settings.lookahead is not None:
            return self.settings.lookahead
        return 0 if self.source.live else _LOOKAHEAD

    @property
    def keeps_partial(self) -> bool:
        """Stopping completes the output: for a live input it is how receiving ends."""
        return self.settings.keep_partial or self.source.live
