"""`conceal check`: are files damaged, how much, and where?"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from concealer import __version__
from pipelines.arguments import Parser, parse
from pipelines.checking import CSV_COLUMNS, Candidate, FileCheck, check_files, find_candidates
from pipelines.checking.telling import Sum, line
from pipelines.checking.verdict import csv_row
from pipelines.ending import run_command
from pipelines.errors import InputError, OutputError, UsageError, one_line
from pipelines.writing import Draft

DAMAGED = 5
"""Exit code."""

_DESCRIPTION = """\
Tells of every H.264 and HEVC video file whether it is damaged, how much and where. Nothing is written but the table
that --csv asks for.\
"""
_EPILOG = """\
Folders are searched through, in order of names. What is no H.264 or HEVC video there is passed over; of video that
cannot be read, and of every file named, there is a line.

--fast decodes nothing. It looks at continuity counters and error flags of transport streams, at sizes of samples and
NAL units, at slice headers (slices and pictures that are missing, frame numbers, picture order), at times, and for runs
of zeros. Bits that are wrong inside a slice it cannot see. How far damage spreads it tells as an upper bound.

A file that is called "check" is repaired with: conceal ./check OUT

exit codes:
  0    all files are intact
  1    processing failed
  2    bad usage
  3    no file is damaged, but at least one cannot be read; or there is none
  4    the table cannot be written
  5    damage was found
  130  interrupted
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="conceal check",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="FILE|FOLDER", nargs="+", help="what to check")
    parser.add_argument("--fast", action="store_true", help="look at headers and transport only, decode nothing")
    parser.add_argument("--jobs", type=int, metavar="N", help="files at once, a process each (default: all cores)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file (docs/check.md)")
    parser.add_argument("--csv", metavar="FILE", help="write a table, one row a file; an existing one is replaced")
    parser.add_argument("-q", "--quiet", action="store_true", help="no lines for intact files, no last line")
    parser.add_argument("--version", action="version", version=f"conceal {__version__}")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command line behind `conceal check`; returns its exit code."""
    try:
        args = parse(build_parser(), argv)
    except UsageError as error:
        _say(str(error))
        return error.exit_code
    return run_command(lambda stopped: _check(args, stopped), _say)


def _check(args: argparse.Namespace, stopped: Callable[[], bool]) -> int:
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs must be 1 or more, got {args.jobs}")
    jobs = args.jobs or len(os.sched_getaffinity(0))
    began, total = time.monotonic(), Sum()
    files = find_candidates(args.names)
    with contextlib.ExitStack() as stack:
        table = None
        if args.csv is not None:
            files = iter(_spared(list(files), args.csv))
            table = stack.enter_context(_table(args.csv))
        for one in check_files(files, fast=args.fast, jobs=jobs, stopped=stopped):
            total.add(one)
            if one.status == "passed over":
                continue
            if table is not None:
                table(one)
            _tell(one, args)
    if not total.checked:
        raise InputError(f"{', '.join(args.names)}: no H.264 or HEVC video in it")
    if not args.quiet:
        _say(total.line(time.monotonic() - began, args.fast))
    if total.by_status["damaged"]:
        return DAMAGED
    return InputError.exit_code if total.by_status["failed"] else 0


def _tell(one: FileCheck, args: argparse.Namespace) -> None:
    if args.json:
        text = json.dumps(one.as_dict())
    elif args.quiet and one.status == "intact":
        return
    else:
        # A name may hold bytes that are no text.
        encoding = sys.stdout.encoding or "utf-8"
        text = line(one).encode(encoding, "backslashreplace").decode(encoding)
    print(text, flush=True)


def _spared(files: list[Candidate], table: str) -> list[Candidate]:
    """Raise UsageError if the table would replace one of the files."""
    place = os.path.realpath(table)
    if any(os.path.realpath(one.path) == place and one.named for one in files):
        raise UsageError(f"{table}: the table would replace a file that is to be checked")
    return files


@contextlib.contextmanager
def _table(path: str) -> Iterator[Callable[[FileCheck], None]]:
    """Takes rows; the file gets its name at the end, if all went well. Raises OutputError."""
    draft = Draft(path)
    file: TextIO
    try:
        with open(draft.path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(CSV_COLUMNS)
            yield lambda one: _write(rows.writerow, one, path)
        draft.commit()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {one_line(error)}") from error
    finally:
        draft.discard()


def _write(write: Callable[[list[str]], object], one: FileCheck, path: str) -> None:
    try:
        write(csv_row(one))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {one_line(error)}") from error


def _say(text: str) -> None:
    print(f"conceal check: {text}", file=sys.stderr)
