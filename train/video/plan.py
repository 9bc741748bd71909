"""Recipes of the grouped prior for natural video."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from train.context import Context
from train.video.synthetic import synthetic_streams
from train.video.trainer import StreamHoles, VideoSettings, VideoTrainer, load

SHARDS = "video"
"""Folder of the shards below that of all shards."""
LENGTH = 8
"""Consecutive holes of a stream in a step."""


@dataclass(frozen=True, slots=True)
class VideoChoice:
    """The prior that tells candidates apart. window: W; memory: False clears its state at every hole."""

    window: int = 8
    memory: bool = True
    steps: int = 4000

    @property
    def needs(self) -> tuple[str, ...]:
        """Recipes whose weights it starts from or keeps frozen."""
        return ()

    def trainer(self, context: Context) -> VideoTrainer:
        """Ready for its first step. Raises ValueError if what it needs is not there."""
        spec = context.spec("VideoPrior", width=16, hidden=16)
        streams = context.count(4, smoke=2)
        settings = VideoSettings(spec, self.window, LENGTH, streams, 2e-3, self.memory, self.steps)
        if context.smoke:
            train, held = synthetic_streams(4), synthetic_streams(2, seed=1)
        else:
            train, held = _loaded(context.shards / SHARDS)
        return VideoTrainer(settings, train, held, context.seed)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[list[StreamHoles], list[StreamHoles]]:
    return load(folder)
