"""An archive: all files of a folder or a list, on all cores or many machines, begun once and gone on with at will."""

from pipelines.archive.names import Shard, parse_shard
from pipelines.archive.record import Record
from pipelines.archive.run import Wanted, run_archive
from pipelines.archive.task import Outcome

__all__ = ["Outcome", "Record", "Shard", "Wanted", "parse_shard", "run_archive"]
