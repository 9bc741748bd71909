"""From a damaged file to a whole one: analyse, then copy, keep what is whole, splice or encode."""

from pipelines.jobs.conceal import conceal_file
from pipelines.jobs.result import Action, ConcealResult, Kept
from pipelines.jobs.settings import OUTPUT_MODES, OutputMode, Settings
from pipelines.jobs.shares import Share, search_share
from pipelines.jobs.splice_totals import SpliceTotals

__all__ = [
    "OUTPUT_MODES",
    "Action",
    "ConcealResult",
    "Kept",
    "OutputMode",
    "Settings",
    "Share",
    "SpliceTotals",
    "conceal_file",
    "search_share",
]
