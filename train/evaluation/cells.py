"""Results on disk: a cell is measured once, until its weights or the number of its pictures change."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.evaluation.catalogue import slug

log = logging.getLogger("train.evaluate")


class Cells:
    """The folder of one resolution."""

    def __init__(self, folder: Path, minutes: float | None = None) -> None:
        """`minutes`: nothing new is measured after."""
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.left_out = 0
        """Cells that were not measured because time was up."""
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def measure(self, name: str, stamp: str, count: int, make: Callable[[], dict[str, Any]]) -> None:
        """Measure a cell unless it was, with this stamp of its weights and as many pictures."""
        path = self._path(name)
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known.get("weights") == stamp and known.get("pictures") == count:
                return
        if self.late():
            return
        started = time.perf_counter()
        values = make()
        log.info("%s: %s (%.0f s)", name, json.dumps(values)[:160], time.perf_counter() - started)
        self.write(name, {"weights": stamp, "pictures": count} | values)

    def late(self) -> bool:
        """Whether time is up; counts what is left out for it."""
        late = self._end is not None and time.monotonic() > self._end
        self.left_out += late
        return late

    def write(self, name: str, values: dict[str, Any]) -> None:
        self._path(name).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def _path(self, name: str) -> Path:
        return self.folder / f"{slug(name)}.json"
