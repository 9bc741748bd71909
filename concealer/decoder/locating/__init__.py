"""Where damage begins, if nobody says."""

from concealer.decoder.locating.evidence import figures_with_past, own_figures
from concealer.decoder.locating.locator import Locator, Weighing, begun_by
from concealer.decoder.locating.suspicion import Suspicion

__all__ = ["Locator", "Suspicion", "Weighing", "begun_by", "figures_with_past", "own_figures"]
