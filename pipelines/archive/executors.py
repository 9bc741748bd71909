"""Who does the work: what every executor offers, and the one that needs no other machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from pipelines.archive.task import Found, Outcome, Task
from pipelines.archive.treat import perform
from pipelines.workers import Died, Workers


@dataclass(frozen=True)
class Lost:
    """In place of an outcome: who worked on it is gone."""

    reason: str
    """In words."""
    by: Literal["worker", "machine"] = "worker"
    """A process that ended over the task, which may be the task's doing; a machine that went away."""


class Executor(Protocol):
    """Works on tasks, each with a number."""

    @property
    def width(self) -> int:
        """Tasks that it works on at once."""

    @property
    def has_room(self) -> bool:
        """Whether it wants another task now."""

    def begin(self, number: int, task: Task) -> None:
        """Give it one."""

    def ready(self, patience: float) -> list[tuple[int, Outcome | Found | Lost]]:
        """Those that ended. patience: seconds to wait for one. Raises ConcealError where nothing can go on."""

    def close(self) -> None:
        """Stop all work."""


class Local:
    """Processes of this machine."""

    def __init__(self, jobs: int) -> None:
        self.width = jobs
        self._workers = Workers(perform, jobs)

    @property
    def has_room(self) -> bool:
        return self._workers.has_room

    def begin(self, number: int, task: Task) -> None:
        self._workers.begin(number, task)

    def ready(self, patience: float) -> list[tuple[int, Outcome | Found | Lost]]:
        return [
            (number, Lost(f"the process that worked on it ended with {found.ending}"))
            if isinstance(found, Died)
            else (number, found)
            for number, found in self._workers.ready(patience)
        ]

    def close(self) -> None:
        self._workers.close()


class Here:
    """This process, for what no other one sees."""

    width = 1

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._waiting: tuple[int, Task] | None = None

    @property
    def has_room(self) -> bool:
        return self._waiting is None

    def begin(self, number: int, task: Task) -> None:
        self._waiting = number, task

    def ready(self, patience: float) -> list[tuple[int, Outcome | Found | Lost]]:
        if self._waiting is None:
            return []
        (number, task), self._waiting = self._waiting, None
        return [(number, perform(task, self._stopped))]

    def close(self) -> None:
        pass
