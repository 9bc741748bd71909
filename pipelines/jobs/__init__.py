"""From a damaged file to a whole one: analyse, then copy, encode or splice."""

from pipelines.jobs.conceal import conceal_file
from pipelines.jobs.result import Action, ConcealResult
from pipelines.jobs.settings import Settings
from pipelines.jobs.splice_totals import SpliceTotals

__all__ = ["Action", "ConcealResult", "Settings", "SpliceTotals", "conceal_file"]
