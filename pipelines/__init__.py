"""Wiring of the rooms into programs: the file pipeline and the command lines."""

from pipelines.errors import ConcealError, InputError, Interrupted, OutputError, UsageError
from pipelines.file_pipeline import ConcealResult, Settings, conceal_file
from pipelines.progress import Progress
from pipelines.report import Totals
from pipelines.writing.encoder import EncoderSettings

__all__ = [
    "ConcealError",
    "ConcealResult",
    "EncoderSettings",
    "InputError",
    "Interrupted",
    "OutputError",
    "Progress",
    "Settings",
    "Totals",
    "UsageError",
    "conceal_file",
]
