"""Media in MP4 files whose index is lost or broken: found by what they are, and given an index to be read by."""

from pipelines.salvage.salvage import NothingFoundError, Salvaged, salvage

__all__ = ["NothingFoundError", "Salvaged", "salvage"]
