"""`conceal archive`: all files of a folder, a list or a share of one repaired, on this machine or on many."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TextIO

from concealer import __version__
from pipelines.archive import Outcome, Wanted, parse_shard, run_archive
from pipelines.archive.telling import Progress, Sum, as_dict, line
from pipelines.arguments import Parser, parse
from pipelines.ending import run_command
from pipelines.errors import InputError
from pipelines.options import add_policy_options, add_video_options, settings_of

FAILED = 1
"""Exit code."""

_DESCRIPTION = """\
Repairs every file below IN as `conceal FILE OUT/FILE` does, and copies byte for byte what needs no repair. Can be
ended at any time and called again: what is done is remembered in OUT, by the content of input and output, the options
and the version of the program; only what is missing, changed or not whole is done.\
"""
_EPILOG = """\
examples:
  conceal archive recordings/ repaired/
  conceal archive recordings/ repaired/ --list damaged.txt
  conceal archive recordings/ repaired/ --shard $SLURM_ARRAY_TASK_ID/100
  conceal archive recordings/ repaired/ --cluster ray-head:6379
  conceal archive s3://bucket/recordings s3://bucket/repaired --cluster auto

A file that fails has its line; the others are done, and the next run tries it again. A folder that is called "archive"
is no input of conceal; a file that is called so is repaired with: conceal ./archive OUT

exit codes:
  0    all files are done
  1    at least one file failed, or processing did
  2    bad usage
  3    IN or the list cannot be read, or there is no file in it
  4    OUT cannot be written
  130  interrupted; the next run goes on
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="conceal archive",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="folder, or an address that fsspec knows (s3://bucket/folder)")
    parser.add_argument("output", metavar="OUT", help="the same; files keep their relative names")
    files = parser.add_argument_group("files")
    files.add_argument("--list", metavar="FILE", help="names of the files, one a line, relative to IN; - for stdin")
    files.add_argument("--skip-intact", action="store_true", help="leave out what needs no repair, do not copy it")
    files.add_argument("-y", "--overwrite", action="store_true", help="replace files in OUT that no run has written")
    files.add_argument(
        "--trust-times",
        action="store_true",
        help="do not read again what has the size and the time of change that are remembered",
    )
    files.add_argument("-f", "--format", metavar="FORMAT", help="container of what is repaired (default: by its name)")
    files.add_argument("--input-format", metavar="FORMAT", help="container of all files where it cannot be told")
    work = parser.add_argument_group("who works")
    work.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: all cores)")
    work.add_argument("--shard", metavar="i/N", help="do the i-th of N shares of the files only, i from 0")
    work.add_argument(
        "--cluster", metavar="ray|ADDRESS", help="work on a Ray cluster: ray starts one here, else its address or auto"
    )
    add_video_options(parser)
    add_policy_options(parser)
    out = parser.add_argument_group("what is told")
    out.add_argument("--json", action="store_true", help="one JSON object a line: files, then the sum; progress too")
    out.add_argument("-q", "--quiet", action="store_true", help="lines of files that failed only")
    out.add_argument("--version", action="version", version=f"conceal {__version__}")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the command line behind `conceal archive`; returns its exit code."""

    def work(stopped: Callable[[], bool]) -> int:
        args = parse(build_parser(), argv)
        with _own_stdout(args.cluster is not None) as out:
            return _archive(args, out, stopped)

    return run_command(work, _say)


def _archive(args: argparse.Namespace, out: TextIO, stopped: Callable[[], bool]) -> int:
    wanted = Wanted(
        args.input,
        args.output,
        replace(settings_of(args), jobs=args.jobs),
        names=args.list,
        shard=parse_shard(args.shard or "0/1"),
        cluster=args.cluster,
        skip_intact=args.skip_intact,
        trust_times=args.trust_times,
    )
    total = Sum()
    progress = Progress(total, args.json)
    shown = args.json or (sys.stderr.isatty() and not args.quiet)
    try:
        with contextlib.closing(run_archive(wanted, stopped)) as outcomes:
            for one in outcomes:
                total.add(one)
                progress.clear()
                _tell(one, args, out)
                if shown:
                    progress.tell()
    finally:
        progress.clear()
    if not total.files and wanted.shard.of == 1:
        raise InputError(f"{args.list or args.input}: no file in it")
    if args.json:
        print(json.dumps(total.as_dict()), file=out, flush=True)
    elif not args.quiet:
        _say(total.line())
    return FAILED if total.failed else 0


def _tell(one: Outcome, args: argparse.Namespace, out: TextIO) -> None:
    if args.json:
        text = json.dumps(as_dict(one))
    elif (args.quiet or one.kind == "known") and one.record is not None:
        return
    else:
        # A name may hold bytes that are no text.
        encoding = out.encoding or "utf-8"
        text = line(one).encode(encoding, "backslashreplace").decode(encoding)
    print(text, file=out, flush=True)


@contextlib.contextmanager
def _own_stdout(alone: bool) -> Iterator[TextIO]:
    """Standard output; alone: for nobody else in this process. Ray prints there what happened on its machines."""
    out = sys.stdout
    if not alone:
        yield out
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield out


def _say(text: str) -> None:
    print(f"conceal archive: {text}", file=sys.stderr)
