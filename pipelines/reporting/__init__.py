"""Reports for people and their tools: HTML, CSV, chapters and edit lists. The format goes by the file's suffix."""

from __future__ import annotations

import os
from collections.abc import Callable

from pipelines.reporting.album import Album, Plate
from pipelines.reporting.beside import Beside
from pipelines.reporting.collecting import Collector
from pipelines.reporting.compare import Comparison, check_comparison
from pipelines.reporting.html import Page, environment
from pipelines.reporting.sight import Subject, VideoFacts
from pipelines.reporting.tables import Marks, Table

__all__ = [
    "Album",
    "Beside",
    "Collector",
    "Comparison",
    "Plate",
    "Subject",
    "VideoFacts",
    "check_comparison",
    "check_report",
    "collector",
    "shows_pictures",
]

_BY_SUFFIX: dict[str, Callable[[str, Subject], Collector]] = {
    ".html": Page,
    ".htm": Page,
    ".csv": Table,
    ".edl": Marks,
    ".ffmeta": Marks,
    ".ffmetadata": Marks,
}


def _suffix(target: str) -> str:
    return os.path.splitext(target)[1].lower()


def check_report(target: str) -> None:
    """Raise UsageError if what writes this kind of report is not installed."""
    if _BY_SUFFIX.get(_suffix(target)) is Page:
        environment()


def shows_pictures(target: str | None) -> bool:
    """Whether the report of this name has pictures in it."""
    return target is not None and _BY_SUFFIX.get(_suffix(target)) is Page


def collector(target: str, subject: Subject) -> Collector | None:
    """What writes the report of this name; None: it is JSON's. Raises OutputError, UsageError."""
    make = _BY_SUFFIX.get(_suffix(target))
    return None if make is None else make(target, subject)
