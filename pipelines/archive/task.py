"""What workers are given, and what they give back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

from concealer import __version__
from pipelines.archive.record import Content, Record, digest_of
from pipelines.jobs import Settings, Share

_NOT_OF_THE_OUTPUT = ("jobs", "threads", "overwrite", "metrics", "report", "outage", "reconnect", "keep_partial")


@dataclass(frozen=True)
class Job:
    """All that is the same for every file of a run."""

    source: str
    target: str
    settings: Settings
    run: str
    """Name of the run, of its own."""
    skip_intact: bool = False
    """Files that need no repair are left out, not copied."""
    trust_times: bool = False
    """A file whose size and time of change are those in the manifest is not read again."""
    version: str = __version__

    @property
    def digest(self) -> str:
        """Of what, beside the input, the output hangs on."""
        known = {name: value for name, value in asdict(self.settings).items() if name not in _NOT_OF_THE_OUTPUT}
        return digest_of(json.dumps([known, self.skip_intact]))

    def of_one_process(self) -> Settings:
        """Of a run over one file: workers are as many as there are cores, and a draft is there already."""
        return replace(self.settings, jobs=1, overwrite=True)


@dataclass(frozen=True)
class Task:
    """One file, or a share of the search for damage in a long one."""

    job: Job
    name: str
    known: tuple[Record, ...] = ()
    """What the manifest says of it, oldest first."""
    only_look_up: bool = False
    """Do nothing but find out whether it is done."""
    share: tuple[int, int] | None = None
    """Only look for damage: which share of how many, from 0."""
    found: tuple[Found, ...] = ()
    """What came of all shares, for a file whose search is done."""
    again: bool = False
    """Who began it was lost, perhaps with nothing left to do but to tell of it."""


@dataclass(frozen=True)
class Found:
    """What came of one share of a search."""

    name: str
    share: Share | None
    """None: the file is better looked at in one piece."""
    input: Content | None
    """Size and stamp of the file it was found in."""
    processor_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    name: str
    kind: Literal["done", "known", "to do", "failed"]
    """done: now; known: earlier, as the manifest says; to do: looked up only, and not done."""
    record: Record | None = None
    """None of a failed one."""
    reason: str = ""
    """Why it failed, in one line."""
    exit_code: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    tries: int = 1
    """How often it, or the share of its search that was begun most often, was begun: more than once if who worked on it
    was lost."""
