"""Checking files for damage: nothing is repaired, nothing is written."""

from pipelines.checking.candidates import Candidate, find_candidates
from pipelines.checking.check import check_file
from pipelines.checking.many import check_files
from pipelines.checking.verdict import CSV_COLUMNS, SCHEMA, FileCheck, StreamCheck, Stretch

__all__ = [
    "CSV_COLUMNS",
    "SCHEMA",
    "Candidate",
    "FileCheck",
    "StreamCheck",
    "Stretch",
    "check_file",
    "check_files",
    "find_candidates",
]
