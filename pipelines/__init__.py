"""Wiring of the rooms into programs: whole files, live streams, the command lines."""

from pipelines.errors import ConcealError, InputError, Interrupted, OutputError, UsageError
from pipelines.jobs import ConcealResult, Settings, SpliceTotals, conceal_file
from pipelines.progress import Progress
from pipelines.report import Totals
from pipelines.writing import EncoderSettings

__all__ = [
    "ConcealError",
    "ConcealResult",
    "EncoderSettings",
    "InputError",
    "Interrupted",
    "OutputError",
    "Progress",
    "Settings",
    "SpliceTotals",
    "Totals",
    "UsageError",
    "conceal_file",
]
